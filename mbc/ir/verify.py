"""The verifier: what must hold of every graph between two passes.

Values are defined before use and belong to the graph; operands keep their roles; views are in
normal form; result types are those the op infers; names of values and of constants are unique;
placed values lie in the arena. Fused bodies obey the same rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np

from mbc.diag import Diagnostic, MbcError
from mbc.ir.graph import Constant, Graph, Node, Operand
from mbc.ir.names import value_symbol
from mbc.ir.op import Op, OpError
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView, Value


def verify(graph: Graph) -> None:
    """Raise an MbcError with all that is wrong (E0305 to E0313, or an op's own E02xx)."""
    problems = [*_graph_problems(graph), *_constant_problems(graph)]
    if problems:
        raise MbcError(*problems)


def role_problems(op: Op, operands: Sequence[Operand | None]) -> Iterator[str]:
    """Operands that are missing, too many, or of the wrong kind (a constant or a value)."""
    specs = op.operands
    if len(operands) > len(specs) and not specs[-1].variadic:
        yield f"takes at most {len(specs)} operands, found {len(operands)}"
        return
    wanted = len(specs) - specs[-1].variadic
    padded = [*operands, *[None] * (wanted - len(operands))]
    for i, operand in enumerate(padded):
        spec = op.spec(i)
        match operand:
            case None if not spec.optional:
                yield f"operand '{spec.name}' is missing"
            case ChannelView() if spec.constant:
                yield f"operand '{spec.name}' must be a constant, found a value"
            case Constant() if not spec.constant and not spec.either:
                yield f"operand '{spec.name}' must be a value, found constant @{operand.name}"
    if all(spec.either for spec in specs) and all(isinstance(o, Constant) for o in operands):
        yield "all operands are constants, one must be a value"


def view_problems(view: ChannelView) -> Iterator[str]:
    """Segments outside their value, parts of different shapes, an order that is not normal."""
    if view.is_plain and len(view.order) == view.segments[0].length:
        return  # nearly all views, and what they say is kept with them
    for segment in view.segments:
        channels = segment.value.type.channels
        end = segment.start + segment.length
        if not 0 <= segment.start < end <= channels:
            name = segment.value
            yield f"{name}[{segment.start}:{end}] does not lie within its {channels} channels"
            return
    length = sum(segment.length for segment in view.segments)
    if not view.order.indices or not all(0 <= i < length for i in view.order.indices):
        yield f"the order of a view must name channels below {length}, found {view.order}"
        return
    shapes = {value.type.with_channels(1) for value in view.values}
    if len(shapes) > 1:
        yield f"a view joins values of different types: {', '.join(map(repr, view.values))}"
    elif not _is_normal(view, length):
        yield "a view is not in normal form; build it with ChannelView.of and its methods"


def _is_normal(view: ChannelView, length: int) -> bool:
    if view.is_plain and len(view.order) == length:
        return True  # as nearly all are; the comparison below takes most of a verifier's time
    return view == ChannelView.from_channels(view.channels)


def _graph_problems(graph: Graph) -> Iterator[Diagnostic]:
    if not graph.is_acyclic():
        yield Diagnostic("E0310", f"@{graph.name} has a cycle: a value depends on itself")
        return
    defined = dict.fromkeys(graph.inputs)
    for node in graph.topo():
        yield from _node_problems(node, defined)
        defined |= dict.fromkeys(node.results)
    for name in _repeated(value.name for value in defined):
        yield Diagnostic("E0305", f"@{graph.name} has two values {value_symbol(name)}")
    yield from _output_problems(graph, defined)
    yield from _placement_problems(graph, defined)


def _node_problems(node: Node, defined: Collection[Value]) -> Iterator[Diagnostic]:
    broken = [("E0308", problem) for problem in role_problems(node.op, node.operands)]
    broken += [problem for view in node.views for problem in _read_problems(view, defined)]
    if not broken:
        broken += _type_problems(node)
    for code, problem in broken:
        yield _at(node, code, problem)
    for body in node.op.bodies:
        yield from _graph_problems(body)


def _at(node: Node, code: str, problem: str) -> Diagnostic:
    results = ", ".join(map(str, node.results))
    where = node.locations[0] if node.locations else None
    return Diagnostic(code, f"{results} = {node.op.label}: {problem}", where)


def _read_problems(view: ChannelView, defined: Collection[Value]) -> Iterator[tuple[str, str]]:
    for value in view.values:
        if value not in defined:
            yield "E0310", f"{value} is not defined before this use in this graph"
    for problem in view_problems(view):
        yield "E0309", problem


def _type_problems(node: Node) -> Iterator[tuple[str, str]]:
    try:
        inferred = node.op.infer(node.operand_types)
    except OpError as problem:
        yield problem.code, f"{problem.message} ({problem.label})"
        return
    found = tuple(result.type for result in node.results)
    if inferred != found:
        yield "E0307", f"has type {listed(found)}, but the op gives {listed(inferred)}"


def listed(types: Iterable[TensorType]) -> str:
    """Types as text: `f32[1,4,4,8], f32[8]`."""
    return ", ".join(map(str, types))


def _output_problems(graph: Graph, defined: Collection[Value]) -> Iterator[Diagnostic]:
    if not graph.outputs:
        yield Diagnostic("E0310", f"@{graph.name} returns nothing")
    if len(graph.outputs) != len(graph.output_names):
        counts = f"{len(graph.outputs)} outputs, {len(graph.output_names)} names for them"
        yield Diagnostic("E0310", f"@{graph.name} has {counts}")
    for name in _repeated(graph.output_names):
        yield Diagnostic("E0305", f"@{graph.name} has two outputs named {name}")
    for view in graph.outputs:
        for code, problem in _read_problems(view, defined):
            yield Diagnostic(code, f"return of @{graph.name}: {problem}")


def _placement_problems(graph: Graph, defined: Collection[Value]) -> Iterator[Diagnostic]:
    arena = graph.arena_bytes
    for user in graph.topo():
        if user.scratch is not None and not 0 <= user.scratch <= (arena or 0):
            yield _at(user, "E0313", f"its scratch at {user.scratch} lies outside the arena")
    for value in sorted(defined, key=lambda value: value.offset or 0):
        if value.offset is None:
            continue
        end = value.offset + _placed_bytes(value)
        if value.offset < 0 or (arena is not None and end > arena):
            limits = f"an arena of {arena} bytes" if arena is not None else "any arena"
            node = graph.producer(value)
            where = node.locations[0] if node is not None and node.locations else None
            yield Diagnostic("E0313", f"{value!r} at {value.offset} lies outside {limits}", where)


def _placed_bytes(value: Value) -> int:
    """From the first to the last element, without padding after it."""
    pitch = value.place.pitch if value.place else None
    channels = value.type.channels
    pixels = value.type.elements // channels
    return value.type.element.bytes * ((pixels - 1) * (pitch or channels) + channels)


def _constant_problems(graph: Graph) -> Iterator[Diagnostic]:
    constants = dict.fromkeys(_all_constants(graph))
    for name in _repeated(constant.name for constant in constants):
        yield Diagnostic("E0311", f"two constants are named @{name}")
    for constant in constants:
        if constant.data is not None and not _is_of(constant.data, constant.type):
            found = f"{constant.data.dtype}{list(constant.data.shape)}"
            yield Diagnostic(
                "E0307", f"@{constant.name} has type {constant.type}, its data {found}"
            )


def _is_of(data: np.ndarray, type: TensorType) -> bool:
    return data.shape == type.shape and data.dtype == type.element.numpy


def _all_constants(graph: Graph) -> Iterator[Constant]:
    for node in graph.topo() if graph.is_acyclic() else ():
        yield from (operand for operand in node.operands if isinstance(operand, Constant))
        for body in node.op.bodies:
            yield from _all_constants(body)


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
