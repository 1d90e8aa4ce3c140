"""Export a graph as an ONNX model. Images are NCHW in it, at its inputs and outputs too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from mbc import __version__
from mbc.diag import error
from mbc.frontends.onnx.emitters.codes import emitted
from mbc.frontends.onnx.emitters.moves import gathered, shuffled
from mbc.frontends.onnx.emitters.site import TO_NCHW, Site, axis_of, onnx_shape, transposed
from mbc.frontends.onnx.kernels import DOMAIN, VERSION, KernelWriter
from mbc.frontends.onnx.ops import EMITTERS, is_exported
from mbc.frontends.onnx.writer import Writer
from mbc.ir.elements import Q8
from mbc.ir.graph import Graph
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView, Segment, Value
from mbc.ops.fused import Fused
from mbc.records import dataclass
from mbc.runtime.abi import INPUT_LAYOUT, PLANAR
from mbc.targets.elements import refuse_elements
from mbc.targets.kernels import refuse_ops

IR_VERSIONS = {17: 8, 18: 8, 20: 9}
"""Versions of the format by opset: 17, of 2022, is read by every current engine."""

MAX_BYTES = 2**31 - 2**20
"""Limit of the weights: a protobuf message holds at most 2 GB."""

Known = dict[Value, str]


@dataclass(frozen=True)
class OnnxModel:
    """A serialised model."""

    data: bytes
    """Content of an .onnx file."""
    inputs: tuple[str, ...]
    """Names of its inputs, in the graph's order."""
    outputs: tuple[str, ...]
    """Names of its outputs, in the graph's order."""


def export_onnx(graph: Graph, *, kernels: bool = False) -> OnnxModel:
    """Export a graph whose constants have data.

    Codes are written as QuantizeLinear and DequantizeLinear around ops on floats.
    The nodes of fused bodies are written one by one; channel views become nodes that move channels.
    With `kernels` each fused body, and each view, is a function of the domain `ai.mbc` instead.

    Raises E0610 without the package `onnx`, E0712 where the weights are too large for the format,
    E0509 for element types other than f32 and codes, E0517 for ops without a form in ONNX.
    """
    refuse_elements(graph, "the export to ONNX", lambda _: "")
    refuse_ops(graph, is_exported, "the export to ONNX")
    if sum(constant.type.bytes for constant in graph.constants().values()) > MAX_BYTES:
        raise error("E0712", "the weights take more than 2 GB, and an ONNX file cannot")
    names = [value.name for value in graph.inputs]
    w = KernelWriter(names) if kernels else Writer(names)
    known = {value: _input(w, graph, value) for value in graph.inputs}
    names = [w.fresh(name) for name in graph.output_names]
    _write_nodes(w, graph, known)
    _name_outputs(w, graph, known, names)
    data = _checked(w, _model(w, graph, names))
    return OnnxModel(data, tuple(v.name for v in graph.inputs), tuple(names))


def _input(w: Writer, graph: Graph, value: Value) -> str:
    """Return an input as emitters take it: one whose channels come first in the graph has its own
    order in the model too."""
    planar = _is_planar(graph, value.type)
    element = value.type.element
    real = value.name
    if isinstance(element, Q8):
        real = w.real(real, element, real)
    with w.rounding(element):
        return transposed(w, real, TO_NCHW, value.name) if planar else real


def _is_planar(graph: Graph, type: TensorType) -> bool:
    return graph.meta.get(INPUT_LAYOUT) == PLANAR and type.rank == 4


def _write_nodes(w: Writer, graph: Graph, known: Known) -> None:
    for node in graph.topo():
        name = node.results[0].name
        operands = tuple(_operand(w, operand, known, name) for operand in node.operands)
        if isinstance(node.op, Fused):
            results = w.group(node.op.kind, name, partial(_write_body, w, node.op.body, operands))
        else:
            emit = EMITTERS[type(node.op)]
            results = emitted(w, emit, node.op, Site(node, operands, name))
        _name_results(w, known, node.results, results)


def _name_results(w: Writer, known: Known, values: Sequence[Value], results: Sequence[str]) -> None:
    """Give results the stable names of their values, unless they are other values too."""
    taken = {name: name for name in known.values()}
    for value, result in zip(values, results, strict=True):
        if result not in taken:
            taken[result] = w.renamed(result, value.name)
        known[value] = taken[result]


