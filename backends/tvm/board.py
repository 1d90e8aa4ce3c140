"""Run NET.so on a machine that has Python, numpy and TVM's runtime; mbc is not needed.

    pip install apache-tvm==0.27.0.post1 'apache-tvm-ffi>=0.1.14.post0,<0.1.15'
    python3 run.py --input x.npy --top 5

`mbc compile --backend tvm` writes this file beside NET.so and manifest.json.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Read inputs, run the network, show outputs; returns the exit status."""
    manifest = json.loads((HERE / "manifest.json").read_text())
    args = parser(manifest).parse_args()
    inputs = read(manifest["inputs"], args.input)
    kind = (manifest["gpu"] or "cpu").split()[0]
    device, run = load(HERE / f"{manifest['name']}.so", kind, args.threads)
    outputs, seconds = timed(run, device, inputs, args.repeat)
    for array, path in zip(outputs, args.output, strict=False):
        np.save(path, array)
    for tensor, array in zip(manifest["outputs"], outputs, strict=True):
        show(tensor["name"], array, args.top)
    if args.repeat:
        print(f"{args.repeat} runs: min {min(seconds) * 1e3:.3f} ms")
    return 0


def parser(manifest: dict[str, Any]) -> argparse.ArgumentParser:
    """Make the parser of the options."""
    made = argparse.ArgumentParser(description=f"Run {manifest['name']} by TVM's runtime.")
    listed = ", ".join(f"{io['name']} {io['shape']}" for io in manifest["inputs"])
    made.add_argument(
        "--input", action="append", default=[], metavar="FILE.npy", help=f"in order: {listed}"
    )
    made.add_argument(
        "--output", action="append", default=[], metavar="FILE.npy", help="write it; in order"
    )
    made.add_argument("--top", type=int, metavar="K", help="print the K largest: rank index value")
    made.add_argument("--repeat", type=int, default=0, metavar="N", help="time N more runs")
    made.add_argument("--threads", type=int, metavar="N", help="of TVM (default: its own choice)")
    return made


def read(specs: list[dict[str, Any]], paths: list[str]) -> list[np.ndarray]:
    """Read the inputs and check their shapes; a mismatch ends the program with a message."""
    if len(paths) != len(specs):
        sys.exit(f"error: --input is given {len(paths)} times, not {len(specs)}")
    arrays = [np.ascontiguousarray(np.load(path), np.float32) for path in paths]
    for spec, array in zip(specs, arrays, strict=True):
        if list(array.shape) != spec["shape"]:
            found = list(array.shape)
            sys.exit(f"error: input '{spec['name']}' has shape {found}, expected {spec['shape']}")
    return arrays


def load(library: Path, kind: str, threads: int | None) -> tuple[Any, Any]:
    """Return the device and the network's function on it."""
    os.environ.setdefault("TVM_USE_RUNTIME_LIB", "1")  # boards need no compiler
    # idle threads spin this often before the program can end; TVM's 300,000 may take minutes
    os.environ.setdefault("TVM_THREAD_POOL_SPIN_COUNT", "10000")
    if threads is not None:
        os.environ["TVM_NUM_THREADS"] = str(threads)
    import tvm.runtime
    from tvm.runtime.vm import VirtualMachine

    if kind == "cuda":
        give_machine_code(library)
    device = tvm.runtime.device(kind, 0)
    if not device.exist:
        sys.exit(f"error: TVM finds no {kind} device here")
    return device, VirtualMachine(tvm.runtime.load_module(str(library)), device)["main"]


def give_machine_code(library: Path) -> None:
    """Give TVM the compiled kernels: machine code for one GPU, or PTX.

    NET.so has their source, for which TVM would otherwise look for a compiler.
    """
    import tvm_ffi

    paths = (library.with_suffix(suffix) for suffix in (".cubin", ".ptx"))
    if path := next((path for path in paths if path.exists()), None):
        code = path.read_bytes() + b"\0"
        name = "tvm_callback_cuda_compile"
        tvm_ffi.register_global_func(name, lambda source: code, override=True)


def timed(
    run: Any, device: Any, inputs: list[np.ndarray], repeat: int
) -> tuple[list[np.ndarray], list[float]]:
    """Return the outputs of a first run, and the seconds of each further one."""
    import tvm.runtime

    tensors = [tvm.runtime.tensor(array, device) for array in inputs]
    result = run(*tensors)
    several = result if hasattr(result, "__len__") and not hasattr(result, "numpy") else [result]
    outputs, seconds = [array.numpy() for array in several], []
    for _ in range(repeat):
        start = perf_counter()
        run(*tensors)
        device.sync()
        seconds.append(perf_counter() - start)
    return outputs, seconds


def show(name: str, array: np.ndarray, top: int | None) -> None:
    """Print shape and range, or the ranking along the last axis."""
    if top is None:
        with np.errstate(invalid="ignore"):  # of infinities of both signs it is NaN
            mean = array.mean(dtype=np.float64)
        shape = f"({', '.join(map(str, array.shape))})"
        print(f"{name} {shape}: min {text(array.min())}, mean {mean:.6g}, max {text(array.max())}")
        return
    for row in array.reshape(-1, array.shape[-1]):
        for rank, index in enumerate(np.argsort(-row, kind="stable")[:top], 1):
            print(f"{rank} {index} {text(row[index])}")


def text(number: np.generic) -> str:
    """Format an element; integers with all their digits."""
    return f"{number:.6g}" if number.dtype == np.float32 else str(number)


if __name__ == "__main__":
    sys.exit(main())
