"""What all tables of kernels share: a case, and how it comes twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
