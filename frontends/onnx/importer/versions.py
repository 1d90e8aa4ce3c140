"""One form for all models: functions inlined, opsets raised, initialised inputs as constants."""

from __future__ import annotations

from typing import Any

from mbc.diag import error
from mbc.frontends.onnx.importer.functions import inlined

OLDEST, MODERN = 6, 18
"""The oldest opset that is read, and the one to which older ones are raised."""

OLD_COORDINATES = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
"""What Resize and Upsample computed before opset 11, when attributes began to say it."""

OLDEST_IR, MODERN_IR = 3, 10
DOMAINS = ("", "ai.onnx")
"""The names of ONNX's own domain."""


def opset_of(model: Any) -> int:
    """Return the version of ONNX's own ops; E0803 if the model names none."""
    found = [entry.version for entry in model.opset_import if entry.domain in DOMAINS]
    if not found:
        raise error("E0803", "the model does not say which opset it uses")
    return int(max(found))


def with_known_version(onnx: Any, model: Any) -> Any:
    """Return the model with its functions inlined, and its initialised inputs no longer inputs.

    Raises E0803 for versions that mbc or the installed `onnx` does not read.
    """
    newest, opset = onnx.defs.onnx_opset_version(), opset_of(model)
    if not OLDEST <= opset <= newest:
        message = f"the model uses opset {opset}; mbc reads {OLDEST} to {newest}"
        raise error("E0803", message, helps=["export the model with opset_version=18"])
    if model.ir_version < OLDEST_IR:
        message = f"the model has IR version {model.ir_version}; mbc reads {OLDEST_IR} and later"
        raise error("E0803", message, helps=["export the model again"])
    model.ir_version = max(model.ir_version, MODERN_IR)
    if model.functions:
        model = inlined(onnx, model)
    initialised = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in initialised]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    return model


def raised(onnx: Any, model: Any) -> Any:
    """Return the model in an opset of at least `MODERN`; E0803 if onnx cannot convert it."""
    opset = opset_of(model)
    if opset >= MODERN:
        return model
    if opset < 7:
        _align_slopes(onnx, model)
    converted = _converted(onnx, model, opset)
    if opset < 11:  # onnx leaves these out
        for node in converted.graph.node:
            if node.op_type == "Resize":
                named = OLD_COORDINATES.items()
                node.attribute.extend(onnx.helper.make_attribute(*each) for each in named)
    return converted


def _align_slopes(onnx: Any, model: Any) -> None:
    """Give slopes of PRelu, which were one for each channel before opset 7, the axes that make them
    broadcast so; onnx leaves this out."""
    known = onnx.shape_inference.infer_shapes(model).graph
    ranks = {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in (*known.input, *known.value_info)
    }
    slopes = {node.input[1]: node.input[0] for node in model.graph.node if node.op_type == "PRelu"}
    for tensor in model.graph.initializer:
        if tensor.name in slopes and len(tensor.dims) == 1:
            tensor.dims.extend([1] * (ranks.get(slopes[tensor.name], 2) - 2))


def _converted(onnx: Any, model: Any, opset: int) -> Any:
    try:
        from onnx.version_converter import convert_version

        return convert_version(model, MODERN)
    except Exception as problem:  # noqa: BLE001  what C++ raises has no class of its own
        first = str(problem).strip().partition("\n")[0]
        message = f"opset {opset} cannot be raised to {MODERN}: {first}"
        raise error("E0803", message, helps=["export the model with opset_version=18"]) from None
