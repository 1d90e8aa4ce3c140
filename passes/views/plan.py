"""Plans the removal of moves: ops that only move channels (concat, split, channel_shuffle).

The results of a move are views of its operands. One sweep over the graph in topological order
substitutes these views in the operands of each node and chooses a rewrite of the node (reorder.py)
for which the backend has a kernel. A rewrite may store the node's result in another channel order;
its users then read it through the inverse order. The graph is not edited during a sweep.

If a node has no valid rewrite, the sweep restarts with one more demand on the values that the node
reads: first that their producers store them in the order that the node needs; if that fails, that
they stay unchanged. A move is kept if all of its results must stay unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field

from mbc.ir.graph import Graph, Node, Operands
from mbc.ir.permute import orders_for_plain
from mbc.ir.views import ChannelMap, ChannelView, Value
from mbc.ops.move import Move, moved_views
from mbc.passes.rewrite import candidate, name_of
from mbc.passes.views.colocation import SharedPixels
from mbc.passes.views.reorder import Rewrite, rewrites
from mbc.passmgr.passes import ACCEPTED, Refusal
from mbc.records import dataclass
from mbc.targets.backend import Backend

Orders = dict[Value, ChannelMap]
Nodes = frozenset[Node]


@dataclass
class ViewPlan:
    """The edits that remove moves from a graph."""

    outputs: tuple[ChannelView, ...] = ()
    """The new outputs of the graph."""
    reads: dict[Value, ChannelView] = field(default_factory=dict)
    """The replacement view of each changed value."""
    parts: dict[Value, ChannelView] = field(default_factory=dict)
    """Replacement views of results of removed moves that must still be copied."""
    rewrites: dict[Node, Rewrite] = field(default_factory=dict)
    """The rewrite of each changed node."""
    notes: dict[Node, str] = field(default_factory=dict)
    """What each rewrite does, for remarks."""
    causes: dict[Node | Value, Nodes] = field(default_factory=dict)
    """The moves that cause a node or value to change."""
    kept: dict[Value, Refusal] = field(default_factory=dict)
    """Values that must stay unchanged, with the reason."""

    def view(self, view: ChannelView) -> ChannelView:
        """Translate a view of old values into a view of new ones."""
        return view.substitute(self.reads)

    def causes_of(self, values: Iterable[Value]) -> Nodes:
        """Return the moves that cause any of the values to change."""
        return frozenset().union(*(self.causes.get(value, frozenset()) for value in values))


@dataclass
class _Demands:
    """Constraints on how values are stored; they grow from sweep to sweep."""

    orders: Orders = field(default_factory=dict)
    """The channel order in which the producer of a value must store it."""
    wishes: dict[Value, Refusal] = field(default_factory=dict)
    """Orders that a user prefers and that may be withdrawn, with the reason."""
    causes: dict[Value, Nodes] = field(default_factory=dict)
    """The moves that cause each wish."""
    kept: dict[Value, Refusal] = field(default_factory=dict)
    """Values that must stay unchanged, with the reason."""
    tried: set[Value] = field(default_factory=set)
    """Values that have been wished for once; no second wish is made."""

    def wish(self, orders: Orders, why: Refusal, causes: Nodes) -> None:
        self.orders |= orders
        self.wishes |= dict.fromkeys(orders, why)
        self.causes |= dict.fromkeys(orders, causes)
        self.tried |= set(orders)

    def give_up(self, values: Iterable[Value]) -> None:
        for value in values:
            del self.orders[value], self.wishes[value], self.causes[value]

    def keep(self, values: Iterable[Value], why: Refusal) -> None:
        for value in values:
            self.orders[value] = ChannelMap.identity(value.type.channels)
            self.kept[value] = why


class _Conflict(Exception):
    """A node (an output of the graph if it is None) cannot read the replacement views.

    `old` are the values that it reads now, `options` the views that each rejected rewrite reads."""

    def __init__(self, why: Refusal, old: Iterable[ChannelView], node: Node | None = None) -> None:
        self.why, self.node = why, node
        self.old = [value for view in old for value in view.values]
        self.options: list[tuple[ChannelView, ...]] = []


@dataclass(frozen=True)
class Planner:
    """Plans the removal of some moves from a graph."""

    graph: Graph
    backend: Backend
    moves: Nodes
    _demands: _Demands = field(default_factory=_Demands)

    def plan(self) -> ViewPlan:
        """Return a plan that is valid for all nodes; in the worst case it keeps all moves."""
        while True:
            sweep = _Sweep(self.graph, self.backend, self.moves, self._demands)
            try:
                return sweep.run()
            except _Conflict as conflict:
                self._settle(conflict, sweep.plan)

    def _settle(self, conflict: _Conflict, plan: ViewPlan) -> None:
        """Resolve a conflict by a new wish, a withdrawn wish or kept values.

        Each value is wished for at most once and never un-kept, so the search terminates."""
        demands = self._demands
        results = conflict.node.results if conflict.node else ()
        own = [value for value in results if value in demands.wishes]
        changed = [value for value in conflict.old if value in plan.reads]
        moved = [value for value in changed if self.graph.producer(value) in self.moves]
        others = [v for value in changed for v in plan.reads[value].values if v in demands.wishes]
        if orders := self._wishes(conflict, plan):
            demands.wish(orders, conflict.why, plan.causes_of(conflict.old))
        elif own:
            demands.give_up(own)
        elif others and not moved:
            demands.give_up(dict.fromkeys(others))
        else:
            known = (demands.kept[value] for value in results if value in demands.kept)
            root = next(known, ACCEPTED)
            demands.keep(moved or changed, root or conflict.why)

    def _wishes(self, conflict: _Conflict, plan: ViewPlan) -> Orders:
        """Return orders of values that would make one of the node's rewrites valid, if any."""
        for views in conflict.options:
            wanted = [view for view in views if not view.is_concatenation]
            found = [orders_for_plain(view) for view in wanted]
            orders = {value: order for each in found for value, order in each.items()}
            if orders and all(found) and all(map(self._can_wish, orders)):
                return {value: self._total(value, o, plan) for value, o in orders.items()}
        return {}

    def _can_wish(self, value: Value) -> bool:
        demands, producer = self._demands, self.graph.producer(value)
        movable = producer is not None and not isinstance(producer.op, Move)
        return movable and value not in demands.tried and value not in demands.kept

    def _total(self, value: Value, order: ChannelMap, plan: ViewPlan) -> ChannelMap:
        """Compose an order with the one in which the plan already stores the value."""
        producer = self.graph.producer(value)
        assert producer is not None
        rewrite = plan.rewrites.get(producer)
        return order if rewrite is None else order.after(rewrite.order)


