"""Ops that ONNX defines by others: a node becomes the body of its function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# fmt: off
EXPANDED = frozenset({
    "Attention", "Celu", "CenterCropPad", "GroupNormalization", "MeanVarianceNormalization",
    "NegativeLogLikelihoodLoss", "RMSNormalization", "ReduceL1", "ReduceL2", "ReduceLogSum",
    "ReduceLogSumExp", "ReduceSumSquare", "RotaryEmbedding", "SoftmaxCrossEntropyLoss", "Softsign",
    "SwiGLU",
})
# fmt: on
"""Ops that are imported by their definitions in ONNX."""


def is_expanded(node: Any) -> bool:
    """Whether a node is imported by its definition: as all of its op, or in a rarer form."""
    match node.op_type:
        case "LayerNormalization":
            return any(node.output[1:])
        case "Swish":
            return any(a.name == "alpha" and a.f != 1 for a in node.attribute)
        case _:
            return node.op_type in EXPANDED


def expanded(onnx: Any, node: Any, types: Mapping[str, Any], opset: int) -> list[Any] | None:
    """Return the nodes of a node's definition, which end in its results; None if it has none.

    `types` are those of values, as TypeProtos."""
    body = _body(onnx, node, types, opset)
    return None if body is None else [*_called(onnx, node, body)]


def _body(onnx: Any, node: Any, types: Mapping[str, Any], opset: int) -> Any:
    """Return the function of a node, for the newest opset up to the model's that has one."""
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, "")
    except onnx.defs.SchemaError:
        return None
    plain = [v for v in schema.function_opset_versions if v <= opset]
    by_types = [v for v in schema.context_dependent_function_opset_versions if v <= opset]
    if plain:
        content = schema.get_function_with_opset_version(max(plain))
    elif by_types:
        absent = onnx.TypeProto()
        given = [types.get(name, absent).SerializeToString() for name in node.input]
        content = schema.get_context_dependent_function_with_opset_version(
            max(by_types), _with_defaults(onnx, node, schema).SerializeToString(), given
        )
    else:
        return None
    if not content:
        return None
    function = onnx.FunctionProto()
    function.ParseFromString(content)
    return function


def completed(onnx: Any, node: Any, opset: int) -> Any:
    """Return a node with the attributes that it leaves to their defaults, if it is one that is
    imported by its definition: onnx's shape inference of functions lacks them."""
    if node.domain not in ("", "ai.onnx") or not is_expanded(node):
        return node
    try:
        return _with_defaults(onnx, node, onnx.defs.get_schema(node.op_type, opset, ""))
    except onnx.defs.SchemaError:
        return node


def _with_defaults(onnx: Any, node: Any, schema: Any) -> Any:
    made = onnx.NodeProto()
    made.CopyFrom(node)
    made.attribute.extend(_defaults(node, schema))
    return made


def _defaults(node: Any, schema: Any) -> Iterator[Any]:
    """Yield the attributes that a node leaves to their defaults."""
    given = {attribute.name for attribute in node.attribute}
    for name, attribute in schema.attributes.items():
        if name not in given and attribute.default_value.name:
            yield attribute.default_value


def _called(onnx: Any, node: Any, function: Any) -> Iterator[Any]:
    """Yield the nodes of a function, with the names of a call."""
    first = next(filter(None, node.output))
    names = dict.fromkeys(function.input, "") | dict(zip(function.input, node.input, strict=False))
    names |= {f: own for f, own in zip(function.output, node.output, strict=False) if own}
    schema = onnx.defs.get_schema(node.op_type, onnx.defs.onnx_opset_version(), "")
    attributes = {a.name: a for a in (*_defaults(node, schema), *node.attribute)}
    for inner in function.node:
        made = onnx.NodeProto()
        made.CopyFrom(inner)
        made.name = f"{node.name or first}.{inner.op_type}"
        for field in (made.input, made.output):
            renamed = [names.get(name, f"{first}.{name}") if name else "" for name in field]
            del field[:]
            field.extend(renamed)
        del made.attribute[:]
        made.attribute.extend(_bound(onnx, inner, attributes))
        yield made


def _bound(onnx: Any, inner: Any, attributes: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the attributes of a node in a function, those of the call in place of references."""
    for attribute in inner.attribute:
        if not attribute.ref_attr_name:
            yield attribute
        elif attribute.ref_attr_name in attributes:
            made = onnx.AttributeProto()
            made.CopyFrom(attributes[attribute.ref_attr_name])
            made.name = attribute.name
            yield made
