"""`make bench-tvm`: the TVM backend beside the LLVM backend and TVM itself, on one thread.

Three ways to run one network take turns in one process, on the same graph after the same passes:
the LLVM backend, our kernels called by TVM, and TVM's own kernels by its default pipeline. Each
round times every one of them; a ratio is the median over the rounds.

    python -m tests.speed.tvm_cpu [--rounds N] [--network FILE.py]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mbc.accuracy import difference
from mbc.backends.llvm.jit import JitNet
from mbc.backends.tvm.cpu.module import cpu_module
from mbc.backends.tvm.module import relax_module
from mbc.backends.tvm.vm import TvmNet
from mbc.driver.instrumentation import Inspection
from mbc.driver.pipeline import compile_graph
from mbc.driver.producers.llvm import lower_graph
from mbc.driver.producers.producer import Compiled
from mbc.driver.request import Request, Silent
from mbc.driver.rounds import Run, Times, take_turns
from mbc.interp import run as run_oracle
from mbc.runtime.reference import SEED, TOLERANCE, seeded_inputs
from tests.backends.tvm_cpu import NoKernels, load
from tests.example_networks import EXAMPLES

WARM_UP = 3
OURS, CALLED, DEFAULT = "LLVM backend", "--backend tvm", "TVM's default pipeline"


def main() -> int:
    """Compile, compare the answers, take turns, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--network", type=Path, default=EXAMPLES / "mobilenet_v1.py")
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        runs = contestants(args.network, Path(folder))
        for run in runs.values():
            for _ in range(WARM_UP):
                run()
        times = take_turns(runs, args.rounds, lambda: None, lambda name: None)
    print(f"{args.network.stem}, one thread, {args.rounds} rounds")
    for name, found in times.items():
        print(row(name, found, times))
    return 0


def row(name: str, found: Times, times: Mapping[str, Times]) -> str:
    """Milliseconds, and how many times the LLVM backend's, and our kernels' through TVM."""
    ratios = (found.ratio(times[other]) for other in (OURS, CALLED))
    by = "".join(f"{ratio:9.3f}" for ratio in ratios)
    return f"{name:24} min {found.ms_min:9.2f} ms  median {found.ms_median:9.2f} ms{by}"


def contestants(network: Path, folder: Path) -> dict[str, Run]:
    """The three ways, each of which gives the oracle's answer."""
    llvm, tvm = (compiled(network, backend) for backend in ("llvm", "tvm"))
    for name in ("called", "default"):
        (folder / name).mkdir()
    jit = JitNet(lower_graph(llvm, Silent()))
    called = load(cpu_module(tvm.graph, tvm.target), tvm.graph, folder / "called", optimize=True)
    default = load(
        relax_module(tvm.graph, NoKernels()), tvm.graph, folder / "default", optimize=True
    )
    inputs = seeded_inputs(called.inputs, SEED)
    wanted = run_oracle(llvm.source.graph, inputs)
    for net in (jit, called, default):
        check(net, inputs, wanted)
    tensors = jit.tensors()
    return {OURS: lambda: jit.time_once(tensors), CALLED: timer(called), DEFAULT: timer(default)}


def compiled(network: Path, backend: str) -> Compiled:
    """The network after the passes for a backend."""
    request = Request(network, backend=backend)
    return compile_graph(request, Inspection(), Silent(), lambda text: None)


def timer(net: TvmNet) -> Run:
    """A run on tensors that are there already."""
    tensors = [net.tensor(array) for array in seeded_inputs(net.inputs, SEED).values()]
    return lambda: net.time_once(tensors)


def check(
    net: Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]],
    inputs: Mapping[str, np.ndarray],
    wanted: Mapping[str, np.ndarray],
) -> None:
    """What is timed is right."""
    for name, array in net(inputs).items():
        found = difference(array, wanted[name])
        assert found.error <= TOLERANCE, f"{name} has a relative error of {found}"


if __name__ == "__main__":
    sys.exit(main())
