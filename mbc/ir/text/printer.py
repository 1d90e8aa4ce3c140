"""The printer of canonical IR text: parsing it and printing the result gives the same text.

Canonical means: constants in order of first use, nodes in dependency order, only non-default
attributes, every type. Values and constants keep their names. The grammar is in docs/ir.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import TypeAlias

from mbc.diag import error
from mbc.ir.activations import Activation, Spelled, parameters
from mbc.ir.elements import Q8
from mbc.ir.graph import Constant, Graph, Node, Operand
from mbc.ir.literals import literal_text
from mbc.ir.names import DOTTED, IDENTIFIER, quoted, symbol, value_symbol
from mbc.ir.op import Op, OperandSpec
from mbc.ir.schedule import Schedule
from mbc.ir.views import ChannelView, Segment, Value
from mbc.ops.elementwise import Activate
from mbc.ops.fused import Fused
from mbc.records import dataclass

AttrValue: TypeAlias = "int | float | bool | str | Q8 | Activation | tuple[AttrValue, ...]"


def print_graph(
    graph: Graph, *, locations: bool = False, hashes: Mapping[str, str] | None = None
) -> str:
    """Print a graph as canonical text that ends in a newline.

    `locations` appends source lines as comments; `hashes` (name -> 16 hex digits) are printed with
    the constants. Raises MbcError E0312 for names that text cannot express.
    """
    lines = [*_header(graph), *_Printer(locations).graph(graph, hashes or {})]
    return "\n".join(lines) + "\n"


def identifier(name: str, what: str) -> str:
    """Return the name if it is an identifier; MbcError E0312 otherwise."""
    if not IDENTIFIER.fullmatch(name):
        raise error("E0312", f"the name of {what} is not an identifier: {name!r}")
    return name


def _header(graph: Graph) -> Iterator[str]:
    if graph.meta:
        items = (
            f"{k if DOTTED.fullmatch(k) else quoted(k)}={quoted(v)}" for k, v in graph.meta.items()
        )
        yield f"module {{{', '.join(items)}}}"


@dataclass(frozen=True)
class _Printer:
    locations: bool

    def graph(self, graph: Graph, hashes: Mapping[str, str]) -> Iterator[str]:
        parameters = ", ".join(
            f"%{identifier(v.name, 'a graph input')}: {placed_type(v)}" for v in graph.inputs
        )
        yield f"graph {symbol(graph.name)}({parameters}) {{"
        for name, constant in graph.constants().items():
            yield f"  const {symbol(name)} : {constant.type}{_content(constant, hashes)}"
        yield from self.body(graph, "  ")
        yield "}"

    def body(self, graph: Graph, indent: str) -> Iterator[str]:
        if graph.arena_bytes is not None:
            yield f"{indent}arena {graph.arena_bytes}"
        for node in graph.topo():
            yield from self.node(node, indent)
        yield f"{indent}{_return(graph)}".rstrip()

    def node(self, node: Node, indent: str) -> Iterator[str]:
        results = ", ".join(map(str, node.results))
        types = ", ".join(map(placed_type, node.results)) + _scratch(node) + _schedule(node)
        where = f" // {', '.join(map(str, node.locations))}" if self._has_place(node) else ""
        if isinstance(node.op, Fused):
            yield f"{indent}{results} = {_fused(node, node.op)} {{"
            yield from self.body(node.op.body, indent + "  ")
            yield f"{indent}}} : {types}{where}"
        else:
            yield f"{indent}{results} = {_call(node)} : {types}{where}"

    def _has_place(self, node: Node) -> bool:
        return self.locations and bool(node.locations)


def _content(constant: Constant, hashes: Mapping[str, str]) -> str:
    """Format the number of a literal, or the hash of the data."""
    if constant.literal:
        return f" = {literal_text(constant)}"
    return f" = #{hashes[constant.name]}" if constant.name in hashes else ""


def _return(graph: Graph) -> str:
    default = Graph("")
    default.set_outputs(graph.outputs)
    texts = [view_text(view) for view in graph.outputs]
    if graph.output_names != default.output_names:
        outputs = zip(texts, graph.output_names, strict=True)
        texts = [f"{text} as {identifier(name, 'a graph output')}" for text, name in outputs]
    return f"return {', '.join(texts)}"


def placed_type(value: Value) -> str:
    """Format the type of a value, its place in the arena, and its origins other than its own name:
    `f32[1,4,4,8] at 64 from (%conv, %bn)`; `added` if its own name is not an origin."""
    place = "" if value.place is None else f" {value.place}"
    added = " added" if value.is_added else ""
    others = ", ".join(map(value_symbol, value.absorbed))
    return f"{value.type}{place}{added}" + (f" from ({others})" if others else "")


def _scratch(node: Node) -> str:
    return "" if node.scratch is None else f" scratch {node.scratch}"


def _schedule(node: Node) -> str:
    return "" if node.schedule is None else f" schedule {schedule_text(node.schedule)}"


def schedule_text(schedule: Schedule) -> str:
    """Format a schedule: `turns{rows=4}`."""
    return schedule.mnemonic + _braces(_fields(schedule))


def _fused(node: Node, op: Fused) -> str:
    pairs = zip(op.body.inputs, node.operands, strict=True)
    operands = ", ".join(
        f"%{identifier(value.name, 'a fused input')} = {operand_text(operand)}"
        for value, operand in pairs
    )
    return f"fused {identifier(op.kind, 'a fusion')}({operands})"


def _call(node: Node) -> str:
    positional, named = split_operands(node)
    operands = ", ".join(operand_text(operand) for operand in positional)
    by_name = [f"{name}={operand_text(operand)}" for name, operand in named]
    attributes = attributes_text(node.op, by_name)
    return f"{node.op.label}({operands}){' ' * bool(attributes)}{attributes}"


def is_named(spec: OperandSpec) -> bool:
    """Return whether text gives an operand by name, in braces: optional values like residuals."""
    return spec.optional and not spec.constant


def split_operands(node: Node) -> tuple[list[Operand], list[tuple[str, Operand]]]:
    """Return the operands printed by position, and those printed by name: optional values, and
    constants that come after an absent one."""
    positional: list[Operand] = []
    named: list[tuple[str, Operand]] = []
    hole = False
    for i, operand in enumerate(node.operands):
        spec = node.op.spec(i)
        if operand is None:
            hole |= not is_named(spec)
        elif hole or is_named(spec):
            named.append((spec.name, operand))
        else:
            positional.append(operand)
    return positional, named


def attributes_text(op: Op, operands: Sequence[str] = ()) -> str:
    """Format `{stride=(2,2), residual=%x, act=relu}`: non-default attributes in the order of the
    fields, operands before the activation, as the op applies them; "" if there are none."""
    if isinstance(op, Activate):
        items = [f"{name}={value!r}" for name, value in parameters(op.act)]
    else:
        items = _fields(op)
    before = (place for place, item in enumerate(items) if item.startswith(("act=", "to=")))
    place = next(before, len(items))
    items[place:place] = operands
    return _braces(items)


def _braces(items: Sequence[str]) -> str:
    return f"{{{', '.join(items)}}}" if items else ""


def _fields(item: Op | Schedule) -> list[str]:
    return [f"{field.name}={attr_text(value)}" for field, value in non_default(item)]


def non_default(item: Op | Schedule) -> Iterator[tuple[Field[AttrValue], AttrValue]]:
    """Yield the fields that differ from their defaults, with their values."""
    for field in fields(item):
        value = getattr(item, field.name)
        if field.default is MISSING or value != field.default:
            yield field, value


def attr_text(value: AttrValue) -> str:
    """Format an attribute value: 3, 0.001, true, relu, (1,1), "text", q8(0.05,128)."""
    match value:
        case bool():
            return str(value).lower()
        case Spelled():
            return str(value)
        case str():
            return quoted(value)
        case tuple():
            return f"({','.join(map(attr_text, value))})"
        case float():
            return repr(float(value))
        case Q8():
            return str(value)
        case _:
            return str(int(value))


def operand_text(operand: Operand | None) -> str:
    """Format an operand: `@w`, `%0` or a view."""
    match operand:
        case ChannelView():
            return view_text(operand)
        case Constant():
            return symbol(operand.name)
        case None:
            return "none"


def view_text(view: ChannelView) -> str:
    """Format a view: `%0`, `%0[0:29]` or `[%a[0:29], %b]`, then `[c -> …]` or `[perm …]` unless
    the order is the identity."""
    order = "" if view.order.is_identity else f"[{view.order}]"
    return _segments(view.segments) + order


def _segments(segments: Iterable[Segment]) -> str:
    texts = [_segment(segment) for segment in segments]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _segment(segment: Segment) -> str:
    name = str(segment.value)
    return name if segment.is_whole else f"{name}[{segment.start}:{segment.start + segment.length}]"
