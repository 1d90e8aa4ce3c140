"""What a network costs, in all and layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mbc.ir.graph import Constant, Graph, Node
from mbc.ops.cost import learned_params, node_cost, total_cost
from mbc.ops.fused import Fused
from mbc.report.roofline import Roofline


@dataclass(frozen=True)
class Layer:
    """One node of the compiled graph.

    `name` is that of its weights, else of its value; `bytes` is the traffic of one inference, each
    operand and result once; `intensity` is FLOP (two a multiply-add) per byte.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    macs: int
    params: int
    bytes: int
    intensity: float
    location: str


@dataclass(frozen=True)
class Report:
    """A network's cost. `macs` and `params` are of the network as written, as papers count them;
    `layers`, arena, weights and the bytes that are copied in a run are of the graph as compiled;
    there is a roofline if the target is a board."""

    network: str
    parameters: dict[str, Any]
    target: str
    macs: int
    params: int
    arena_bytes: int
    weights_bytes: int
    bytes_moved_by_data_movement: int
    layers: tuple[Layer, ...]
    roofline: Roofline | None = None

    def to_json(self) -> dict[str, Any]:
        """As `mbc report --json` prints it (docs/cli.md)."""
        return asdict(self)


@dataclass(frozen=True)
class Totals:
    """Multiply-adds and learned parameters of a network as written."""

    macs: int
    params: int

    @staticmethod
    def of(graph: Graph) -> Totals:
        """Counted before any pass has run."""
        return Totals(total_cost(graph).macs, learned_params(graph))


def layers(graph: Graph) -> tuple[Layer, ...]:
    """The nodes of a graph in the order in which they run."""
    return tuple(_layer(node) for node in graph.topo())


def _layer(node: Node) -> Layer:
    cost = node_cost(node)
    traffic = cost.bytes_read + cost.bytes_written
    return Layer(
        name=layer_name(node),
        op=op_name(node),
        shape=node.results[0].type.shape,
        macs=cost.macs,
        params=cost.params,
        bytes=traffic,
        intensity=round(2 * cost.macs / traffic, 3),
        location=str(node.locations[0]) if node.locations else "",
    )


def op_name(node: Node) -> str:
    """The mnemonic; for a fused node its kind."""
    return f"fused {node.op.kind}" if isinstance(node.op, Fused) else node.op.mnemonic


def layer_name(node: Node) -> str:
    """What the weights of the node are called but for their last word ("blocks.3.dw"), several
    joined by "+"; the value's name ("%4") where there are none."""
    names = dict.fromkeys(_owner(constant.name) for constant in _weights([node]))
    return "+".join(names) or f"%{node.results[0].name}"


def _owner(constant: str) -> str:
    return constant.rpartition(".weight")[0] or constant


def _weights(nodes: Sequence[Node]) -> Iterator[Constant]:
    """The `weight` operands of nodes, those in fused bodies included."""
    for node in nodes:
        if isinstance(node.op, Fused):
            yield from _weights(node.op.body.topo())
        for slot, operand in enumerate(node.operands):
            if isinstance(operand, Constant) and node.op.operand_name(slot) == "weight":
                yield operand


def shares(values: Iterable[int]) -> tuple[float, ...]:
    """Each value as a fraction of the sum; zeros where the sum is zero."""
    numbers = tuple(values)
    total = sum(numbers)
    return tuple(number / total if total else 0.0 for number in numbers)