def _write_body(w: Writer, body: Graph, operands: Sequence[str]) -> tuple[str, ...]:
    known: Known = dict(zip(body.inputs, operands, strict=True))
    _write_nodes(w, body, known)
    return tuple(_view(w, view, known, "return") for view in body.outputs)


def _operand(w: Writer, operand: object, known: Mapping[Value, str], name: str) -> str:
    return _view(w, operand, known, name) if isinstance(operand, ChannelView) else ""


def _view(w: Writer, view: ChannelView, known: Mapping[Value, str], name: str) -> str:
    """Write what a view reads."""
    if view.is_plain:
        return known[view.value]
    with w.rounding(view.type.element):
        (made,) = w.group("channel_view", name, lambda: (_moved(w, view, known, name),))
    return made


def _moved(w: Writer, view: ChannelView, known: Mapping[Value, str], name: str) -> str:
    """Write the segments of a view concatenated, then permuted by its order."""
    parts = [_segment(w, segment, known, name) for segment in view.segments]
    x = parts[0]
    if len(parts) > 1:
        x = w.node("Concat", parts, f"{name}.concat", axis=axis_of(view.type))
    if view.order.is_identity:
        return x
    joined = view.type.with_channels(sum(segment.length for segment in view.segments))
    if groups := view.order.shuffle_groups:
        return shuffled(w, x, joined, groups, name)
    return gathered(w, x, joined, view.order, name)


def _segment(w: Writer, segment: Segment, known: Mapping[Value, str], name: str) -> str:
    x = known[segment.value]
    if segment.is_whole:
        return x
    ends = [segment.start], [segment.start + segment.length], [axis_of(segment.value.type)]
    bounds = [w.integers("bound", numbers) for numbers in ends]
    return w.node("Slice", [x, *bounds], f"{name}.slice")


def _name_outputs(w: Writer, graph: Graph, known: Known, names: Sequence[str]) -> None:
    """Rename the results to the names of the outputs.

    A result that is an input or another output already keeps its name and is copied.
    """
    public = {value.name for value in graph.inputs}
    for view, name in zip(graph.outputs, names, strict=True):
        result = _view(w, view, known, name)
        if isinstance(element := view.type.element, Q8):
            result = w.codes(result, element, name)
        if result in public:
            w.nodes.append(w.onnx.helper.make_node("Identity", [result], [name], name))
        else:
            w.rename(result, name)
            known.update({value: name for value, old in known.items() if old == result})
        public.add(name)


def _model(w: Writer, graph: Graph, names: Sequence[str]) -> Any:
    helper = w.onnx.helper
    inputs = (
        (v.name, v.type, v.type.shape if _is_planar(graph, v.type) else onnx_shape(v.type))
        for v in graph.inputs
    )
    views = zip(names, graph.outputs, strict=True)
    outputs = ((name, view.type, onnx_shape(view.type)) for name, view in views)
    body = helper.make_graph(
        w.nodes,
        graph.name,
        [_info(w, *each) for each in inputs],
        [_info(w, *each) for each in outputs],
        initializer=w.initializers,
    )
    model = helper.make_model(
        body,
        producer_name="mbc",
        producer_version=__version__,
        ir_version=IR_VERSIONS[w.opset],
        opset_imports=[helper.make_opsetid("", w.opset)],
    )
    if isinstance(w, KernelWriter) and w.functions:
        _add_functions(w, model)
    helper.set_model_props(model, dict(_described(graph)))
    return model


def _add_functions(w: KernelWriter, model: Any) -> None:
    """Add the functions, and leave out the numbers that only they read."""
    model.functions.extend(function.made(w.onnx, w.opset) for function in w.functions)
    model.opset_import.append(w.onnx.helper.make_opsetid(DOMAIN, VERSION))
    read = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def _info(w: Writer, name: str, type: TensorType, shape: Sequence[int]) -> Any:
    kind = w.onnx.helper.np_dtype_to_tensor_dtype(type.element.numpy)
    return w.onnx.helper.make_tensor_value_info(name, kind, shape)


def _described(graph: Graph) -> Iterator[tuple[str, str]]:
    for key in ("network", "parameters", "batch"):
        if key in graph.meta:
            yield key, graph.meta[key]


def _checked(w: Writer, model: Any) -> bytes:
    """Serialise the model with the shapes of all values, which Netron shows, and check it."""
    complete = w.onnx.shape_inference.infer_shapes(model, strict_mode=True)
    w.onnx.checker.check_model(complete)
    return bytes(complete.SerializeToString(deterministic=True))
