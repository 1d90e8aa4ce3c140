"""Plans how a graph can do without some of the ops that only move channels.

What concat, split or channel_shuffle give is a view of what they read. One sweep in the order of
the graph says anew what every node reads, and lets it choose a way of doing so (orders.py) for
which the backend has a kernel. Its result may come in another order, which its readers undo in the
same manner. Nothing is changed before a sweep has reached the end.

Where a node has no way, the sweep begins again with one more demand on the values that the node
reads: first that they are stored in the order in which it wants them, if what makes them can do
that; else that they are what they were. A move of which a result must be what it was is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mbc.ir.graph import Graph, Node, Operands
from mbc.ir.permute import orders_for_plain
from mbc.ir.views import ChannelMap, ChannelView, Value
from mbc.ops.move import Move, moved_views
from mbc.passes.rewrite import candidate, name_of
from mbc.passes.views.colocation import SharedPixels
from mbc.passes.views.reorder import Way, ways
from mbc.targets.backend import Backend

Orders = dict[Value, ChannelMap]
Nodes = frozenset[Node]


@dataclass
class Plan:
    """`reads`: what old values are in terms of those that will be; `parts`: the same of results
    that are kept of a move that goes; `ways` and `hows`: what becomes of nodes, and in words;
    `causes`: the moves on whose account a node or value changes; `kept`: values that must be what
    they were, and why."""

    outputs: tuple[ChannelView, ...] = ()
    reads: dict[Value, ChannelView] = field(default_factory=dict)
    parts: dict[Value, ChannelView] = field(default_factory=dict)
    ways: dict[Node, Way] = field(default_factory=dict)
    hows: dict[Node, str] = field(default_factory=dict)
    causes: dict[Node | Value, Nodes] = field(default_factory=dict)
    kept: dict[Value, str] = field(default_factory=dict)

    def view(self, view: ChannelView) -> ChannelView:
        """The view that reads the same when the plan is carried out."""
        return view.substitute(self.reads)

    def causes_of(self, values: Iterable[Value]) -> Nodes:
        """The moves on whose account any of the values changes."""
        return frozenset().union(*(self.causes.get(value, frozenset()) for value in values))


@dataclass
class _Demands:
    """`orders` in which values are to be stored, prescribed to what makes them. Some are `wishes`
    of a reader, with its reason, which can be given up; a value is wished for once, then it is in
    `tried`. Values in `kept` must be what they were."""

    orders: Orders = field(default_factory=dict)
    wishes: dict[Value, str] = field(default_factory=dict)
    causes: dict[Value, Nodes] = field(default_factory=dict)
    kept: dict[Value, str] = field(default_factory=dict)
    tried: set[Value] = field(default_factory=set)

    def wish(self, orders: Orders, why: str, causes: Nodes) -> None:
        self.orders |= orders
        self.wishes |= dict.fromkeys(orders, why)
        self.causes |= dict.fromkeys(orders, causes)
        self.tried |= set(orders)

    def give_up(self, values: Iterable[Value]) -> None:
        for value in values:
            del self.orders[value], self.wishes[value], self.causes[value]

    def keep(self, values: Iterable[Value], why: str) -> None:
        for value in values:
            self.orders[value] = ChannelMap.identity(value.type.channels)
            self.kept[value] = why


class _Conflict(Exception):
    """A node, or an output where there is none, cannot read what it would have to: the views that
    it reads now, and those of each way that it would have."""

    def __init__(self, why: str, old: Iterable[ChannelView], node: Node | None = None) -> None:
        self.why, self.node = why, node
        self.old = [value for view in old for value in view.values]
        self.options: list[tuple[ChannelView, ...]] = []


@dataclass(frozen=True)
class Planner:
    """Plans for a graph without some moves."""

    graph: Graph
    backend: Backend
    moves: Nodes
    _demands: _Demands = field(default_factory=_Demands)

    def plan(self) -> Plan:
        """A plan that all nodes can follow; in the worst case all moves are kept."""
        while True:
            sweep = _Sweep(self.graph, self.backend, self.moves, self._demands)
            try:
                return sweep.run()
            except _Conflict as conflict:
                self._settle(conflict, sweep.plan)

    def _settle(self, conflict: _Conflict, plan: Plan) -> None:
        """One wish less, one more, or values kept: so it ends."""
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
            root = next((demands.kept[value] for value in results if value in demands.kept), "")
            demands.keep(moved or changed, root or conflict.why)

    def _wishes(self, conflict: _Conflict, plan: Plan) -> Orders:
        """Orders for values that would let the node go one of its ways; none if it cannot be."""
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

    def _total(self, value: Value, order: ChannelMap, plan: Plan) -> ChannelMap:
        """The order over and above that in which the plan has the value stored already."""
        producer = self.graph.producer(value)
        assert producer is not None
        way = plan.ways.get(producer)
        return order if way is None else order.after(way.order)


class _Sweep:
    """One try to find a way for every node."""

    def __init__(self, graph: Graph, backend: Backend, moves: Nodes, demands: _Demands) -> None:
        self._graph, self._backend, self._moves, self._demands = graph, backend, moves, demands
        self._shared = SharedPixels(graph, backend)
        self.plan = Plan(kept=demands.kept)

    def run(self) -> Plan:
        """The plan; raises _Conflict."""
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
        """A node that reads what it read; those before must have left its neighbours in peace."""
        if why := self._shared.refusal(node):
            values = {value for view in self._shared.wanted(node) for value in view.values}
            for other, way in reversed(self.plan.ways.items()):
                joined = {v for view in way.views if len(view.values) > 1 for v in view.values}
                if joined & values:
                    raise _Conflict(f"{name_of(other)}: {why}", other.views, other)
        self._shared.add(node)

    def _change(self, node: Node, operands: Operands, causes: Nodes) -> None:
        way = self._choose(node, operands)
        self.plan.ways[node] = way
        self.plan.causes[node] = causes
        self.plan.hows[node] = self._how(node, way)
        if not way.order.is_identity:
            self.plan.reads[node.result] = ChannelView.of(node.result).through(way.order)
            self.plan.causes[node.result] = causes

    def _choose(self, node: Node, operands: Operands) -> Way:
        """The best way that the backend can go."""
        refused: dict[Way, str] = {}
        for way in self._ways(node, operands):
            if not (why := self._refusal(node, way)):
                self._shared.add(candidate(node.op, way.operands))
                return way
            refused[way] = why
        why = next(iter(refused.values()), f"{node.op.mnemonic} keeps its order")
        conflict = _Conflict(f"{name_of(node)}: {why}", self._culprits(node, operands), node)
        conflict.options += [way.views for way in refused]
        raise conflict

    def _ways(self, node: Node, operands: Operands) -> Iterator[Way]:
        order = self._demands.orders.get(node.results[0]) if len(node.results) == 1 else None
        return ways(node, operands, order)

    def _refusal(self, node: Node, way: Way) -> str:
        new = candidate(node.op, way.operands)
        support = self._backend.supports(new)
        return self._shared.refusal(new) if support else f"the backend refuses: {support.reason}"

    def _culprits(self, node: Node, operands: Operands) -> tuple[ChannelView, ...]:
        """The operand that would have to be what it is for the node to have a way; or all."""
        for i, old in reversed(list(enumerate(node.operands))):
            if not isinstance(old, ChannelView) or old == operands[i]:
                continue
            mixed = (*operands[:i], old, *operands[i + 1 :])
            if any(not self._refusal(node, way) for way in self._ways(node, mixed)):
                return (old,)
        return node.views

    def _how(self, node: Node, way: Way) -> str:
        """In words."""
        hows = []
        if node.results[0] in self._demands.wishes and not way.order.is_identity:
            hows.append(f"stores shuffled channels ({self._demands.wishes[node.results[0]]})")
        elif not way.order.is_identity:
            hows.append("permuted")
        if way.absorbs:
            hows.append("absorbs the order in its weight")
        if not all(view.is_plain for view in way.views):
            hows.append("reads a channel view")
        return f"{name_of(node)} {' and '.join(hows) or 'reads it as it is stored'}"

    def _check_output(self, old: ChannelView, number: int) -> None:
        """An output must be a value of its own, in memory of the caller."""
        new = self.plan.outputs[number]
        others = [*self.plan.outputs[:number], *self._shared.views]
        taken = {*self._graph.inputs, *(value for view in others for value in view.values)}
        if not new.is_plain or new.value in taken:
            conflict = _Conflict(f"{name_of(old.values[0])} is an output", [old])
            conflict.options.append((new,))
            raise conflict
