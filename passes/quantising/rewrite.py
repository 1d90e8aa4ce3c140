"""A float graph as one on codes, by the forms and scales that were chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from math import inf
from types import MappingProxyType
from typing import TypeAlias, get_args

from mbc.int8.quantisation import Quantisation
from mbc.ir.elements import F32, Q8
from mbc.ir.graph import Graph, Node, Operand, without_trailing_none
from mbc.ir.op import Op
from mbc.ir.views import ChannelView, Value
from mbc.ops import (
    Activate,
    Add,
    AvgPool,
    Conv2d,
    Dense,
    Dequantize,
    GlobalAvgPool,
    Lookup,
    Max,
    Min,
    Mul,
    Quantize,
    ReduceMean,
    ReduceSum,
    Requantize,
    Resize,
    Sub,
)
from mbc.ops.quantized import LARGEST_CODE, product_ratio, ratio
from mbc.passes.byte_inputs import Numbers
from mbc.passes.quantising.bytes import Bytes, forget_floats, numbers_of_bytes, take_bytes
from mbc.passes.quantising.forms import Form, is_function, why_island
from mbc.passes.quantising.given import given_of
from mbc.passes.quantising.layers import (
    LARGEST_STEPS,
    layer_constants,
    refuse_sums,
    stated_scales,
)
from mbc.passes.quantising.scales import Scales, Stored, scales_of, stored_codes
from mbc.passes.quantising.tables import table_of
from mbc.passes.rewrite import ConstantMaker, insert, name_of
from mbc.passmgr.passes import ACCEPTED, PassResult, Refusal
from mbc.records import dataclass

NO_BYTES: Mapping[str, Numbers] = MappingProxyType({})

SCALED = Add | Sub | Min | Max | AvgPool | GlobalAvgPool | ReduceMean | ReduceSum | Resize
SCALED_OPS: tuple[type[Op], ...] = get_args(SCALED)
"""Ops whose operands are brought to the scale of the result by a ratio of scales."""

Rewritten: TypeAlias = tuple[Op, Mapping[str, Operand | None]]
"""The op on codes, and its operands by role."""


@dataclass
class Rewriter:
    """The edits of one graph, whose nodes are visited in order."""

    graph: Graph
    stored: Stored
    scales: Scales
    quantisation: Quantisation
    result: PassResult
    constants: ConstantMaker
    bytes: Mapping[Value, Bytes]
    """Values of floats that inputs of bytes stand for."""
    known: dict[tuple[Value, Q8 | None], Value] = field(default_factory=dict)
    """Values in other elements, None for f32."""

    def run(self) -> None:
        """Rewrite all nodes, then what the graph returns."""
        forms = self.stored.forms
        islands = {node: why_island(node) for node in forms if forms[node] is Form.ISLAND}
        for node, form in forms.items():
            if any(value in self.bytes for value in node.results):
                continue
            if form is Form.ISLAND:
                self._in_float(node, islands[node])
            else:
                self._on_codes(node, form)
        views = [self._view(view, None, None) for view in self.graph.outputs]
        self.graph.set_outputs(views, self.graph.output_names)
        forget_floats(self.graph, self.bytes)

    def _in_float(self, node: Node, refusal: Refusal) -> None:
        operands = [
            self._view(operand, None, node) if isinstance(operand, ChannelView) else operand
            for operand in node.operands
        ]
        if refusal := refusal or self.stored.kept.get(node, ACCEPTED):
            self.result.note(refusal.reason, f"in float: {name_of(node)}: {refusal}", node)
        if operands != list(node.operands):
            self.graph.set_operands(node, operands)

    def _on_codes(self, node: Node, form: Form) -> None:
        views = {
            role: self._read(node, role, operand, form)
            for role, operand in node.items()
            if isinstance(operand, ChannelView)
        }
        op, operands = node.op, [views.get(role, operand) for role, operand in node.items()]
        if form is Form.INTEGER:
            to = self.scales.elements.get(node.result.name)
            rule = _function if is_function(node) else INTEGERS[type(op)]
            op, named = rule(self, node, views, to)
            operands = [named.get(spec.name) for spec in op.operands]
        new = self.graph.replace(node, op, without_trailing_none(operands))
        self.result.did(form.replace(" ", "-"), f"{form}: {name_of(new)}", new)
        if form is Form.MOVES and self.stored.given.elements and _keeps_codes(new):
            self._leave_out(new)

    def _leave_out(self, node: Node) -> None:
        """Let what reads a clip read what it clips, which codes bound alike."""
        message = f"left out: {name_of(node)} clips to the range of its codes"
        self.result.note("left-out", message, node)
        (view,) = node.views
        self.graph.replace_uses(node.result, view)
        self.graph.erase(node)

    def _read(self, node: Node, role: str, view: ChannelView, form: Form) -> ChannelView:
        """Return what an op on codes reads in a role."""
        bytes = self.bytes.get(view.values[0]) if role == "x" and form is Form.INTEGER else None
        if bytes is not None and bytes.reads(node) and not self.quantisation.elements:
            self.result.did("reads-bytes", f"reads bytes: {name_of(node)}", node)
            return ChannelView.of(bytes.codes)
        return self._view(view, self._element(node, role, view, form), node)

    def numbers(self, view: ChannelView) -> Numbers | None:
        """Return what the bytes stand for that a layer reads."""
        found = (each for each in self.bytes.values() if view == ChannelView.of(each.codes))
        return next((each.numbers for each in found), None)

    def _element(self, node: Node, role: str, view: ChannelView, form: Form) -> Q8 | None:
        """Return the element that an operand is read in; None: that of its only value."""
        if form is Form.MOVES:
            return self.scales.elements[node.results[0].name]
        if (joined := self.scales.joined.get((node, role))) is not None:
            return joined
        found = view.values[0].type.element
        return found if isinstance(found, Q8) else self.scales.elements[view.values[0].name]

    def _view(self, view: ChannelView, element: Q8 | None, before: Node | None) -> ChannelView:
        """Read a view in an element."""
        changes = {value: self._value(value, element, before) for value in view.values}
        return view.substitute({old: ChannelView.of(new) for old, new in changes.items()})

    def _value(self, value: Value, element: Q8 | None, before: Node | None) -> Value:
        found = value.type.element
        stated = self.stored.given.elements.get(value)
        if found is F32 and stated is not None and stated != element:
            value, found = self._value(value, stated, before), stated  # as the model rounds it
        if value in self.bytes:
            return self._from_bytes(value, element, before)
        if found == element or (element is None and not isinstance(found, Q8)):
            return value
        if (value, element) not in self.known:
            op = _conversion(found if isinstance(found, Q8) else None, element)
            self.known[value, element] = self._convert(value, op, before)
        return self.known[value, element]

    def _from_bytes(self, value: Value, element: Q8 | None, before: Node | None) -> Value:
        if (value, element) not in self.known:
            self.known[value, element] = numbers_of_bytes(
                self.graph, self.constants, self.bytes[value], element, before
            )
        return self.known[value, element]

    def _convert(self, value: Value, op: Op, before: Node | None) -> Value:
        name = f"{value.name}.{op.mnemonic}"
        if before is None:
            new = self.graph.add(op, [value], names=[self.graph.fresh_name(name)])
            new.result.is_added = True
        else:
            new = insert(self.graph, op, [value], name, before)
        if isinstance(op, Requantize):
            stated = bool(self.stored.given.elements)
            why = "as the model states" if stated else "far narrower than what it joins"
            self.result.note("requantised", f"requantised: {name_of(value)}, {why}", new)
        return new.result


def _keeps_codes(node: Node) -> bool:
    """Whether a node on codes is a clip that no code is beyond."""
    bounds = node.op.act.bounds if isinstance(node.op, Activate) else None
    element = node.results[0].type.element
    if bounds is None or not isinstance(element, Q8):
        return False
    low, high = (end if abs(end) == inf else element.code(end) for end in bounds)
    return low <= 0 and high >= LARGEST_CODE


def _conversion(found: Q8 | None, wanted: Q8 | None) -> Op:
    if wanted is None:
        return Dequantize()
    return Quantize(to=wanted) if found is None else Requantize(to=wanted)


def _layer(
    rewriter: Rewriter, node: Node, views: dict[str, ChannelView], to: Q8 | None
) -> Rewritten:
    assert isinstance(node.op, Conv2d | Dense)
    x = views["x"].type.element
    assert isinstance(x, Q8)
    found, scales = rewriter.quantisation, None
    if found.elements:
        stated = stated_scales(node, x, found)
        if isinstance(stated, str):
            message = f"weights of {name_of(node)} are quantised here: {stated}"
            rewriter.result.note("own-scales", message, node)
        else:
            scales = stated
    numbers = rewriter.numbers(views["x"])
    made = layer_constants(rewriter.constants, node, x, to, found, scales, numbers)
    if "residual" in views:
        _check_ratios(node, views["residual"], to=to)
    return replace(node.op, to=to), {**views, **made}


def _scaled(
    rewriter: Rewriter, node: Node, views: Mapping[str, ChannelView], to: Q8 | None
) -> Rewritten:
    """Bring operands to the scale of the result, and round once."""
    assert isinstance(node.op, SCALED)
    _check_ratios(node, *views.values(), to=to)
    return replace(node.op, to=to), views


def _product(
    rewriter: Rewriter, node: Node, views: Mapping[str, ChannelView], to: Q8 | None
) -> Rewritten:
    assert isinstance(node.op, Mul)
    a, b = (view.type.element for view in views.values())
    assert isinstance(a, Q8)
    assert isinstance(b, Q8)
    assert to is not None
    if (most := float(product_ratio(a, b, to)) * LARGEST_CODE**2) >= LARGEST_STEPS:
        refuse_sums(node, most)
    return replace(node.op, to=to), views


def _function(
    rewriter: Rewriter, node: Node, views: dict[str, ChannelView], to: Q8 | None
) -> Rewritten:
    """Look up what the node computes of each code."""
    (view,) = views.values()
    x = view.type.element
    assert isinstance(x, Q8)
    assert to is not None
    return Lookup(to=to), {"x": view, "table": table_of(rewriter.constants, node, x, to)}


def _check_ratios(node: Node, *views: ChannelView, to: Q8 | None) -> None:
    """Raise E0552 if what is read is too far from the scale of the result."""
    assert to is not None
    elements = [view.type.element for view in views]
    terms = node.view("x").type.elements if isinstance(node.op, ReduceSum) else 1
    most = sum(float(ratio(e, to)) * LARGEST_CODE * terms for e in elements if isinstance(e, Q8))
    if most >= LARGEST_STEPS:
        refuse_sums(node, most)


INTEGERS: dict[
    type[Op], Callable[[Rewriter, Node, dict[str, ChannelView], Q8 | None], Rewritten]
] = {
    Conv2d: _layer,
    Dense: _layer,
    **dict.fromkeys(SCALED_OPS, _scaled),
    Mul: _product,
}
"""The integer op of each op of that form."""


def rewrite(
    graph: Graph,
    quantisation: Quantisation,
    result: PassResult,
    numbers: Mapping[str, Numbers] = NO_BYTES,
) -> None:
    """Rewrite a float graph, in place; `numbers` are those of inputs that are to be bytes. Raises
    E0551, E0552."""
    stored = stored_codes(graph, quantisation.keep_float, given_of(graph, quantisation))
    scales = scales_of(graph, stored, quantisation)
    constants = ConstantMaker(graph)
    bytes = take_bytes(graph, numbers)
    Rewriter(graph, stored, scales, quantisation, result, constants, bytes).run()


def quantised(graph: Graph) -> Iterator[Node]:
    """Yield the nodes that have quantised operands or results."""
    for node in graph.topo():
        types = [*node.operand_types, *(value.type for value in node.results)]
        if any(type is not None and isinstance(type.element, Q8) for type in types):
            yield node
