"""The layers with subnormal weights, which are packed as zeros."""

from __future__ import annotations

from collections.abc import Iterator

from mbc.ir.graph import Constant, Graph, Node
from mbc.ir.subnormals import count_subnormals
from mbc.ops.cost import weights_name
from mbc.ops.fused import Fused
from mbc.records import dataclass


@dataclass(frozen=True)
class SubnormalWeights:
    """The subnormal weights of a layer."""

    layer: str
    count: int
    total: int
    """Number of all weights."""
    location: str
    """The user's line."""

    def __str__(self) -> str:
        where = f"{self.location}: " if self.location else ""
        counts = f"{self.count} of {self.total} weights of {self.layer}"
        return f"{where}weights: {counts} are subnormal: packed as 0"


def subnormal_weights(graph: Graph) -> tuple[SubnormalWeights, ...]:
    """Count the subnormal weights of each layer of a graph after its passes; layers without any are
    left out."""
    found = (_of(node) for node in graph.topo())
    return tuple(layer for layer in found if layer.count)


def _of(node: Node) -> SubnormalWeights:
    bound = [constant.data for constant in _constants(node) if constant.data is not None]
    count, total = sum(map(count_subnormals, bound)), sum(data.size for data in bound)
    location = str(node.locations[0]) if node.locations else ""
    return SubnormalWeights(weights_name(node), count, total, location)


def _constants(node: Node) -> Iterator[Constant]:
    if isinstance(node.op, Fused):
        yield from node.op.body.constants().values()
    yield from (operand for operand in node.operands if isinstance(operand, Constant))
