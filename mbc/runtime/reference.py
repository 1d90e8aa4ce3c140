"""Reference outputs of a network for seeded inputs, stored beside its artefacts: NET.check.npz.

The file has the oracle's outputs only, and masks of the indices about which rounding decides. The
inputs are drawn again from the seed, by a generator defined here, so that they are the same with
every version of numpy.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mbc.files import uninterrupted
from mbc.ir.elements import F32
from mbc.runtime.abi import IoSpec

SEED = 0
TOLERANCE = 1e-4  # relative, as `mbc.accuracy` measures it
CHUNK = 2**18  # numbers drawn at a time: their 64-bit states take at least twice their memory


def file_name(net: str) -> str:
    """Return the name NET.check.npz."""
    return f"{net}.check.npz"


def seeded_inputs(specs: Sequence[IoSpec], seed: int) -> dict[str, np.ndarray]:
    """Draw an input for each spec, of its shape: floats uniform in -1…1, or codes in 0…255; by
    name."""
    streams = range(seed << 16, (seed << 16) + len(specs))
    return {
        spec.name: _input(spec, uniform(spec.count, stream).reshape(spec.shape))
        for spec, stream in zip(specs, streams, strict=True)
    }


def _input(spec: IoSpec, numbers: np.ndarray) -> np.ndarray:
    """Convert numbers in -1…1 to elements of an input."""
    if spec.element is F32:
        return numbers
    codes: np.ndarray = np.floor(numbers * 128 + 128).astype(spec.element.numpy)
    return codes


def uniform(count: int, stream: int) -> np.ndarray:
    """Draw floats in [-1, 1), 24 bits each, by SplitMix64 (Steele, Lea, Flood: "Fast splittable
    pseudorandom number generators", 2014); each stream has its own sequence."""
    start = np.uint64((stream << 40) % 2**64)
    found = np.empty(count, np.float32)
    for first in range(0, count, CHUNK):
        chunk = found[first : first + CHUNK]
        numbers = np.arange(first + 1, first + chunk.size + 1, dtype=np.uint64)
        chunk[:] = _floats(numbers + start)
    return found


def _floats(states: np.ndarray) -> np.ndarray:
    """Compute the numbers at the given states of the sequence."""
    z = states * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    floats: np.ndarray = (z >> np.uint64(40)).astype(np.float32) / np.float32(2**23)
    return floats - np.float32(1)


def to_bytes(outputs: Mapping[str, np.ndarray]) -> bytes:
    """Serialise the outputs in order, under numpy's names of unnamed arrays.

    These are arr_0, …; the masks of masked ones are ties_0, …."""
    stream, arrays = io.BytesIO(), dict[str, Any]()
    for number, array in enumerate(outputs.values()):
        arrays[f"arr_{number}"] = np.asarray(array)
        if type(array) is not np.ndarray and np.ma.isMaskedArray(array):  # ma takes time to import
            arrays[f"ties_{number}"] = np.ma.getmaskarray(array)
    with uninterrupted():  # an interruption in the finaliser of numpy's archive would be lost
        np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def read(path: Path, specs: Sequence[IoSpec]) -> dict[str, np.ndarray]:
    """Read the outputs by name; raises OSError, ValueError or KeyError if the file lacks them."""
    with np.load(path, allow_pickle=False) as file:
        outputs = {spec.name: _stored(file, number) for number, spec in enumerate(specs)}
    for spec in specs:
        found = outputs[spec.name]
        if found.shape != spec.shape or found.dtype != spec.element.numpy:
            raise ValueError(f"{spec.name} is {found.dtype}{list(found.shape)}")
    return outputs


def _stored(file: Mapping[str, np.ndarray], number: int) -> np.ndarray:
    """Return an output, masked if the file has its mask."""
    array, ties = file[f"arr_{number}"], f"ties_{number}"
    if ties not in file:
        return array
    masked: np.ndarray = np.ma.masked_array(array, file[ties])
    return masked
