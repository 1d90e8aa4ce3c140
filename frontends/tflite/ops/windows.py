"""Convolutions, dense layers, pools and resizes."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from mbc.frontends.lowering.builder import IMAGE
from mbc.frontends.lowering.model import Shape
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.tflite.layers import bias, filters
from mbc.frontends.tflite.options import flag, numbers, whole
from mbc.frontends.tflite.translation import Translation, Translator
from mbc.ops.window import Pair

SAME, VALID = 0, 1

OHWI_TO_OIHW = (0, 3, 1, 2)
IHWO_TO_OIHW = (3, 0, 1, 2)
"""Orders of the axes of weights: those of a depthwise convolution are [1,h,w,o]."""


def _strides(t: Translation) -> Pair:
    return whole(t.operator, "StrideH", 1), whole(t.operator, "StrideW", 1)


def _auto_pad(t: Translation) -> str:
    padding = whole(t.operator, "Padding", SAME)
    if padding not in (SAME, VALID):
        raise Unsupported(f"its padding has number {padding}")
    return "SAME_UPPER" if padding == SAME else "VALID"


def _weight_shape(t: Translation, image: int, weight: int) -> Shape:
    """Return the shape of a constant weight in the file's order."""
    shape = t.array(weight, "weight").shape
    if len(shape) != len(IMAGE) or len(t.shape(image)) != len(IMAGE):
        raise Unsupported("its image or its weight has not 4 axes")
    return shape


def _convolution(t: Translation, weight: str, groups: int) -> None:
    dilations = (
        whole(t.operator, "DilationHFactor", 1),
        whole(t.operator, "DilationWFactor", 1),
    )
    t.finish(
        "Conv",
        [t.value(0), weight, *bias(t, 2, 0, weight)],
        strides=_strides(t),
        dilations=dilations,
        auto_pad=_auto_pad(t),
        group=groups,
    )


