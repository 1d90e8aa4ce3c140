"""A part of a model: from some of its values to others, by their names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from mbc.diag import MbcError
from mbc.frontends.lowering.ends import refuse_missing, refuse_unknown, refuse_unused
from mbc.frontends.lowering.model import FLOAT, Shape
from mbc.frontends.onnx.importer.extents import described, set_shapes, shape_of
from mbc.frontends.onnx.importer.folding import Folding
from mbc.frontends.onnx.importer.structure import check_structure
from mbc.frontends.onnx.importer.versions import raised
from mbc.frontends.options import ModelOptions

Typed: TypeAlias = tuple[int, Shape | None]
"""An element type, and a shape where it is static."""


def cut(onnx: Any, model: Any, options: ModelOptions) -> tuple[str, ...]:
    """Reduce a graph to what its new outputs need of its new inputs, and return the names of the
    inputs that it no longer has.

    Raises E0808 for names that the model does not have, and where the new inputs are not enough;
    E0804 for shapes that contradict the model.
    """
    graph, before = model.graph, [*model.graph.input]
    known = [value.name for value in before] + _results(graph.node)
    ends = (
        f"inputs: {', '.join(map(described, graph.input))}",
        f"outputs: {', '.join(value.name for value in graph.output)}",
    )
    refuse_unknown("--inputs", options.inputs, known, ends)
    refuse_unknown("--outputs", options.outputs, known, ends)
    if options.outputs:
        _set_outputs(onnx, graph, options.outputs)
    if options.inputs:
        set_shapes(before, options.shapes)
        _set_inputs(onnx, model, options)
    else:
        _prune(graph)
    kept = {value.name for value in graph.input}
    return tuple(value.name for value in before if value.name not in kept)


def _results(nodes: Iterable[Any]) -> list[str]:
    return [name for node in nodes for name in node.output if name]


def _set_outputs(onnx: Any, graph: Any, names: Iterable[str]) -> None:
    """Make values the outputs, and drop the nodes that they do not need."""
    types = {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info,)}
    types |= {value.name: value.type.tensor_type.elem_type for value in graph.output}
    infos = [
        onnx.helper.make_tensor_value_info(name, types.get(name) or FLOAT, None) for name in names
    ]
    _replace(graph.output, infos)
    _replace(graph.node, _needed(graph.node, names))


def _replace(field: Any, items: Iterable[Any]) -> None:
    items = [*items]
    del field[:]
    field.extend(items)


def _needed(nodes: Iterable[Any], names: Iterable[str]) -> list[Any]:
    """Return the nodes that values depend on; `nodes` are in dependency order."""
    wanted, kept = {*names} - {""}, list[Any]()
    for node in reversed([*nodes]):
        if wanted & {*node.output}:
            wanted |= {*node.input} - {""}
            kept.append(node)
    return kept[::-1]


def _prune(graph: Any) -> None:
    """Drop the inputs that nothing reads."""
    read = {name for node in graph.node for name in node.input}
    read |= {value.name for value in graph.output}
    _replace(graph.input, [value for value in graph.input if value.name in read])


def _set_inputs(onnx: Any, model: Any, options: ModelOptions) -> None:
    """Make values the inputs, with the types that they have in the model."""
    graph, names = model.graph, options.inputs
    types = _types(onnx, model, names, options)
    outputs = [value.name for value in graph.output]
    for node in graph.node:
        kept = ["" if name in names else name for name in node.output]
        _replace(node.output, kept)
    _replace(graph.node, _needed(graph.node, outputs))
    read = {name for node in graph.node for name in node.input} | {*outputs}
    refuse_unused([name for name in names if name not in read])
    refuse_missing([v.name for v in graph.input if v.name in read and v.name not in names])
    infos = [onnx.helper.make_tensor_value_info(name, *types[name]) for name in names]
    _replace(graph.input, infos)


def _types(onnx: Any, model: Any, names: Sequence[str], options: ModelOptions) -> dict[str, Typed]:
    """Return the types of values: as the model states them, or inferred from its inputs."""
    graph = model.graph
    values = (*graph.input, *graph.value_info, *graph.output)
    types: dict[str, Typed] = dict.fromkeys(names, (FLOAT, None))
    types |= {
        value.name: (value.type.tensor_type.elem_type or FLOAT, shape_of(value))
        for value in values
        if value.name in types
    }
    open = [name for name in names if types[name][1] is None and name not in options.shapes]
    return types | _inferred(onnx, model, open) if open else types


def _inferred(onnx: Any, model: Any, names: Sequence[str]) -> dict[str, Typed]:
    """Infer the types of values; nothing for those where that fails, which is told later."""
    part = onnx.ModelProto()
    part.CopyFrom(model)
    graph = part.graph
    del graph.value_info[:]
    _set_outputs(onnx, graph, names)
    try:
        part = raised(onnx, part)
        folding = Folding(onnx, part, check_structure(part.graph))
        folding.run()
    except MbcError:
        return {}
    found = {name: folding.types[name] for name in names if name in folding.types}
    return {name: (kind or FLOAT, shape) for name, (kind, shape) in found.items()}
