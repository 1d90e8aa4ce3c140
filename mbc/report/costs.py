"""The costs of a network, in all and layer by layer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from mbc.ir.graph import Graph
from mbc.ops.cost import Layer, learned_params, total_cost
from mbc.records import dataclass
from mbc.report.roofline import Roofline


@dataclass(frozen=True)
class Report:
    """The costs of a network: of the graph as compiled unless a field says otherwise."""

    network: str
    parameters: dict[str, Any]
    """Parameters of the network function, with their values."""
    target: str
    macs: int
    """Multiply-adds of the network as written, as papers count them."""
    params: int
    """Learned parameters of the network as written."""
    arena_bytes: int
    weights_bytes: int
    bytes_moved_by_data_movement: int
    """Bytes that one inference copies."""
    layers: tuple[Layer, ...]
    roofline: Roofline | None = None
    """Only for boards."""
    integer_macs: int = 0
    """Multiply-adds of the layers that compute on codes."""

    def to_json(self) -> dict[str, Any]:
        """Return the object that `mbc report --json` prints (docs/cli.md)."""
        return asdict(self)


@dataclass(frozen=True)
class Totals:
    """Multiply-adds and learned parameters of a network as written."""

    macs: int
    params: int

    @staticmethod
    def of(graph: Graph) -> Totals:
        """Count the totals of a graph on which no pass has run."""
        return Totals(total_cost(graph).macs, learned_params(graph))


def shares(values: Iterable[int]) -> tuple[float, ...]:
    """Divide each value by their sum; zeros where the sum is zero."""
    numbers = tuple(values)
    total = sum(numbers)
    return tuple(number / total if total else 0.0 for number in numbers)
