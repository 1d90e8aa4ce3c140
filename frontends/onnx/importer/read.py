"""From a file to a model in protobuf, with all its data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mbc.diag import MbcError, error
from mbc.extras import optional_module
from mbc.frontends.lowering.content import content_of
from mbc.frontends.onnx.importer.external import read_external


def read_model(path: Path, folder: Path | None) -> Any:
    """Return the ModelProto of a file, external data included, which may be in `folder` too.

    Raises E0610 (no package `onnx`), E0701 (unreadable), E0801 (not a model), E0805 (its data).
    """
    onnx = optional_module("onnx", "onnx")
    helps = ["keep its weights in a file beside it: ONNX's external data"]
    model = _parse(onnx, path, content_of(path, "ONNX", helps))
    external = onnx.TensorProto.EXTERNAL
    read_external((t for t in _tensors(onnx, model) if t.data_location == external), path, folder)
    return model


def _parse(onnx: Any, path: Path, content: bytes) -> Any:
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except Exception as problem:  # noqa: BLE001  its class depends on the version of protobuf
        raise _damaged(path, f"it is cut off or of another format ({problem})") from None
    if not model.HasField("graph") or not model.ir_version:
        raise _damaged(path, "it has no graph" if content else "it is empty")
    if not all(isinstance(text, str) for text in _texts(model)):
        raise _damaged(path, "it has names that are not UTF-8")
    return model


def _damaged(path: Path, reason: str) -> MbcError:
    return error("E0801", f"{path} is no ONNX model", label=reason)


def _texts(model: Any) -> Iterator[object]:
    """Yield names; protobuf gives those that are not UTF-8 as bytes."""
    graph, functions = model.graph, model.functions
    yield from (entry.domain for entry in model.opset_import)
    yield from (item.name for item in (*graph.initializer, *graph.input, *graph.output, *functions))
    yield from (entry.key for tensor in graph.initializer for entry in tensor.external_data)
    yield from (entry.value for tensor in graph.initializer for entry in tensor.external_data)
    for value in (*graph.input, *graph.output):
        yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)
    for function in functions:
        yield from (*function.input, *function.output)
    for node in (*graph.node, *(node for function in functions for node in function.node)):
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
        yield from (text for entry in node.metadata_props for text in (entry.key, entry.value))


def _tensors(onnx: Any, model: Any) -> Iterator[Any]:
    """Yield the tensors of the graph: initializers, and attributes of nodes and functions."""
    yield from model.graph.initializer
    functions = (node for function in model.functions for node in function.node)
    for node in (*model.graph.node, *functions):
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                yield attribute.t
