"""What a network answers to seeded inputs, kept beside its artefacts: NET.check.npz.

The inputs are drawn anew from the seed, by a generator of our own, so that they are the same with
every version of numpy; the file has the oracle's outputs alone.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mbc.runtime.abi import IoSpec

SEED = 0
TOLERANCE = 1e-4  # relative, as `mbc.accuracy` measures it
CHUNK = 2**18  # numbers drawn at a time, for their 64-bit states take twice their room or more


def file_name(net: str) -> str:
    """NET.check.npz."""
    return f"{net}.check.npz"


def seeded_inputs(specs: Sequence[IoSpec], seed: int) -> dict[str, np.ndarray]:
    """Uniform in -1…1 by input name, each of its spec's shape, float32."""
    streams = range(seed << 16, (seed << 16) + len(specs))
    return {
        spec.name: uniform(spec.count, stream).reshape(spec.shape)
        for spec, stream in zip(specs, streams, strict=True)
    }


def uniform(count: int, stream: int) -> np.ndarray:
    """Floats in [-1, 1) by SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
    generators", 2014), 24 bits of each number; another sequence for each stream."""
    start = np.uint64((stream << 40) % 2**64)
    found = np.empty(count, np.float32)
    for first in range(0, count, CHUNK):
        chunk = found[first : first + CHUNK]
        numbers = np.arange(first + 1, first + chunk.size + 1, dtype=np.uint64)
        chunk[:] = _floats(numbers + start)
    return found


def _floats(states: np.ndarray) -> np.ndarray:
    """The numbers at those places of the sequence."""
    z = states * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    floats: np.ndarray = (z >> np.uint64(40)).astype(np.float32) / np.float32(2**23)
    return floats - np.float32(1)


def to_bytes(outputs: Mapping[str, np.ndarray]) -> bytes:
    """What the file holds: the outputs in order, as numpy calls arrays without a name."""
    stream = io.BytesIO()
    np.savez_compressed(stream, *outputs.values())
    return stream.getvalue()


def read(path: Path, specs: Sequence[IoSpec]) -> dict[str, np.ndarray]:
    """The outputs by name; OSError, ValueError or KeyError if the file does not hold them."""
    with np.load(path, allow_pickle=False) as file:
        outputs = {spec.name: file[f"arr_{number}"] for number, spec in enumerate(specs)}
    for spec in specs:
        found = outputs[spec.name]
        if found.shape != spec.shape or found.dtype != spec.element.numpy:
            raise ValueError(f"{spec.name} is {found.dtype}{list(found.shape)}")
    return outputs
