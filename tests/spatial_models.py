"""Drawings of models that enlarge, resize or normalise images, with the input x [1,8,6,6]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.onnx_models import Drawing


def resized(d: Drawing, *, scales: tuple[float, ...] = (), **how: Any) -> str:
    """By scales, or to 12 rows and 9 columns."""
    if scales:
        return d.op("Resize", "x", "", d.constant(scales, np.float32), **how)
    return d.op("Resize", "x", "", "", d.constant([1, 8, 12, 9]), **how)


def nearest(d: Drawing) -> tuple[str, ...]:
    """As PyTorch writes it; with half pixels and every rounding; and as the standard has it."""
    rounds = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
    grids = ("asymmetric", "half_pixel", "align_corners")
    return (
        resized(d),
        resized(d, coordinate_transformation_mode="half_pixel_symmetric"),
        *(
            resized(d, mode="nearest", coordinate_transformation_mode=grid, nearest_mode=rounding)
            for grid in grids
            for rounding in rounds
        ),
    )


def linear(d: Drawing) -> tuple[str, ...]:
    """To sizes, by scales, along one axis, and to no other size."""
    grids = ("asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel")
    along = d.op("Resize", "x", "", "", d.constant([3]), mode="linear", axes=[-1])
    return (
        *(resized(d, mode="linear", coordinate_transformation_mode=grid) for grid in grids),
        resized(d, scales=(1, 1, 2, 0.5), mode="linear"),
        along,
        d.op("Relu", d.op("Resize", "x", "", d.constant([1] * 4, np.float32))),
    )


def layer_norms(d: Drawing) -> tuple[str, ...]:
    """Over the channels, as in ConvNeXt; of vectors; without a bias."""
    last = d.op("Transpose", "x", perm=[0, 2, 3, 1])
    norm = d.op("LayerNormalization", last, d.weight(8), d.weight(8), axis=-1, epsilon=1e-6)
    first = d.op("Transpose", norm, perm=[0, 3, 1, 2])
    vector = d.op("Flatten", d.op("GlobalAveragePool", "x"))
    bare = d.op("LayerNormalization", vector, d.weight(8), axis=1)
    shuffled = d.op("Gather", last, d.constant([3, 1, 2, 0, 7, 6, 5, 4]), axis=3)
    other = d.op("LayerNormalization", shuffled, d.weight(8), d.weight(8))
    return d.conv(first, 4, 8), bare, d.op("Transpose", other, perm=[0, 3, 1, 2])


def transposed(d: Drawing) -> tuple[str, ...]:
    """Kernels as large as the stride and larger; every way to say the padding; groups."""

    def up(kernel: int, outputs: int, groups: int = 1, **how: Any) -> str:
        weight, bias = d.weight(8, outputs, kernel, kernel), d.weight(outputs * groups)
        return d.op("ConvTranspose", "x", weight, bias, group=groups, **how)

    two = [2, 2]
    return (
        up(2, 4, strides=two),
        up(3, 5, strides=two, pads=[1, 0, 1, 2], output_padding=[1, 0]),
        up(4, 3, groups=2, strides=[2, 3], pads=[1, 1, 0, 1]),
        up(3, 1, groups=8, strides=two, auto_pad="SAME_UPPER"),
        up(4, 4, strides=two, auto_pad="SAME_LOWER"),
        up(3, 4, strides=two, auto_pad="VALID"),
        up(3, 4, strides=two, output_shape=[12, 11]),
        d.op("ConvTranspose", "x", d.weight(8, 4, 3, 3)),
    )


SPATIAL: tuple[Callable[[Drawing], tuple[str, ...]], ...] = (
    nearest,
    linear,
    layer_norms,
    transposed,
)
"""Models in which no data have to move."""
