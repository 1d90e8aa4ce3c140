"""Variants of a network on this machine, in turns within one process."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mbc.backends.llvm.jit import JitNet
from mbc.backends.llvm.lower import LoweredNet
from mbc.driver.instrumentation import Inspection
from mbc.driver.pipeline import compile_graph
from mbc.driver.producers.llvm import lower_graph
from mbc.driver.request import Request, Silent
from mbc.driver.rounds import Run, Times, take_turns
from mbc.runtime.pool import Team
from tests.example_networks import EXAMPLE_NETWORKS, PAGES, Example

WARM_UP_ROUNDS = 3


@dataclass(frozen=True)
class Variant:
    """A compiled network, the multiply-adds of it as written, and on how many threads it runs."""

    lowered: LoweredNet
    macs: int
    threads: int = 1

    @staticmethod
    def of(request: Request) -> Variant:
        """Compiled for this machine."""
        compiled = compile_graph(request, Inspection(), Silent(), lambda _: None)
        return Variant(lower_graph(compiled, Silent()), compiled.source.totals.macs)

    def on(self, threads: int) -> Variant:
        """The same on so many threads."""
        return replace(self, threads=threads)

    def is_like(self, other: Variant) -> bool:
        """Whether it is the same code on the same memory and threads."""
        return (self.lowered.ir, self.threads) == (other.lowered.ir, other.threads)


def race(
    variants: Mapping[str, Variant], rounds: int, more: Mapping[str, Run] | None = None
) -> dict[str, Times]:
    """Times of each in the same rounds, and of what else is to be run in them; variants that are
    the same share theirs."""
    leaders = {name: _first_like(name, variants) for name in variants}
    runs: dict[str, Run] = {}
    for name in dict.fromkeys(leaders.values()):
        team = Team(variants[name].threads)
        net = JitNet(variants[name].lowered, team.gather())
        runs[name] = net.bound(net.tensors())
        for _ in range(WARM_UP_ROUNDS):
            runs[name]()
    times = take_turns(runs | dict(more or {}), rounds, lambda: None, lambda _: None)
    leaders |= {name: name for name in more or {}}
    return {name: times[leader] for name, leader in leaders.items()}


def _first_like(name: str, variants: Mapping[str, Variant]) -> str:
    return next(other for other in variants if variants[other].is_like(variants[name]))


def parser_of(program: str) -> argparse.ArgumentParser:
    """A parser of the arguments of a benchmark: which examples, and how many rounds."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}")
    parser.add_argument("names", nargs="*", metavar="NAME", help="these networks or pages")
    parser.add_argument("--rounds", type=int, default=100, metavar="N", help="default 100")
    return parser


def named(
    parser: argparse.ArgumentParser, names: Sequence[str], otherwise: Sequence[Example]
) -> list[Example]:
    """The examples of these names; others if there is none."""
    known = {str(example): example for example in (*EXAMPLE_NETWORKS, *PAGES)}
    if unknown := [name for name in names if name not in known]:
        parser.error(f"no network {' or '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] or list(otherwise)


def options(program: str, words: Sequence[str]) -> tuple[list[Example], int]:
    """The arguments of a benchmark that takes no others; without names those of the papers."""
    parser = parser_of(program)
    args = parser.parse_args(words)
    return named(parser, args.names, EXAMPLE_NETWORKS), args.rounds


def print_row(cells: Sequence[str], width: int) -> None:
    """The first cell `width` characters wide, the others right-aligned."""
    name, *numbers = cells
    print(f"{name:<{width}}", *(f"{number:>11}" for number in numbers), flush=True)
