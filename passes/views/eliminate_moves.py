"""Removes ops that only move channels: their users read through channel views instead."""

from __future__ import annotations

from mbc.ir.graph import Constant, Graph, Node, Operand
from mbc.ir.op import Op
from mbc.ir.permute import Reindex
from mbc.ir.views import ChannelView, Value
from mbc.ops.move import Concat
from mbc.passes.rewrite import ConstantMaker, account, insert, name_of, results
from mbc.passes.views.plan import Planner, ViewPlan
from mbc.passmgr.passes import PassContext, PassResult
from mbc.records import dataclass

SHOWN = 8  # of the nodes that change on a move's account


def remove_moves(
    graph: Graph, context: PassContext, kind: type[Op], result: PassResult
) -> PassResult:
    """Remove the nodes of one kind of move that the backend's kernels do not need, and note in
    `result` what was done. Returns remarks on the remaining ones: the bytes that each copies, and
    why it is needed."""
    constants = ConstantMaker(graph)
    while True:  # removing one move may make another removable
        moves = [node for node in graph.topo() if isinstance(node.op, kind)]
        plan = Planner(graph, context.backend, frozenset(moves)).plan()
        gone = [node for node in moves if not all(value in plan.kept for value in node.results)]
        if not gone:
            break
        for node in gone:
            result.did("removed", f"removed: {_names(node)}: {_story(node, plan)}", node)
        _Edit(graph, plan, constants).apply(gone)
    stay = PassResult()
    for node in moves:
        reasons = [plan.kept[value] for value in node.results]
        why = "; ".join(dict.fromkeys(map(str, reasons)))
        message = f"not removed: {_names(node)}, {_copy(*node.results)}: {why}"
        stay.note(reasons[0].reason, message, node)
    return stay


def _names(node: Node) -> str:
    return ", ".join(map(name_of, node.results))


def _copy(*values: Value) -> str:
    return f"a copy of {sum(value.type.bytes for value in values)} bytes"


def _story(move: Node, plan: ViewPlan) -> str:
    """Describe how the nodes around a removed move change, and which results are still copied."""
    effects = [how for node, how in plan.notes.items() if move in plan.causes[node]]
    more = len(effects) - SHOWN
    if more > 0:
        effects[SHOWN:] = [f"and {more} more"]
    copies = [
        f"; {name_of(value)} stays, {_copy(value)}: {plan.kept[value]}"
        for value in move.results
        if value in plan.kept
    ]
    return (", ".join(effects) or "never read") + "".join(copies)


@dataclass(frozen=True)
class _Edit:
    graph: Graph
    plan: ViewPlan
    constants: ConstantMaker

    def apply(self, gone: list[Node]) -> None:
        """Apply the rewrites; the removed moves then have no users."""
        for node, rewrite in self.plan.rewrites.items():
            moves = map(rewrite.constants.get, node.op.roles(len(rewrite.operands)))
            operands = map(self._operand, rewrite.operands, moves)
            self.graph.set_operands(node, [*operands])
        self.graph.set_outputs(self.plan.outputs)
        for value in results(gone):
            if value not in self.plan.kept:
                account(self.plan.reads[value].values, [value])
        copies: dict[Value, ChannelView] = {}  # a part of a split may be split again
        for node in gone:
            for value in node.results:
                if value in self.plan.kept:
                    copies[value] = self._copy(node, value, copies)
        for node in reversed(gone):
            self.graph.erase(node)

    def _operand(self, operand: Operand | None, new: Reindex | None) -> Operand | None:
        if new is None or new.is_identity or not isinstance(operand, Constant):
            return operand
        return self._derived(operand, new)

    def _derived(self, constant: Constant, new: Reindex) -> Constant:
        return self.constants.derive(f"{constant.name}.permuted", constant.type, [constant], new)

    def _copy(self, split: Node, part: Value, copies: dict[Value, ChannelView]) -> ChannelView:
        """Copy the one result of a split that must remain a value."""
        view = self.plan.parts[part].substitute(copies)
        new = insert(self.graph, Concat(), [view], part.name, split)
        self.graph.supersede(part, new.result)
        return ChannelView.of(new.result)
