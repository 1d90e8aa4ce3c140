"""Variants of a network on this machine, in turns within one process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mbc.backends.llvm.jit import JitNet
from mbc.backends.llvm.lower import LoweredNet
from mbc.driver.build import lower_graph
from mbc.driver.inspect import Inspection
from mbc.driver.pipeline import compile_graph
from mbc.driver.request import Request, Silent
from mbc.driver.rounds import Times, take_turns

WARM_UP_ROUNDS = 3


@dataclass(frozen=True)
class Variant:
    """A compiled network, and the multiply-adds of it as written."""

    lowered: LoweredNet
    macs: int

    @staticmethod
    def of(request: Request) -> Variant:
        """Compiled for this machine."""
        compiled = compile_graph(request, Inspection(), Silent(), lambda _: None)
        return Variant(lower_graph(compiled, Silent()), compiled.source.totals.macs)

    def is_like(self, other: Variant) -> bool:
        """Whether it is the same code on the same memory."""
        return self.lowered.ir == other.lowered.ir


def race(variants: Mapping[str, Variant], rounds: int) -> dict[str, Times]:
    """Times of each in the same rounds; variants that are the same share theirs."""
    leaders = {name: _first_like(name, variants) for name in variants}
    runs = {}
    for name in dict.fromkeys(leaders.values()):
        net = JitNet(variants[name].lowered)
        tensors = net.tensors()
        runs[name] = lambda net=net, tensors=tensors: net.time_once(tensors)
        for _ in range(WARM_UP_ROUNDS):
            runs[name]()
    times = take_turns(runs, rounds, lambda: None, lambda _: None)
    return {name: times[leader] for name, leader in leaders.items()}


def _first_like(name: str, variants: Mapping[str, Variant]) -> str:
    return next(other for other in variants if variants[other].is_like(variants[name]))


def print_row(cells: Sequence[str], width: int) -> None:
    """The first cell `width` characters wide, the others right-aligned."""
    name, *numbers = cells
    print(f"{name:<{width}}", *(f"{number:>11}" for number in numbers), flush=True)