class _Sweep:
    """One attempt to choose a rewrite for every node."""

    def __init__(self, graph: Graph, backend: Backend, moves: Nodes, demands: _Demands) -> None:
        self._graph, self._backend, self._moves, self._demands = graph, backend, moves, demands
        self._shared = SharedPixels(graph, backend)
        self.plan = ViewPlan(kept=demands.kept)

    def run(self) -> ViewPlan:
        """Return the plan. Raises _Conflict if a node has no valid rewrite."""
        for node in self._graph.topo():
            self._visit(node)
        self.plan.outputs = tuple(map(self.plan.view, self._graph.outputs))
        for number, old in enumerate(self._graph.outputs):
            if old != self.plan.outputs[number]:
                self._check_output(old, number)
        return self.plan

    def _visit(self, node: Node) -> None:
        plan, demands = self.plan, self._demands
        operands = tuple(plan.view(o) if isinstance(o, ChannelView) else o for o in node.operands)
        causes = plan.causes_of([value for view in node.views for value in view.values])
        wished = [demands.causes[value] for value in node.results if value in demands.wishes]
        causes = causes.union(*wished)
        if node in self._moves and not all(value in demands.kept for value in node.results):
            self._remove(node, operands, causes)
        elif operands == node.operands and not wished:
            self._leave(node)
        else:
            self._change(node, operands, causes)

    def _remove(self, move: Node, operands: Operands, causes: Nodes) -> None:
        views = [o for o in operands if isinstance(o, ChannelView)]
        for value, view in zip(move.results, moved_views(move.op, views), strict=True):
            if value in self._demands.kept:
                self.plan.parts[value] = view
            else:
                self.plan.reads[value] = view
                self.plan.causes[value] = causes | {move}

    def _leave(self, node: Node) -> None:
        """Check an unchanged node: earlier rewrites must not have broken its buffer adjacency."""
        if why := self._shared.refusal(node):
            values = {value for view in self._shared.wanted(node) for value in view.values}
            for other, rewrite in reversed(self.plan.rewrites.items()):
                joined = {v for view in rewrite.views if len(view.values) > 1 for v in view.values}
                if joined & values:
                    reason = Refusal("buffer", why).of(name_of(other))
                    raise _Conflict(reason, other.views, other)
        self._shared.add(node)

    def _change(self, node: Node, operands: Operands, causes: Nodes) -> None:
        rewrite = self._choose(node, operands)
        self.plan.rewrites[node] = rewrite
        self.plan.causes[node] = causes
        self.plan.notes[node] = self._note(node, rewrite)
        if not rewrite.order.is_identity:
            self.plan.reads[node.result] = ChannelView.of(node.result).through(rewrite.order)
            self.plan.causes[node.result] = causes

    def _choose(self, node: Node, operands: Operands) -> Rewrite:
        """Return the best rewrite for which the backend has a kernel. Raises _Conflict."""
        refused: dict[Rewrite, Refusal] = {}
        for rewrite in self._rewrites(node, operands):
            if not (why := self._refusal(node, rewrite)):
                self._shared.add(candidate(node.op, rewrite.operands))
                return rewrite
            refused[rewrite] = why
        fixed = Refusal("no-kernel", f"{node.op.label} keeps its order")
        why = next(iter(refused.values()), fixed).of(name_of(node))
        conflict = _Conflict(why, self._culprits(node, operands), node)
        conflict.options += [rewrite.views for rewrite in refused]
        raise conflict

    def _rewrites(self, node: Node, operands: Operands) -> Iterator[Rewrite]:
        order = self._demands.orders.get(node.results[0]) if len(node.results) == 1 else None
        return rewrites(node, operands, order)

    def _refusal(self, node: Node, rewrite: Rewrite) -> Refusal:
        new = candidate(node.op, rewrite.operands)
        support = self._backend.supports(new)
        if not support:
            return Refusal("no-kernel", f"the backend refuses: {support.reason}")
        return Refusal("buffer", self._shared.refusal(new))

    def _culprits(self, node: Node, operands: Operands) -> tuple[ChannelView, ...]:
        """Return the one operand that rules out all rewrites if there is one, else all views."""
        for i, old in reversed(list(enumerate(node.operands))):
            if not isinstance(old, ChannelView) or old == operands[i]:
                continue
            mixed = (*operands[:i], old, *operands[i + 1 :])
            if any(not self._refusal(node, rewrite) for rewrite in self._rewrites(node, mixed)):
                return (old,)
        return node.views

    def _note(self, node: Node, rewrite: Rewrite) -> str:
        """Describe a rewrite for remarks."""
        notes = []
        if node.results[0] in self._demands.wishes and not rewrite.order.is_identity:
            notes.append(f"stores shuffled channels ({self._demands.wishes[node.results[0]]})")
        elif not rewrite.order.is_identity:
            notes.append("permuted")
        if rewrite.absorbs:
            notes.append("absorbs the order in its weight")
        if not all(view.is_plain for view in rewrite.views):
            notes.append("reads a channel view")
        return f"{name_of(node)} {' and '.join(notes) or 'reads it as it is stored'}"

    def _check_output(self, old: ChannelView, number: int) -> None:
        """Check that an output is a whole value that nothing else places: the caller owns it."""
        new = self.plan.outputs[number]
        others = [*self.plan.outputs[:number], *self._shared.views]
        taken = {*self._graph.inputs, *(value for view in others for value in view.values)}
        if not new.is_plain or new.value in taken:
            why = Refusal("output", f"{name_of(old.values[0])} is an output")
            conflict = _Conflict(why, [old])
            conflict.options.append((new,))
            raise conflict