def conv_2d(t: Translation) -> None:
    """Convolution, grouped where the weight has fewer input channels."""
    each, channels = _weight_shape(t, 0, 1)[3], t.shape(0)[-1]
    if not each or channels % each:
        raise Unsupported(f"its weight has {each} input channels, its image {channels}")
    _convolution(t, filters(t, 1, 0, OHWI_TO_OIHW, "oihw"), channels // each)


def depthwise_conv_2d(t: Translation) -> None:
    """Depthwise convolution, with one filter a channel or several."""
    if _weight_shape(t, 0, 1)[0] != 1:
        raise Unsupported("its weight is not that of one image")
    _convolution(t, filters(t, 1, 3, IHWO_TO_OIHW, "oihw of depthwise"), t.shape(0)[-1])


def transpose_conv(t: Translation) -> None:
    """Transposed convolution, to the shape that it names."""
    size = t.integers(0, "output shape")
    if len(size) != len(IMAGE):
        raise Unsupported("its output shape has not 4 axes")
    _transposed(t, (2, 1, 3), (size[1], size[2]), _strides(t), is_same=_auto_pad(t) != "VALID")


def transpose_conv_bias(t: Translation) -> None:
    """Transposed convolution as MediaPipe has it."""
    given = np.array(numbers(t.operator, "CustomOptions", ()), np.uint8)
    if given.size < 12 or len(t.result.shape) != len(IMAGE):
        raise Unsupported("its options are not those of a transposed convolution")
    padding, across, down = given[:12].view("<i4").tolist()
    size = t.result.shape[1], t.result.shape[2]
    _transposed(t, (0, 1, 2), size, (down, across), is_same=padding == 1)


def _transposed(
    t: Translation, operands: tuple[int, int, int], out: Pair, strides: Pair, *, is_same: bool
) -> None:
    """Add a transposed convolution, with its operands image, weight and bias at these places."""
    image, weights, offset = operands
    window_of, shape = _weight_shape(t, image, weights), t.shape(image)
    before, after, more = list[int](), list[int](), list[int]()
    for extent, wanted, window, step in zip(shape[1:3], out, window_of[1:3], strides, strict=True):
        first, last = _cut(extent, wanted, window, step, is_same=is_same)
        before.append(first)
        after.append(max(last, 0))
        more.append(max(-last, 0))
    made_of = filters(t, weights, 0, IHWO_TO_OIHW, "iohw")
    t.finish(
        "ConvTranspose",
        [t.value(image), made_of, *bias(t, offset, image, made_of)],
        strides=strides,
        pads=(*before, *after),
        output_padding=tuple(more),
    )


def _cut(extent: int, wanted: int, window: int, step: int, *, is_same: bool) -> Pair:
    """Return what is cut off the result along one axis, at the begin and the end: the padding of
    a convolution that goes the other way. Negative at the end for what is added."""
    if step < 1:
        raise Unsupported("its stride is not positive")
    count = -(-wanted // step) if is_same else -(-(wanted - window + 1) // step)
    first = max((count - 1) * step + window - wanted, 0) // 2
    return first, (extent - 1) * step + window - first - wanted


def fully_connected(t: Translation) -> None:
    """Dense layer over the last axis, or over all that its weight takes at a time."""
    shape = t.array(1, "weight").shape
    if whole(t.operator, "WeightsFormat", 0):
        raise Unsupported("its weights are shuffled")
    if len(shape) != 2 or not shape[1] or prod(t.shape(0)) % shape[1]:
        raise Unsupported("its weight does not fit its input")
    outputs, inputs = shape
    rows = prod(t.shape(0)) // inputs
    x = t.plain(0)
    if t.shape(0) != (rows, inputs):
        x = t.node("Reshape", [x], (rows, inputs))
    matrix = filters(t, 1, 0, (0, 1), "oi")
    operands = [x, matrix, *bias(t, 2, 0, matrix)]
    if t.result.shape == (rows, outputs):
        t.finish("Gemm", operands, transB=1)
    else:
        t.finish_reshaped("Gemm", operands, (rows, outputs), transB=1)


def _pool(t: Translation, kind: str) -> None:
    kernel = whole(t.operator, "FilterHeight", 1), whole(t.operator, "FilterWidth", 1)
    pads, strides = _auto_pad(t), _strides(t)
    t.finish(kind, [t.value(0)], kernel_shape=kernel, strides=strides, auto_pad=pads)


def max_pool_2d(t: Translation) -> None:
    """Maximum over windows."""
    _pool(t, "MaxPool")


def average_pool_2d(t: Translation) -> None:
    """Mean over windows, padding not counted."""
    _pool(t, "AveragePool")


def _resize(t: Translation, mode: str, nearest: str, grid: str) -> None:
    size, shape = t.integers(1, "size"), t.shape(0)
    if len(shape) != len(IMAGE) or len(size) != len(t.result.shape[1:3]):
        raise Unsupported("it does not resize an image")
    sizes = t.listed("size", (shape[0], shape[3], *size))
    attributes = {"mode": mode, "coordinate_transformation_mode": grid}
    if mode == "nearest":
        attributes["nearest_mode"] = nearest
    t.finish("Resize", [t.value(0), "", "", sizes], **attributes)


def resize_bilinear(t: Translation) -> None:
    """Between pixels, with align_corners or half_pixel_centers or neither."""
    _resize(t, "linear", "", _grid(t))


def resize_nearest_neighbor(t: Translation) -> None:
    """By the nearest pixels, with align_corners or half_pixel_centers or neither."""
    grid = _grid(t)
    _resize(t, "nearest", "floor" if grid == "asymmetric" else "round_prefer_ceil", grid)


def _grid(t: Translation) -> str:
    corners, centers = (flag(t.operator, name) for name in ("AlignCorners", "HalfPixelCenters"))
    if corners and centers:
        raise Unsupported("it has both align_corners and half_pixel_centers")
    return "align_corners" if corners else "half_pixel" if centers else "asymmetric"


def depth_to_space(t: Translation) -> None:
    """Blocks of channels as pixels."""
    block = whole(t.operator, "BlockSize", 0)
    t.finish("DepthToSpace", [t.value(0)], blocksize=block, mode="DCR")


def space_to_depth(t: Translation) -> None:
    """Blocks of pixels as channels."""
    t.finish("SpaceToDepth", [t.value(0)], blocksize=whole(t.operator, "BlockSize", 0))


TRANSLATORS: Mapping[str, Translator] = {
    "AVERAGE_POOL_2D": average_pool_2d,
    "CONV_2D": conv_2d,
    "CUSTOM Convolution2DTransposeBias": transpose_conv_bias,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "DEPTH_TO_SPACE": depth_to_space,
    "FULLY_CONNECTED": fully_connected,
    "MAX_POOL_2D": max_pool_2d,
    "RESIZE_BILINEAR": resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": resize_nearest_neighbor,
    "SPACE_TO_DEPTH": space_to_depth,
    "TRANSPOSE_CONV": transpose_conv,
}
"""How they are translated; the first line of a text is its documentation."""
