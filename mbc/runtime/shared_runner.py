"""Run one network of a shared library, as a separate program that a crash may end.

    python shared_runner.py libNET.so NET BUILD [--weights FILE]
        [--input X.npy]… [--output Y.npy TYPE SHAPE]…

It takes inputs and outputs as the executable does, and of each output numpy's type and the shape,
"float32" "1,10". All else comes from `NET_abi`, which is compared with NET, BUILD and the tensors.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
from collections.abc import Sequence
from ctypes import (
    CFUNCTYPE,
    POINTER,
    c_char_p,
    c_float,
    c_int,
    c_int32,
    c_size_t,
    c_uint32,
    c_void_p,
)
from pathlib import Path

import numpy as np

ABI_VERSION = 1
CODES = {"float32": 1, "uint8": 3, "int32": 5}
"""Numbers of element types in c/abi.h, by numpy's names."""


class Tensor(ctypes.Structure):
    """`mbc_tensor` of c/abi.h."""

    _fields_ = (
        ("name", c_char_p),
        ("shape", POINTER(c_size_t)),
        ("count", c_size_t),
        ("type", c_uint32),
        ("rank", c_uint32),
        ("scale", c_float),
        ("zero_point", c_int32),
    )


class Abi(ctypes.Structure):
    """`mbc_abi` of c/abi.h."""

    _fields_ = (
        ("version", c_uint32),
        ("size", c_uint32),
        ("name", c_char_p),
        ("build", c_char_p),
        ("arena_bytes", c_size_t),
        ("shared_bytes", c_size_t),
        ("scratch_bytes", c_size_t),
        ("weights_bytes", c_size_t),
        ("alignment", c_uint32),
        ("external_weights", c_uint32),
        ("input_count", c_uint32),
        ("output_count", c_uint32),
        ("inputs", POINTER(Tensor)),
        ("outputs", POINTER(Tensor)),
        ("run", CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_void_p)),
        ("arena_bytes_for", CFUNCTYPE(c_size_t, c_int)),
        ("flush_subnormals", CFUNCTYPE(c_int, c_int)),
        ("normalize", POINTER(c_char_p)),
    )


def load(library: Path, net: str) -> Abi:
    """Read a library's description of a network; ValueError for an unknown interface version."""
    describe = ctypes.CDLL(str(library.absolute()))[f"{net}_abi"]
    describe.restype = POINTER(Abi)
    abi: Abi = describe().contents
    if abi.version != ABI_VERSION or abi.size < ctypes.sizeof(Abi):
        raise ValueError(f"its interface is version {abi.version}, {abi.size} bytes")
    return abi


def problems(abi: Abi, net: str, build: str, tensors: Sequence[np.ndarray]) -> list[str]:
    """List the differences between a library's description and its caller's expectations."""
    found = [*abi.inputs[: abi.input_count], *abi.outputs[: abi.output_count]]
    wanted: dict[str, tuple[object, object]] = {
        "name": (abi.name.decode(), net),
        "build": (abi.build.decode(), build),
        "element types": ([t.type for t in found], [CODES.get(str(t.dtype)) for t in tensors]),
        "shapes": ([t.shape[: t.rank] for t in found], [list(t.shape) for t in tensors]),
        "sizes": ([t.count for t in found], [t.size for t in tensors]),
    }
    return [
        f"its {what}: {there}, expected {here}"
        for what, (there, here) in wanted.items()
        if there != here
    ]


def aligned(size: int, alignment: int) -> np.ndarray:
    """Allocate zeroed bytes at a multiple of the alignment."""
    raw = np.zeros(size + alignment, np.uint8)
    start = -raw.ctypes.data % alignment
    return raw[start : start + size]


def main(words: Sequence[str] | None = None) -> int:
    """Run the network and return its status; 3 if the library is not the expected one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("library", type=Path)
    parser.add_argument("net")
    parser.add_argument("build")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--input", type=Path, action="append", default=[])
    parser.add_argument("--output", nargs=3, action="append", default=[])
    args = parser.parse_args(words)
    inputs = [np.load(path) for path in args.input]
    outputs = [np.zeros(_extents(shape), kind) for _, kind, shape in args.output]
    try:
        abi = load(args.library, args.net)
        wrong = problems(abi, args.net, args.build, [*inputs, *outputs])
    except (OSError, AttributeError, ValueError) as problem:
        wrong = [str(problem)]
    if wrong:
        sys.stderr.writelines(f"error: {args.library}: {each}\n" for each in wrong)
        return 3
    status = call(abi, [*inputs, *outputs], args.weights)
    for (path, _, _), array in zip(args.output, outputs, strict=True):
        np.save(path, array)
    return status


def _extents(shape: str) -> list[int]:
    return [int(extent) for extent in shape.split(",") if extent]


def call(abi: Abi, tensors: Sequence[np.ndarray], weights: Path | None) -> int:
    """Run the network on one thread, with memory of its own and subnormal numbers flushed."""
    arena = aligned(max(abi.arena_bytes_for(1), 1), abi.alignment)
    packed = None
    if weights is not None:
        data = np.frombuffer(weights.read_bytes(), np.uint8)
        packed = aligned(data.size, abi.alignment)
        packed[:] = data
    io = (c_void_p * len(tensors))(*(tensor.ctypes.data for tensor in tensors))
    before = abi.flush_subnormals(1)
    status = abi.run(
        io, packed.ctypes.data if packed is not None else None, arena.ctypes.data, None
    )
    abi.flush_subnormals(before)
    return int(status)


if __name__ == "__main__":
    raise SystemExit(main())
