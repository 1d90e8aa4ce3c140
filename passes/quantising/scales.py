"""Which values of a network are stored as codes, and by which scale.

Values that are read together without being computed, as parts of a concatenation or through a
split, shuffle, reshape or max pool, share one scale: that of the union of their ranges. A part of
a concatenation whose own values are spread over less than a quarter of it keeps its scale, and is
requantised where it is read.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import field

from mbc.diag import error
from mbc.int8.quantisation import Quantisation, Range, union
from mbc.ir.elements import Q8
from mbc.ir.graph import Graph, Node
from mbc.ir.views import ChannelView, Value
from mbc.ops.grid import Pad
from mbc.ops.linear import Conv2d, Dense
from mbc.ops.quantized import LARGEST_CODE
from mbc.passes.quantising.forms import Form, form_of
from mbc.passes.quantising.given import EVERYTHING_ELSE, Given
from mbc.passes.rewrite import name_of
from mbc.passmgr.passes import ACCEPTED, Refusal
from mbc.records import dataclass

MOST_APART = 4
"""How many times as wide as the range of a member that of its class may be."""


@dataclass(frozen=True)
class Stored:
    """What is stored as codes."""

    forms: Mapping[Node, Form]
    """The form of each node; a move is an island where it moves floats."""
    computed: frozenset[Value]
    """Values that are computed as codes."""
    converted: tuple[Value, ...]
    """Values that are computed in float and read as codes, graph inputs among them."""
    kept: Mapping[Node, Refusal]
    """Why nodes are islands that need not be."""
    given: Given = EVERYTHING_ELSE
    """What is known of values before any is measured."""

    @property
    def measured(self) -> list[str]:
        """The names of values that need a range, in the order of the graph."""
        own = (v for node, form in self.forms.items() if form is Form.INTEGER for v in node.results)
        known = (v.name for v in own if v in self.computed)
        return [*dict.fromkeys([*(v.name for v in self.converted), *known])]


def stored_codes(
    graph: Graph, keep_float: frozenset[str] = frozenset(), given: Given = EVERYTHING_ELSE
) -> Stored:
    """Find out what is stored as codes. Moves, and layers whose results no integer op reads, are
    in float, unless the model has them on codes; if it states anything, so is all that it states
    nothing of."""
    wanted, forms = {*given.elements}, dict[Node, Form]()
    possible, kept = _possible(graph, keep_float, given)
    for node in reversed(graph.topo()):
        form = possible[node]
        if form is Form.MOVES and wanted.isdisjoint(node.results):
            form = Form.ISLAND
        forms[node] = form
        if form is not Form.ISLAND:
            wanted.update(value for view in node.views for value in view.values)
    order = {node: forms[node] for node in graph.topo()}
    computed = frozenset(
        value
        for node, form in order.items()
        for value in node.results
        if form is not Form.ISLAND and (value in wanted or not _leaves_floats(node))
    )
    results = (value for node in order for value in node.results)
    made = [v for v in (*graph.inputs, *results) if v in wanted and v not in computed]
    return Stored(order, computed, tuple(made), kept, given)


def _possible(
    graph: Graph, keep_float: frozenset[str], given: Given
) -> tuple[dict[Node, Form], dict[Node, Refusal]]:
    """Return the form of each node by what it reads and makes, and why some are islands."""
    forms, kept = dict[Node, Form](), dict[Node, Refusal]()
    moved = set[Value]()  # on codes, as what they are moved from is
    for node in graph.topo():
        form = form_of(node)
        if form is not Form.ISLAND and not keep_float.isdisjoint(_names(node)):
            form, kept[node] = Form.ISLAND, Refusal("kept", "it is kept in float")
        elif form is not Form.ISLAND and (reason := _unknown(node, form, given, moved)):
            form, kept[node] = Form.ISLAND, reason
        if form is Form.MOVES:
            moved.update(node.results)
        forms[node] = form
    return forms, kept


def _unknown(node: Node, form: Form, given: Given, moved: Container[Value]) -> Refusal:
    """Return why the codes of what a node reads or makes are not known, unless they are, or are to
    be measured."""
    if not given.elements:
        return ACCEPTED
    for value in (value for view in node.views for value in view.values):
        if value not in given and value not in moved:
            return Refusal("model-float", f"the model has {name_of(value)} in float")
    if form is Form.MOVES:
        stated = {given.elements.get(value) for value in node.results}
        if len(stated) == 1:
            return ACCEPTED
        return Refusal("several-scales", "the model has its results on several scales")
    if node.result in given or _leaves_floats(node):
        return ACCEPTED
    return Refusal("model-float", f"the model has {name_of(node)} in float")


def _names(node: Node) -> Iterator[str]:
    """Yield the names that a user may call a node by: its results, and what was merged into it."""
    for value in node.results:
        yield from (value.name, *value.origins)


def _leaves_floats(node: Node) -> bool:
    """Whether the sums of a layer may leave as floats."""
    return isinstance(node.op, Conv2d | Dense) and node["residual"] is None


@dataclass
class _Class:
    """Values that share a scale."""

    range: Range
    """What all of them are spread over."""
    least: float | None
    """The least span of a value that is computed, if it is not 0."""
    stated: Q8 | None = None
    """The element that the model states, to which no other is fitted."""
    within: _Class | None = field(default=None)
    """The class that this one has become a part of."""

    @staticmethod
    def of(range: Range) -> _Class:
        """Make the class of one computed value."""
        return _Class(range, range.span or None)

    @staticmethod
    def stating(element: Q8) -> _Class:
        """Make the class of a value whose element is stated."""
        low, high = (element.scale * (code - element.zero) for code in (0, LARGEST_CODE))
        return _Class(Range(low, high), None, element)

    @property
    def element(self) -> Q8:
        """The element of all members."""
        return self.stated or self.range.element

    def root(self) -> _Class:
        """Return the class that stands for this one."""
        found = self
        while found.within is not None:
            found = found.within
        return found

    def join(self, other: _Class) -> None:
        """Share the scale of another class."""
        a, b = self.root(), other.root()
        if a is not b:
            spans = [span for span in (a.least, b.least) if span is not None]
            a.range, a.least, b.within = a.range.union(b.range), min(spans, default=None), a


@dataclass(frozen=True)
class Scales:
    """The elements of what is stored as codes."""

    elements: Mapping[str, Q8]
    """By the name of the value."""
    joined: Mapping[tuple[Node, str], Q8]
    """Of what an integer op reads of several values at once, by node and role."""


class Classes:
    """The classes of a graph, by value."""

    def __init__(self, graph: Graph, stored: Stored, quantisation: Quantisation) -> None:
        self._stored = stored
        self._ranges = quantisation.ranges
        self._of: dict[Value, _Class] = {v: self._measured(v) for v in stored.converted}
        self._joined: dict[tuple[Node, str], _Class] = {}
        for node, form in stored.forms.items():
            if form is Form.MOVES:
                self._move(node)
            elif form is Form.INTEGER:
                self._compute(node)

    def scales(self) -> Scales:
        """Return the element of each class, by its members."""
        return Scales(
            {value.name: one.root().element for value, one in self._of.items()},
            {read: one.root().element for read, one in self._joined.items()},
        )

    def _measured(self, value: Value) -> _Class:
        stated = self._stored.given.elements.get(value)
        if stated is not None:
            return _Class.stating(stated)
        found = self._ranges.get(value.name)
        if found is None:
            raise error(
                "E0551",
                f"there is no range of {value.name}, which is stored as codes",
                helps=["mbc quantize measures them anew"],
            )
        return _Class.of(found)

    def _compute(self, node: Node) -> None:
        for role, operand in node.items():
            if isinstance(operand, ChannelView) and len(operand.values) > 1:
                self._joined[node, role] = self._read(operand.values)
        for value in node.results:
            if value in self._stored.computed:
                self._of[value] = self._measured(value)

    def _move(self, node: Node) -> None:
        stated = self._stored.given.elements.get(node.results[0])
        if stated is not None:
            self._of.update(dict.fromkeys(node.results, _Class.stating(stated)))
            return
        made = self._read([value for view in node.views for value in view.values])
        fits = made.root().stated is None
        if fits and isinstance(node.op, Pad) and not node.op.lowest:
            made.root().range = made.root().range.union(Range.of(node.op.value, node.op.value))
        self._of.update(dict.fromkeys(node.results, made))

    def _read(self, values: Sequence[Value]) -> _Class:
        """Return the class that values are read by, which those become a part of that fit it."""
        classes = list({id(c): c for c in (self._of[v].root() for v in values)}.values())
        if len({c.element for c in classes if c.stated}) == 1 and all(c.stated for c in classes):
            return classes[0]
        made = _Class(union(c.range for c in classes), None)
        for one in classes if len(classes) > 1 else ():
            fits = one.least is None or made.range.span <= MOST_APART * one.least
            if one.stated is None and fits:
                made.join(one)
        if len(classes) == 1:
            made.join(classes[0])
        return made


def scales_of(graph: Graph, stored: Stored, quantisation: Quantisation) -> Scales:
    """Choose the scales. Raises E0551 for a value without a range."""
    return Classes(graph, stored, quantisation).scales()
