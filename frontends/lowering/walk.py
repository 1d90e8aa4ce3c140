"""The walk over a prepared model: one rule a node."""

from __future__ import annotations

from collections import Counter
from math import prod

from mbc.diag import error
from mbc.frontends.lowered import Lowered
from mbc.frontends.lowering.builder import IMAGE, TO_PLANAR, Builder, refuse_large
from mbc.frontends.lowering.model import Model, Node, Refusal, Shape
from mbc.frontends.lowering.names import unique
from mbc.frontends.lowering.problems import Problem, Unsupported, refuse
from mbc.frontends.lowering.rules import IMPORTERS
from mbc.frontends.lowering.stated import stated
from mbc.frontends.lowering.tracked import Tracked
from mbc.frontends.options import Layout
from mbc.ir.graph import Graph
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView
from mbc.ops.move import Transpose
from mbc.runtime.abi import INPUT_LAYOUT, PLANAR
from mbc.runtime.names import c_identifier


def lower(model: Model, name: str, input_layout: Layout) -> Lowered:
    """Return a model as a graph. Raises E0802 with every node that cannot be imported."""
    planar = input_layout == "nchw" and any(len(model.shapes[n]) == 4 for n in model.inputs)
    graph = Graph(name, {INPUT_LAYOUT: PLANAR} if planar else {})
    builder = Builder(graph, model)
    _add_inputs(builder, planar=planar)
    refuse(_problems(builder), model.hint)
    outputs = {n: _output(builder, n) for n in model.outputs}
    names = _unique([c_identifier(n) for n in outputs])
    graph.set_outputs(outputs.values(), names)
    return Lowered(graph, stated(builder))


def _add_inputs(b: Builder, *, planar: bool) -> None:
    names = _unique([c_identifier(name) for name in b.model.inputs])
    for name, own in zip(b.model.inputs, names, strict=True):
        shape = b.model.shapes[name]
        order = tuple(range(len(shape)))
        if len(shape) == 4 and not _is_nhwc(b.model, name):
            order = IMAGE
        type = TensorType(tuple(shape[axis] for axis in order) or (1,))
        b.node = Node("input", own, (), (own,))
        add = _planar_input if planar and type.rank == 4 else _input
        b.known[name] = Tracked.of(add(b, own, type), order)


def _input(b: Builder, name: str, type: TensorType) -> ChannelView:
    refuse_large(type)
    return ChannelView.of(b.graph.add_input(name, type))


def _planar_input(b: Builder, name: str, type: TensorType) -> ChannelView:
    """Add an image whose channels come first, and return it as NHWC."""
    batch, height, width, channels = type.shape
    given = _input(b, name, TensorType((batch, channels, height, width)))
    return b.moved_by(Transpose(IMAGE), given)


def _unique(names: list[str]) -> list[str]:
    taken = Counter[str]()
    return [unique(name, taken, "_") for name in names]


def _is_nhwc(model: Model, name: str) -> bool:
    """Whether all that reads an input transposes it from NHWC first."""
    readers = [node for node in model.nodes if name in node.inputs]
    perms = {node.attributes.get("perm") for node in readers if node.kind == "Transpose"}
    return perms == {TO_PLANAR} and all(node.kind == "Transpose" for node in readers)


def _problems(b: Builder) -> list[Problem]:
    """Import all nodes, and return what is not supported; what depends on that is left out."""
    problems, unknown = list[Problem](), set[str]()
    for node in b.model.nodes:
        if node.refusal is not None or node.kind not in IMPORTERS:
            problems.append(Problem(node, *(node.refusal or Refusal(""))))
        elif not unknown & {*node.inputs}:
            problem = _import(b, node)
            if problem is None:
                continue
            problems.append(problem)
        unknown |= {*node.outputs} - {""}
    return problems


def _import(b: Builder, node: Node) -> Problem | None:
    b.node = node
    try:
        made = IMPORTERS[node.kind](b, node)
    except Unsupported as problem:
        return Problem(node, problem.reason, problem.help)
    results = made if isinstance(made, tuple) else (made,)
    found = [*zip(filter(None, node.outputs), results, strict=False)]
    for name, x in found:
        _check_shape(b, name, x)
    b.known.update(found)
    return None


def _check_shape(b: Builder, name: str, x: Tracked) -> None:
    """Raise E0806 if the model says another shape than the op gives."""
    said = b.model.shapes.get(name, x.shape)
    if said != x.shape:
        given, told = (_as_written(b.model, shape) for shape in (x.shape, said))
        op = b.node.spelled or b.node.kind
        raise error("E0806", f"'{name}' has the shape {told} in the model, {op} gives {given}")


def _as_written(model: Model, shape: Shape) -> list[int]:
    """Return a shape in the model's own order of axes."""
    is_image = model.channels_last and len(shape) == len(IMAGE)
    return [shape[axis] for axis in IMAGE] if is_image else [*shape]


def _output(b: Builder, name: str) -> ChannelView:
    """Return an output: images as they are stored, [n,c,1,1] as [n,c] unless the model itself is
    NHWC, one number as [1], all else in ONNX's order."""
    if name not in b.known:
        raise error("E0802", f"output '{name}' does not depend on the inputs")
    b.node = Node("output", name, (), (name,))
    try:
        return _stored(b, b.settled(b.known[name]))
    except Unsupported as problem:
        raise error("E0802", f"output '{name}': {problem.reason}") from None


def _stored(b: Builder, x: Tracked) -> ChannelView:
    if x.rank == 4 and b.model.channels_last:
        return b.arranged(x, IMAGE)
    if x.rank == 4 and x.type.rank == 2 and not (x.axes[2] or x.axes[3]):
        return b.reshaped(x.stored, (x.shape[0], prod(x.shape[1:])))
    if x.rank == 4 and not b.is_stored(x, range(4)):
        return b.arranged(x, IMAGE)
    return b.arranged(x, range(x.rank))
