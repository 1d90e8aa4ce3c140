"""From a file to a model with static shapes, folded constants, and ops that mbc knows."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mbc.diag import error
from mbc.extras import optional_module
from mbc.frontends.lowering.model import FLOAT, FLOAT16, Model, Node, Shape, live
from mbc.frontends.lowering.problems import Problem, Unsupported, refuse
from mbc.frontends.lowering.traces import Origin
from mbc.frontends.onnx.importer.cut import cut
from mbc.frontends.onnx.importer.extents import fix_inputs, refuse_large
from mbc.frontends.onnx.importer.folding import FOLDABLE, Folding
from mbc.frontends.onnx.importer.origins import origins_of
from mbc.frontends.onnx.importer.quantisation import Dequantised, dequantise
from mbc.frontends.onnx.importer.read import read_model
from mbc.frontends.onnx.importer.steps import fitted, of_layers
from mbc.frontends.onnx.importer.structure import check_structure
from mbc.frontends.onnx.importer.versions import DOMAINS, raised, with_known_version
from mbc.frontends.options import ModelOptions

MAX_VALUES = 256
"""Inputs, or outputs, of a model."""


def prepare(
    path: Path, options: ModelOptions, supported: Container[str], note: Callable[[str], None]
) -> Model:
    """Read a model, and bring it to the form that the rules take.

    Raises E0802 with all ops that are neither supported nor folded, and what reading raises.
    """
    onnx = optional_module("onnx", "onnx")
    model = with_known_version(onnx, read_model(path, options.external_data))
    nodes = check_structure(model.graph)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    shapes = _cut(onnx, model, options, note)
    codes = dequantise(onnx, model, note, floats=options.floats)
    origins = origins_of(model.graph.node)
    _refuse_unknown(onnx, model.graph.node, origins, supported, codes.refused if codes else {})
    _refuse_inputs(onnx, model.graph.input)
    _refuse_many(model.graph)
    _forget_domains(model)
    _tell_of_halves(model.graph, note)
    fix_inputs(model.graph, shapes)
    _forget_shapes(model.graph)
    model = raised(onnx, model)
    folding = Folding(onnx, model, check_structure(model.graph))
    folding.run()
    finished = _finished(onnx, model.graph, folding, origins)
    return finished if codes is None else _on_codes(finished, codes, folding, note)


def _on_codes(
    model: Model, codes: Dequantised, folding: Folding, note: Callable[[str], None]
) -> Model:
    """Return a quantised model with what it states of its codes."""
    if not codes.elements:
        return replace(model, quantised=True)
    scaled = {**codes.scaled, **folding.scaled}
    found = of_layers(model.nodes, scaled, model.constants)
    constants, weights = fitted(model.constants, found, note)
    return replace(
        model, quantised=True, constants=constants, elements=codes.elements, weights=weights
    )


def _cut(
    onnx: Any, model: Any, options: ModelOptions, note: Callable[[str], None]
) -> Mapping[str, Shape]:
    """Reduce the graph to the part that is asked for, and return the shapes of its inputs that the
    user has set."""
    if not options.inputs and not options.outputs:
        return options.shapes
    gone = cut(onnx, model, options)
    if gone and not options.inputs:
        names = ", ".join(f"{name!r}" for name in gone)
        note(f"inputs that no output depends on are left out: {names}")
    return {name: shape for name, shape in options.shapes.items() if name not in gone}


def _refuse_unknown(
    onnx: Any,
    nodes: Iterable[Any],
    origins: Mapping[str, Origin],
    supported: Container[str],
    refused: Mapping[int, Unsupported],
) -> None:
    """Raise E0802 for all ops that are not supported, and for the nodes in `refused`, by number."""
    problems = list[Problem]()
    for number, node in enumerate(nodes):
        plain = _plain(onnx, node, origins)
        if number in refused:
            problems.append(Problem(plain, refused[number].reason, refused[number].help))
        elif plain.kind not in supported and plain.kind not in FOLDABLE:
            problems.append(Problem(plain, ""))
    refuse(problems)


def _refuse_many(graph: Any) -> None:
    """Raise E0807 for more inputs or outputs than a caller would give."""
    for what, values in (("inputs", graph.input), ("outputs", graph.output)):
        if len(values) > MAX_VALUES:
            message = f"the model has {len(values):,} {what}, mbc takes {MAX_VALUES}"
            raise error("E0807", message)


def _refuse_inputs(onnx: Any, inputs: Iterable[Any]) -> None:
    for value in inputs:
        kind = value.type.tensor_type.elem_type if value.type.HasField("tensor_type") else 0
        if kind not in (FLOAT, FLOAT16):
            names = {number: name.lower() for name, number in onnx.TensorProto.DataType.items()}
            name = names.get(kind, f"of type {kind}") if kind else "no tensor"
            raise error("E0802", f"input '{value.name}' is {name}; mbc takes float32 and float16")


def _tell_of_halves(graph: Any, note: Callable[[str], None]) -> None:
    """Say that float16 is widened."""
    kinds = {value.type.tensor_type.elem_type for value in graph.input}
    if FLOAT16 in kinds | {tensor.data_type for tensor in graph.initializer}:
        note("the model is in float16; mbc computes in float32")


def _forget_domains(model: Any) -> None:
    """Remove the versions of domains that no node is of: exporters list all that they know."""
    kept = [entry for entry in model.opset_import if entry.domain in DOMAINS]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def _forget_shapes(graph: Any) -> None:
    """Remove the shapes that an exporter has noted: those of symbolic dimensions would stay."""
    del graph.value_info[:]
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")


def _finished(onnx: Any, graph: Any, folding: Folding, origins: Mapping[str, Origin]) -> Model:
    shapes = _shapes(folding)
    outputs = tuple(value.name for value in graph.output)
    return Model(
        live((_plain(onnx, node, origins) for node in folding.nodes), outputs),
        {name: _widened(array) for name, array in folding.constants.items()},
        shapes,
        tuple(value.name for value in graph.input),
        outputs,
    )


def _shapes(folding: Folding) -> dict[str, Shape]:
    """Return the shapes of all results that are used. Raises E0804 for one that is not static."""
    shapes = {}
    for name, (_, shape) in folding.types.items():
        if shape is not None:
            refuse_large(f"value '{name}'", shape)
            shapes[name] = shape
    return shapes


def _widened(array: np.ndarray) -> np.ndarray:
    """Return float16 and float64 as float32, and all else as it is."""
    return array.astype(np.float32) if array.dtype in (np.float16, np.float64) else array


def _plain(onnx: Any, node: Any, origins: Mapping[str, Origin]) -> Node:
    first = next(filter(None, node.output), "")
    module, location = origins.get(first, Origin())
    kind = node.op_type if node.domain in DOMAINS else f"{node.domain}::{node.op_type}"
    attributes = dict(_attributes(onnx, node))
    inputs, outputs = tuple(node.input), tuple(node.output)
    return Node(kind, node.name or first, inputs, outputs, attributes, module, location)


def _attributes(onnx: Any, node: Any) -> Iterator[tuple[str, Any]]:
    """Yield the numbers and texts among the attributes; graphs and tensors are of no use later."""
    kinds = onnx.AttributeProto
    for attribute in node.attribute:
        if attribute.type in (kinds.INT, kinds.FLOAT, kinds.INTS, kinds.FLOATS):
            value = onnx.helper.get_attribute_value(attribute)
            yield attribute.name, tuple(value) if isinstance(value, list) else value
        elif attribute.type == kinds.STRING:
            yield attribute.name, attribute.s.decode(errors="replace")
