"""What all tables of kernels share: a case, how it comes twice, and what everyday runs try."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from mbc.ir.activations import RELU
from mbc.ir.graph import Graph
from mbc.ir.views import Value
from mbc.ops import Add
from mbc.ops.elementwise import Activate
from tests.backends.kernel_check import Net

Case = tuple[str, Callable[[], Graph]]
Layer = Callable[[Net, Value], Value]
ONE = (1, 1, 1, 1)


def both(name: str, shape: tuple[int, ...], layer: Layer) -> Iterator[Case]:
    """A layer between dense tensors of the caller, and between padded ones in the arena."""

    def dense() -> Graph:
        net = Net()
        return net.outputs(layer(net, net.input(*shape)))

    def padded() -> Graph:
        net = Net()
        inside = net.graph.add(Activate(RELU), [net.input(*shape)]).result
        result = layer(net, inside)
        return net.outputs(net.graph.add(Add(), [result, result]).result)

    yield f"{name}-dense", dense
    yield f"{name}-padded", padded


def some_of_each_kind(cases: Sequence[Case]) -> tuple[list[Case], list[Case]]:
    """The first case of each op and each activation with a quarter of the others, and the rest."""
    first = {kind_of(case[0]): case[0] for case in reversed(cases)}.values()
    others = [case[0] for case in cases if case[0] not in first]
    some = {*first, *others[::4]}
    return (
        [case for case in cases if case[0] in some],
        [case for case in cases if case[0] not in some],
    )


def kind_of(name: str) -> str:
    """The op of a case by its name, or the activation that it has after a convolution."""
    return re.sub("^(pw|dw|conv)_", "", name.split("-")[0])
