"""`make counts`: instructions of whole networks on arm64, against the limits we keep.

One row a network: the executable as `mbc compile --target arm64 --mcpu cortex-a53` makes it, under
qemu, once with `--bench 1` and once without. The difference is one inference, and some ten thousand
instructions that read the clock and print the time. The floor is one multiply-add by a vector of
four for every four of the network's.

    python -m tests.counts.networks [--kernels] [NAME ...]

`--kernels` adds a table of the kernels of each network.
"""

from __future__ import annotations

import argparse
import json
import operator
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from unittest import mock

import numpy as np

from mbc.backends.llvm import toolchain
from mbc.passes.pipelines import O2
from mbc.passmgr.pipeline import spec_of
from tests.counts.counter import Counter, Counts
from tests.e2e.support import EXAMPLES, done

LANES, MILLION, INF = 4, 1e6, float("inf")
UNFUSED = ",".join(
    spec_of(step)
    for stage in O2.stages
    for step in stage.passes
    if not step.name.startswith(("fuse-depthwise", "fuse-inverted", "fuse-universal"))
)


@dataclass(frozen=True)
class Network:
    """An example with its limits: million instructions, and megabytes (10^6) stored."""

    name: str
    file: str
    instructions: float
    stored: float = INF
    options: tuple[str, ...] = ()
    cpu: tuple[str, ...] = ("--mcpu", "cortex-a53")
    codes: bool = False
    """Whether it computes on 8-bit codes."""

    def command(self, folder: Path) -> list[str]:
        """How it is compiled, but for the folder of results; `folder` gets its ranges."""
        file, more = EXAMPLES / self.file, list[str]()
        if self.codes:
            more = ["--quantize", str(folder / f"{self.name}.q")]
            done("quantize", file, *self.options, "--random", "--samples", "2", "-o", more[1])
        return ["compile", str(file), *self.options, *more, "--target", "arm64", *self.cpu]


def _shufflenet_v1(groups: int, limit: float) -> Network:
    options = ("-D", f"groups={groups}")
    return Network(f"shufflenet_v1-g{groups}", "shufflenet_v1.py", limit, options=options)


NETWORKS = (
    Network("mobilenet_v1", "mobilenet_v1.py", 171),
    Network("mobilenet_v2", "mobilenet_v2.py", 96),
    *(_shufflenet_v1(groups, limit) for groups, limit in ((1, 45), (2, 46), (3, 45), (4, 46))),
    _shufflenet_v1(8, 48),
    Network("shufflenet_v2", "shufflenet_v2.py", 47),
    Network("efficientnet_lite0", "efficientnet_lite.py", 125.1),
    Network("mnasnet", "mnasnet.py", 102.1),
    Network("mobilenet_v4-small", "mobilenet_v4.py", 60.4),
    Network("mobilenet_v3-large", "mobilenet_v3.py", 78.5),
    Network("mobilenet_v3-small", "mobilenet_v3.py", 20.5, options=("-D", "variant=small")),
    Network("efficientnet_b0", "efficientnet.py", 178),
    Network("ghostnet", "ghostnet.py", 48),
    Network("squeezenet", "squeezenet.py", 106),
    Network("shufflenet_v2-unfused", "shufflenet_v2.py", INF, 8.75, ("--passes", UNFUSED)),
)

CPUS = {
    "plain": ("--mcpu", "cortex-a53"),
    "dotprod": ("--mcpu", "cortex-a76"),
    "i8mm": ("--mcpu", "cortex-a76", "--mattr", "+i8mm"),
}
"""Of arm64, by what multiplies bytes."""
CODES = {
    "mobilenet_v1": (135.5, 50.6, 36.9),
    "mobilenet_v2": (84.7, 35.0, 28.8),
    "shufflenet_v1-g3": (43.8, 17.8, 15.5),
    "shufflenet_v2": (40.0, 15.3, 12.4),
}
"""Limits on 8-bit codes by network, for each of `CPUS`."""
ON_CODES = tuple(
    replace(network, name=f"{network.name}-{kind}", instructions=limit, cpu=cpu, codes=True)
    for network in NETWORKS
    for limit, (kind, cpu) in zip(CODES.get(network.name, ()), CPUS.items(), strict=False)
)


