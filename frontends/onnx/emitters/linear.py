"""Convolutions and dense layers."""

from __future__ import annotations

import numpy as np

from mbc.frontends.onnx.emitters.activations import activated
from mbc.frontends.onnx.emitters.site import Emitters, Site
from mbc.frontends.onnx.writer import Writer
from mbc.ir.elements import Q8, Element
from mbc.ops.linear import Conv2d, Dense
from mbc.ops.quantized import LARGEST_CODE, weight_scales
from mbc.ops.transposed import TransposedConv, to_iohw
from mbc.ops.window import Pad


def onnx_pads(pad: Pad) -> list[int]:
    """Reorder to ONNX's pads: the begins of both axes, then the ends."""
    top, bottom, left, right = pad
    return [top, left, bottom, right]


def conv2d(w: Writer, op: Conv2d, at: Site) -> str:
    """Conv, then the residual's addition, then the activation."""
    weight = at.array("weight")
    inputs = [at.x, *constants(w, at, weight.transpose(3, 2, 0, 1))]
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
        apart = w.rounded(result, _apart(at), result)
        result = w.node("Add", [residual, apart], f"{at.name}.add")
    return activated(w, _sloped(w, result, at), op.act, at.name)


def _sloped(w: Writer, x: str, at: Site) -> str:
    """PRelu by the slope, if there is one."""
    if at.node["slope"] is None:
        return x
    slope = at.array("slope")
    shaped = slope.reshape(-1, 1, 1) if at.node.result.type.rank == 4 else slope
    return w.node("PRelu", [x, at.stored(w, "slope", shaped)], f"{at.name}.prelu")


def _apart(at: Site) -> Element:
    """Return the element of a result before its residual is added: the next op that engines know is
    a sum of codes. It holds all numbers that, with the residual, are in the range of the sum."""
    total, added = at.node.result.type.element, at.node.view("residual").type.element
    if not isinstance(total, Q8) or not isinstance(added, Q8):
        return total
    (low, high), (least, most) = total.range, added.range
    span, low = high - low + most - least, low - most
    scale = float(np.float32(span / LARGEST_CODE))
    return Q8(scale, min(max(round(-low / scale), 0), LARGEST_CODE))


def transposed_conv(w: Writer, op: TransposedConv, at: Site) -> str:
    """ConvTranspose, whose weight is [i,o/g,kh,kw]; then the activation."""
    weight = to_iohw(at.array("weight"), op.groups)
    inputs = [at.x, *constants(w, at, weight)]
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


def constants(w: Writer, at: Site, weight: np.ndarray) -> list[str]:
    """Return the weight, given in ONNX's layout, and the bias if there is one. Those on codes have
    a scale for each output channel, the first axis."""
    roles = ["weight", "bias"] if at.node["bias"] else ["weight"]
    arrays = {"weight": weight, "bias": None}
    x = at.x_type.element
    if not isinstance(x, Q8):
        return [at.stored(w, role, arrays[role]) for role in roles]
    scales = weight_scales(at.array("multiplier"), x, at.node.result.type.element)
    steps = {"weight": scales, "bias": scales * x.scale}
    return [_dequantised(w, at, role, arrays[role], steps[role]) for role in roles]


def _dequantised(
    w: Writer, at: Site, role: str, array: np.ndarray | None, scales: np.ndarray
) -> str:
    """Return a constant on codes as real numbers. A channel of scale 0, which engines do not take,
    has weights and bias 0."""
    none = scales == 0
    codes = at.array(role) if array is None else array
    if none.any():
        codes = codes * ~none.reshape(-1, *[1] * (codes.ndim - 1))
    given = np.where(none, 1, scales).astype(np.float32)
    stored = at.stored(w, role, codes)
    inputs = [stored, w.constant(f"{stored}.scale", given)]
    inputs += [w.constant(f"{stored}.zero", np.zeros(given.shape, codes.dtype))]
    return w.node("DequantizeLinear", inputs, f"{stored}.real", axis=0)


def dense(w: Writer, op: Dense, at: Site) -> str:
    """Gemm with the weight stored as [o,i], the common order of trained networks."""
    inputs = [at.x, *constants(w, at, at.array("weight").T)]
    result = w.node("Gemm", inputs, at.name, transB=1)
    return activated(w, _sloped(w, result, at), op.act, at.name)


EMITTERS: Emitters = {
    Conv2d: conv2d,
    TransposedConv: transposed_conv,
    Dense: dense,
}
