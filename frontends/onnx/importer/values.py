"""All values of a model, as outputs of it: for engines that are compared layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mbc.extras import optional_module
from mbc.frontends.lowering.model import FLOAT
from mbc.frontends.onnx.importer.extents import shape_of
from mbc.frontends.onnx.importer.quantised_ops import BYTES, op_of
from mbc.frontends.onnx.importer.read import read_model
from mbc.frontends.options import ModelOptions

GIVEN = ".given"
"""What is behind the name of an input that is given as floats, where the model takes codes."""


def names_of(path: Path, options: ModelOptions) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of what the nodes of a model compute, in its order, and of its outputs;
    raises what `read_model` raises."""
    graph = read_model(path, options.external_data).graph
    outputs = options.outputs or tuple(value.name for value in graph.output)
    return tuple(name for node in graph.node for name in node.output if name), outputs


def codes_of(path: Path, options: ModelOptions) -> Mapping[str, str]:
    """Return the integers of a quantised model, by the names that a graph has for the numbers that
    they were made of."""
    found = dict[str, str]()
    for node in read_model(path, options.external_data).graph.node:
        for name in filter(None, node.output) if op_of(node) else ():
            own = node.input[0] if node.op_type == "QuantizeLinear" else f"{name}.float"
            found.setdefault(own, name)
    return found


def with_outputs(path: Path, options: ModelOptions, names: Iterable[str]) -> bytes:
    """Return a model with these values as its outputs, its data included. It takes floats where its
    inputs are codes."""
    onnx = optional_module("onnx", "onnx")
    model = read_model(path, options.external_data)
    for value, steps in _integers(model.graph):
        inside = value.name
        value.name, value.type.tensor_type.elem_type = f"{inside}{GIVEN}", FLOAT
        made = onnx.helper.make_node("QuantizeLinear", [value.name, *steps], [inside])
        model.graph.node.insert(0, made)
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    content: bytes = model.SerializeToString()
    return content


def input_shapes(path: Path, options: ModelOptions) -> Mapping[str, tuple[int, ...] | None]:
    """Return the shapes of the inputs that are no initializers, as a model `with_outputs` calls
    them; None where one is open."""
    graph = read_model(path, options.external_data).graph
    bound = {tensor.name for tensor in graph.initializer}
    found = {value.name: shape_of(value) for value in graph.input if value.name not in bound}
    codes = {value.name for value, _ in _integers(graph)}
    return {
        f"{name}{GIVEN}" if name in codes else name: options.shapes.get(name, shape)
        for name, shape in found.items()
    }


def _integers(graph: Any) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Yield the inputs that are codes, with the names of their scale and zero point."""
    for value in graph.input:
        if value.type.tensor_type.elem_type in BYTES:
            reads = ((node, [*node.input]) for node in graph.node if op_of(node))
            found = (n[n.index(value.name) + 1 :][:2] for _, n in reads if value.name in n)
            steps = next(found, None)
            if steps is not None:
                yield value, tuple(steps)
