"""Edits and queries that several passes share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from mbc.diag import Location
from mbc.ir.graph import Constant, Graph, Node, Operand, without_trailing_none
from mbc.ir.op import Op
from mbc.ir.types import TensorType
from mbc.ir.views import Value


class ConstantMaker:
    """Derives constants from others, under names that are new to the graph.

    The originals are not modified, since other nodes may share them."""

    def __init__(self, graph: Graph) -> None:
        self._taken = set(graph.constants())

    def derive(
        self,
        name: str,
        type: TensorType,
        inputs: Sequence[Constant],
        function: Callable[..., np.ndarray],
    ) -> Constant:
        """Apply `function` to the inputs' arrays, in the element of `type`; unbound if an input is.

        Raises ValueError if the result does not have the shape of `type`."""
        fresh = self._fresh(name)
        if any(constant.data is None for constant in inputs):
            return Constant(fresh, type)
        data = function(*(constant.array for constant in inputs))
        derived = Constant.of(fresh, data, type.element)
        if derived.type != type:
            raise ValueError(f"@{fresh} should be {type}, not {derived.type}")
        return derived

    def _fresh(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}.{number}"
        self._taken.add(name)
        return name


def candidate(op: Op, operands: Sequence[Operand | None]) -> Node:
    """Return a node that belongs to no graph, as a question to a backend."""
    types = op.infer([None if o is None else o.type for o in operands])
    return Node(op, tuple(operands), tuple(Value("candidate", type) for type in types))


def merge(graph: Graph, nodes: Sequence[Node], op: Op, operands: Sequence[Operand | None]) -> Node:
    """Replace several nodes by one, in the place of the last, whose names its results keep; it has
    the origins and source locations of all."""
    *absorbed, last = nodes
    new = graph.replace(last, op, without_trailing_none(operands), locations=locations(nodes))
    account(new.results, results(absorbed), earlier=True)
    for node in reversed(absorbed):
        graph.erase(node)
    return new


def account(values: Iterable[Value], gone: Sequence[Value], *, earlier: bool = False) -> None:
    """Let values take the origins of others that are about to be erased: of what was made from
    them, or, if `earlier`, of what they were made from."""
    origins = [origin for value in gone for origin in value.origins]
    for value in values:
        value.account_for(origins, earlier=earlier)


def results(nodes: Iterable[Node]) -> list[Value]:
    """Return the results of nodes, in order."""
    return [value for node in nodes for value in node.results]


def insert(
    graph: Graph,
    op: Op,
    operands: Sequence[Operand | Value | None],
    name: str,
    before: Node,
    at: Node | None = None,
) -> Node:
    """Add a node before another, with the source locations of that one or of `at`. Its result is
    no value of the network as written: it has `name`, made unique, and no origins."""
    names, where = [graph.fresh_name(name)], (at or before).locations
    new = graph.add(op, operands, names=names, locations=where, before=before)
    new.result.is_added = True
    return new


def locations(nodes: Sequence[Node]) -> tuple[Location, ...]:
    """Return the source locations of all nodes, without duplicates."""
    return tuple(dict.fromkeys(at for node in nodes for at in node.locations))


def name_of(item: Node | Value) -> str:
    """Return the name of a node or value in remarks: `%stem.conv`."""
    return str(item.results[0] if isinstance(item, Node) else item)


def why_shared(graph: Graph, value: Value) -> str:
    """Return why a value cannot be fused into its user ("is an output", "has 2 users"), or ""."""
    if graph.is_output(value):
        return "is an output"
    users = len(graph.users(value))
    if users > 1:
        return f"has {users} users"
    return "is read twice" if graph.use_count(value) > 1 else ""
