"""Run one network of a shared library: a program of its own, since foreign code may crash it.

    python shared_runner.py libNET.so NET ARENA_BYTES [--weights FILE]
        [--input X.npy]… [--output Y.npy SHAPE]…

It takes inputs and outputs as the executable does, and the shape of each output, "1,10".
"""

from __future__ import annotations

import argparse
import ctypes
from collections.abc import Sequence
from pathlib import Path

import numpy as np

ALIGNMENT = 64


def aligned(size: int) -> np.ndarray:
    """Bytes from a multiple of 64 on."""
    raw = np.zeros(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size]


def main(words: Sequence[str] | None = None) -> int:
    """What `NET_run` returned."""
    parser = argparse.ArgumentParser()
    parser.add_argument("library", type=Path)
    parser.add_argument("net")
    parser.add_argument("arena", type=int)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--input", type=Path, action="append", default=[])
    parser.add_argument("--output", nargs=2, action="append", default=[])
    args = parser.parse_args(words)
    inputs = [np.load(path) for path in args.input]
    shapes = [[int(extent) for extent in shape.split(",") if extent] for _, shape in args.output]
    outputs = [np.zeros(shape, np.float32) for shape in shapes]
    status = _call(args.library, args.net, [*inputs, *outputs], args.arena, args.weights)
    for (path, _), array in zip(args.output, outputs, strict=True):
        np.save(path, array)
    return status


def _call(
    library: Path, net: str, tensors: list[np.ndarray], arena: int, weights: Path | None
) -> int:
    memory = [aligned(max(arena, ALIGNMENT))]
    if weights is not None:
        data = weights.read_bytes()
        memory.insert(0, aligned(len(data)))
        memory[0][:] = np.frombuffer(data, np.uint8)
    code = ctypes.CDLL(str(library))
    run, flush = code[f"{net}_run"], code[f"{net}_flush_subnormals"]
    run.restype = ctypes.c_int
    io = (ctypes.c_void_p * len(tensors))(*(tensor.ctypes.data for tensor in tensors))
    pointers = [ctypes.c_void_p(block.ctypes.data) for block in memory]
    before = flush(1)
    status = int(run(ctypes.byref(io), *pointers, None))
    flush(before)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