@dataclass(frozen=True)
class Result:
    """One inference of a network."""

    network: Network
    macs: int
    kernels: Mapping[str, Counts]

    @property
    def total(self) -> Counts:
        """All kernels, and all else."""
        return reduce(operator.add, self.kernels.values())

    @property
    def row(self) -> tuple[str, ...]:
        """As printed; what is over its limit is marked."""
        total, network = self.total, self.network
        return (
            network.name,
            f"{total.instructions / MILLION:.1f}",
            _limit(network.instructions, total.instructions),
            f"{self.macs / LANES / MILLION:.1f}",
            f"{total.loaded / MILLION:.1f}",
            f"{total.stored / MILLION:.2f}",
            _limit(network.stored, total.stored),
        )

    @property
    def exceeds(self) -> bool:
        """Whether any limit is exceeded."""
        return any(cell.endswith("!") for cell in self.row)


def _limit(limit: float, count: int) -> str:
    if limit == INF:
        return "-"
    return f"{limit:g}" + "!" * (count > limit * MILLION)


HEADER = ("network", "M instr", "limit", "floor", "M loaded", "MB stored", "limit")
KERNEL_HEADER = ("kernel", "M instr", "M fmla", "a fmla", "M loaded", "MB stored")


def measure(network: Network, counter: Counter, folder: Path) -> Result:
    """Compile, run twice, and take the difference."""
    output = folder / network.name
    # The kernels' names stay in, so that counts can be told apart; they change no instruction.
    flags = tuple(flag for flag in toolchain.LINK_FLAGS["elf"] if flag != "-s")
    with mock.patch.dict(toolchain.LINK_FLAGS, elf=flags):
        done(*network.command(folder), "--emit", "exe", "-o", output)
    manifest = json.loads((output / "manifest.json").read_text())
    tensor = folder / "x.npy"
    np.save(tensor, np.zeros(manifest["inputs"][0]["shape"], np.float32))
    counter = replace(counter, cpu="max") if network.codes else counter
    command = (output / Path(network.file).stem, "--input", tensor, "--top", "1")
    once, twice = counter.count_symbols(*command), counter.count_symbols(*command, "--bench", "1")
    kernels = {name: counts - once.get(name, Counts()) for name, counts in twice.items()}
    return Result(network, manifest["macs"], kernels)


def kernel_rows(result: Result) -> Iterator[tuple[str, ...]]:
    """All that take at least 0.2 % of the instructions, most first."""
    least = result.total.instructions / 500
    for name, counts in sorted(result.kernels.items(), key=lambda kv: -kv[1].instructions):
        if counts.instructions >= least:
            numbers = (counts.instructions, counts.fmla, counts.loaded, counts.stored)
            instructions, fmla, loaded, stored = (f"{n / MILLION:.3f}" for n in numbers)
            each = f"{counts.instructions / counts.fmla:.3f}" if counts.fmla else "-"
            yield name, instructions, fmla, each, loaded, stored


def print_row(cells: Sequence[str], width: int) -> None:
    """The first cell `width` characters wide, the others right-aligned."""
    name, *numbers = cells
    print(f"{name:<{width}}", *(f"{number:>10}" for number in numbers), flush=True)


def main(words: Sequence[str]) -> int:
    """Status 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(prog="python -m tests.counts.networks")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these networks")
    parser.add_argument("--kernels", action="store_true", help="a table of kernels as well")
    args = parser.parse_args(words)
    known = {network.name: network for network in (*NETWORKS, *ON_CODES)}
    if unknown := [name for name in args.names if name not in known]:
        parser.error(f"no network {' or '.join(unknown)}; there are {', '.join(known)}")
    chosen = [known[name] for name in args.names] or [*NETWORKS, *ON_CODES]
    with tempfile.TemporaryDirectory() as folder:
        return _table(chosen, Path(folder), kernels=args.kernels)


def _table(networks: Sequence[Network], folder: Path, *, kernels: bool) -> int:
    counter, exceeded = Counter.build(folder), []
    print_row(HEADER, 26)
    for network in networks:
        result = measure(network, counter, folder)
        print_row(result.row, 26)
        if result.exceeds:
            exceeded.append(network.name)
        if kernels:
            for row in (KERNEL_HEADER, *kernel_rows(result)):
                print_row(row, 72)
    if exceeded:
        print(f"over the limit (!): {', '.join(exceeded)}", file=sys.stderr)
    return int(bool(exceeded))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
