"""Costs of nodes and graphs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mbc.ir.elements import Q8
from mbc.ir.graph import Constant, Graph, Node
from mbc.ir.literals import weights_of
from mbc.ir.op import Cost
from mbc.ops.fused import Fused
from mbc.ops.outputs import copied_outputs
from mbc.records import dataclass


def node_cost(node: Node) -> Cost:
    """Count a node's multiply-adds, elements of constants, and bytes read and written.

    Each operand and result counts once, dense; values inside a fused body are not traffic.
    """
    constants = _constants(node)
    read = sum(view.type.bytes for view in node.views) + sum(c.type.bytes for c in constants)
    return Cost(
        macs=node.op.macs(node.operand_types),
        params=sum(c.type.elements for c in constants),
        bytes_read=read,
        bytes_written=sum(result.type.bytes for result in node.results),
    )


def _constants(node: Node) -> list[Constant]:
    if isinstance(node.op, Fused):
        return list(node.op.body.constants().values())
    return [o for o in node.operands if isinstance(o, Constant)]


def learned_params(graph: Graph) -> int:
    """Count the trained parameters of a network before passes: weights, biases and batch norm's
    gamma and beta, but not its running statistics."""
    statistics = {
        operand.name
        for node in graph.topo()
        for i, operand in enumerate(node.operands)
        if isinstance(operand, Constant) and node.op.spec(i).statistic
    }
    weights = weights_of(graph).values()
    return sum(c.type.elements for c in weights if c.name not in statistics)


def total_cost(graph: Graph) -> Cost:
    """Sum over the nodes of a graph."""
    return sum((node_cost(node) for node in graph.topo()), Cost())


def integer_macs(graph: Graph) -> int:
    """Count the multiply-adds of layers that read codes, in fused bodies too."""
    inner = (leaf for node in graph.topo() for leaf in (_body(node) or (node,)))
    return sum(
        node.op.macs(node.operand_types)
        for node in inner
        if any(isinstance(view.type.element, Q8) for view in node.views)
    )


def bytes_moved_by_data_movement(graph: Graph) -> int:
    """Count the bytes that a run writes to copy computed data: results of ops that only move data,
    in fused bodies too, and outputs that have to be copied to the caller."""
    moved = sum(
        node_cost(inner).bytes_written
        for node in graph.topo()
        for inner in (node, *_body(node))
        if inner.op.moves_data_only
    )
    return moved + sum(view.type.bytes for view in copied_outputs(graph))


def _body(node: Node) -> list[Node]:
    return node.op.body.topo() if isinstance(node.op, Fused) else []


@dataclass(frozen=True)
class Layer:
    """The cost of one node, as reports and profiles list it."""

    name: str
    """Name of its first result."""
    origins: tuple[str, ...]
    """Values of the network as written that it accounts for, in their order; its own name last."""
    op: str
    shape: tuple[int, ...]
    """Shape of its first result."""
    macs: int
    params: int
    bytes: int
    """Memory traffic of one inference: each operand and result once."""
    intensity: float
    """FLOP (two a multiply-add) per byte."""
    location: str


def layers(graph: Graph) -> tuple[Layer, ...]:
    """List the nodes of a graph in the order in which they run."""
    return tuple(_layer(node) for node in graph.topo())


def _layer(node: Node) -> Layer:
    cost = node_cost(node)
    traffic = cost.bytes_read + cost.bytes_written
    return Layer(
        name=node.results[0].name,
        origins=origins_of(node),
        op=op_name(node),
        shape=node.results[0].type.shape,
        macs=cost.macs,
        params=cost.params,
        bytes=traffic,
        intensity=round(2 * cost.macs / traffic, 3),
        location=str(node.locations[0]) if node.locations else "",
    )


def op_name(node: Node) -> str:
    """Return the mnemonic of a node; the kind of a fused one."""
    return f"fused {node.op.kind}" if isinstance(node.op, Fused) else node.op.label


def layer_name(node: Node) -> str:
    """Return in short what a node accounts for: `short_form` of its origins, else its name."""
    return short_form(origins_of(node)) or node.results[0].name


def weights_name(node: Node) -> str:
    """Return the names of a node's weights without their last word, joined by "+"; without weights
    the name of its result."""
    names = dict.fromkeys(_owner(constant.name) for constant in _weights([node]))
    return "+".join(names) or node.results[0].name


def _owner(constant: str) -> str:
    return constant.rpartition(".weight")[0] or constant


def _weights(nodes: Sequence[Node]) -> Iterator[Constant]:
    """Yield the `weight` operands of nodes and of the bodies of fused nodes."""
    for node in nodes:
        if isinstance(node.op, Fused):
            yield from _weights(node.op.body.topo())
        if weight := node.constant("weight"):
            yield weight


def origins_of(node: Node) -> tuple[str, ...]:
    """Return the origins of a node's results and of its bodies' values, its own names last."""
    inside = [value for body in node.op.bodies for step in body.topo() for value in step.results]
    values = [*inside, *node.results]
    own = {value.name for value in node.results}
    found = dict.fromkeys(name for value in values for name in value.origins)
    return (*(name for name in found if name not in own), *(name for name in found if name in own))


def short_form(origins: Sequence[str], width: int | None = None) -> str:
    """Return names without those that extend others, scope by scope: `blocks.0.{dw,pw}` for
    blocks.0.dw, blocks.0.dw.bn, blocks.0.pw. With a width the first that fit, but one at least, and
    how many more there are."""
    known = set(origins)
    names = [n for n in origins if not any(prefix in known for prefix in _prefixes(n))]
    whole = _by_scope(names)
    if width is None or len(whole) <= width:
        return whole
    shorter = (
        f"{_by_scope(names[:count])} +{len(names) - count} more"
        for count in range(len(names) - 1, 0, -1)
    )
    cut = list(shorter) or [whole]
    return next((text for text in cut if len(text) <= width), cut[-1])


def _by_scope(names: Sequence[str]) -> str:
    scopes: dict[str, list[str]] = {}
    for name in names:
        scope, _, last = name.rpartition(".")
        scopes.setdefault(f"{scope}." if scope else "", []).append(last)
    return "+".join(map(_joined, scopes, scopes.values()))


def _prefixes(name: str) -> Iterator[str]:
    words = name.split(".")
    return (".".join(words[:count]) for count in range(1, len(words)))


def _joined(scope: str, names: Sequence[str]) -> str:
    if not scope:
        return "+".join(names)
    return scope + (names[0] if len(names) == 1 else f"{{{','.join(names)}}}")
