"""Convolutions and dense layers."""

from __future__ import annotations

from mbc.frontends.onnx.emitters.activations import activated
from mbc.frontends.onnx.emitters.site import Emitters, Site
from mbc.frontends.onnx.writer import Writer
from mbc.ops.linear import Conv2d, Dense
from mbc.ops.transposed import TransposedConv, to_iohw
from mbc.ops.window import Pad


def onnx_pads(pad: Pad) -> list[int]:
    """Reorder to ONNX's pads: the begins of both axes, then the ends."""
    top, bottom, left, right = pad
    return [top, left, bottom, right]


def conv2d(w: Writer, op: Conv2d, at: Site) -> str:
    """Conv, then the residual's addition, then the activation."""
    weight = at.array("weight")
    inputs = [at.x, at.stored(w, "weight", weight.transpose(3, 2, 0, 1)), *biases(w, at)]
    result = w.node(
        "Conv",
        inputs,
        at.name,
        kernel_shape=list(weight.shape[:2]),
        strides=list(op.stride),
        pads=onnx_pads(op.pad),
        dilations=list(op.dilation),
        group=op.groups,
    )
    if residual := at.operand("residual"):
        result = w.node("Add", [residual, result], f"{at.name}.add")
    return activated(w, _sloped(w, result, at), op.act, at.name)


def _sloped(w: Writer, x: str, at: Site) -> str:
    """PRelu by the slope, if there is one."""
    if at.node["slope"] is None:
        return x
    slope = at.array("slope")
    shaped = slope.reshape(-1, 1, 1) if at.node.result.type.rank == 4 else slope
    return w.node("PRelu", [x, at.stored(w, "slope", shaped)], f"{at.name}.prelu")


def transposed_conv(w: Writer, op: TransposedConv, at: Site) -> str:
    """ConvTranspose, whose weight is [i,o/g,kh,kw]; then the activation."""
    weight = to_iohw(at.array("weight"), op.groups)
    inputs = [at.x, at.stored(w, "weight", weight), *biases(w, at)]
    result = w.node(
        "ConvTranspose",
        inputs,
        at.name,
        kernel_shape=list(weight.shape[2:]),
        strides=list(op.stride),
        pads=onnx_pads(op.pad),
        output_padding=list(op.more),
        group=op.groups,
    )
    return activated(w, result, op.act, at.name)


def biases(w: Writer, at: Site) -> list[str]:
    """Return the bias as a list of one, or an empty list."""
    return [at.stored(w, "bias")] if at.node["bias"] else []


def dense(w: Writer, op: Dense, at: Site) -> str:
    """Gemm with the weight stored as [o,i], the common order of trained networks."""
    inputs = [at.x, at.stored(w, "weight", at.array("weight").T), *biases(w, at)]
    result = w.node("Gemm", inputs, at.name, transB=1)
    return activated(w, _sloped(w, result, at), op.act, at.name)


EMITTERS: Emitters = {
    Conv2d: conv2d,
    TransposedConv: transposed_conv,
    Dense: dense,
}
