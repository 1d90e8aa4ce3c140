"""A view that no kernel can read is copied, so that it is a value: op(view) = op(concat(view)).

Views come from passes that ask the backend first, so this is for text written by hand, for views
that two readers need in different places, and for backends that read fewer views than a pass left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import ClassVar

from mbc.ir.graph import Graph, Node, Operand
from mbc.ir.views import ChannelView, Value
from mbc.ops.move import Concat
from mbc.passes.rewrite import candidate, insert, name_of
from mbc.passes.views.colocation import SharedPixels
from mbc.passmgr.passes import PassContext, PassResult, Refusal
from mbc.records import dataclass
from mbc.targets.backend import Backend


@dataclass(frozen=True)
class MaterializeViews:
    """Copy the views that the backend has no kernel for."""

    name: ClassVar[str] = "materialize-views"
    tolerance: ClassVar[float] = 0.0

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Copy each such view once, before its first reader."""
        result = PassResult()
        visit = _Visit(graph, context.backend, SharedPixels(graph, context.backend), result)
        for node in graph.topo():
            visit.node(node)
        return result


@dataclass(frozen=True)
class _Visit:
    graph: Graph
    backend: Backend
    shared: SharedPixels
    result: PassResult
    copies: dict[ChannelView, Value] = field(default_factory=dict)

    def node(self, node: Node) -> None:
        """Let a node read copies where it must."""
        roles = [role for role, operand in node.items() if _is_read_through(operand)]
        if roles and (why := self._refusal(node, node.operands)):
            self._copy(node, self._unreadable(node, roles), why)
        elif roles:
            values = ", ".join(name_of(v) for role in roles for v in node.view(role).values)
            message = f"not copied: {name_of(node)} reads {values} through a view"
            self.result.note("view", message, node)
        self.shared.add(node)

    def _refusal(self, node: Node, operands: Sequence[Operand | None]) -> Refusal:
        new = candidate(node.op, operands)
        support = self.backend.supports(new)
        if not support:
            return Refusal("no-kernel", f"the backend refuses: {support.reason}")
        return Refusal("buffer", self.shared.refusal(new))

    def _unreadable(self, node: Node, roles: list[str]) -> list[str]:
        """Find the one operand that, copied, makes the node fit; else return all of them."""
        for role in roles:
            copy = ChannelView.of(Value("copy", node.view(role).type))
            if not self._refusal(node, node.operands_with({role: copy})):
                return [role]
        return roles

    def _copy(self, node: Node, roles: list[str], why: Refusal) -> None:
        copies = {}
        for role in roles:
            copy = self._value(node, node.view(role))
            what = f"{name_of(copy)}, {copy.type.bytes} bytes, for {name_of(node)}"
            self.result.did(why.reason, f"copied: {what}: {why}", node)
            copies[role] = ChannelView.of(copy)
        self.graph.set_operands(node, node.operands_with(copies))

    def _value(self, node: Node, view: ChannelView) -> Value:
        if view not in self.copies:
            name = f"{view.values[0].name}.copy"
            self.copies[view] = insert(self.graph, Concat(), [view], name, node).result
        return self.copies[view]


def _is_read_through(operand: Operand | None) -> bool:
    return isinstance(operand, ChannelView) and not operand.is_plain
