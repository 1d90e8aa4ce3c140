"""Models that move elements along any axis compute what onnxruntime computes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.onnx_models import Drawing, agree

Draw = Callable[[Drawing], tuple[str, ...]]

# Each draws a model with the input x [1,8,6,6] and returns its outputs.


def sliced_pixels(d: Drawing) -> tuple[str, ...]:
    """Slices of rows and columns, forward and of channels backward; Split and Gather of rows."""
    bounds = [d.constant(values) for values in ([1, 0, 6], [6, 5, -9], [2, 3, 1], [2, 2, -1])]
    x = d.op("Slice", "x", *bounds)
    first = d.op("Split", "x", d.constant([2, 1, 3]), axis=2, results=3)
    even = d.op("Gather", d.conv("x", 4, 8), d.constant([0, 2, 4]), axis=3)
    row = d.op("Gather", "x", d.constant(-2), axis=2)
    return x, first, f"{first}.1", f"{first}.2", even, row


def sliced_pixels_of_a_flat_map(d: Drawing) -> tuple[str, ...]:
    """Of rows and columns as one axis, cut in the middle of a row; of what was transposed."""
    flat = d.op("Reshape", d.conv("x", 4, 8), d.constant([1, 4, 36]))
    cut = d.op("Slice", flat, d.constant([3]), d.constant([20]), d.constant([2]))
    turned = d.op("Transpose", flat, perm=[0, 2, 1])
    return cut, d.op("Slice", turned, d.constant([30]), d.constant([99]), d.constant([1]))


def joined_pixels(d: Drawing) -> tuple[str, ...]:
    """Along rows, along the batch, along heads of several maps, and of unlike layouts."""
    a, b = d.conv("x", 4, 8), d.conv("x", 4, 8, 3)
    rows = d.op("Concat", a, d.conv("x", 4, 8), axis=2)
    batch = d.op("Concat", "x", "x", axis=0)
    heads = [
        d.op("Reshape", d.op("Transpose", x, perm=[0, 2, 3, 1]), d.constant([1, -1, 2]))
        for x in (a, b)
    ]
    flat = [d.op("Reshape", x, d.constant([1, 4, -1])) for x in (a, b)]
    last = d.op("Concat", flat[0], flat[1], axis=2)
    turned = d.op("Transpose", a, perm=[0, 1, 3, 2])
    return rows, batch, d.op("Concat", *heads, axis=1), last, d.op("Concat", a, turned, axis=3)


def padded_axes(d: Drawing) -> tuple[str, ...]:
    """What no window takes: a number, channels, other readers, minus infinity, a flat map."""
    around, value = d.constant([0, 0, 1, 2, 0, 0, 1, 1]), d.constant(1.5, np.float32)
    zeros = d.op("Pad", "x", around)
    low = d.constant(-np.inf, np.float32)
    flat = d.op("Reshape", d.conv("x", 4, 8), d.constant([1, 4, 36]))
    return (
        d.conv(d.op("Pad", "x", around, value), 4, 8, 3),
        d.op("Pad", "x", d.constant([1, 3]), value, d.constant([1])),
        d.conv(zeros, 4, 8, 3),
        d.op("Relu", zeros),
        d.op("Relu", d.op("Pad", "x", around, low)),
        d.op("Pad", flat, d.constant([1, 0, 2, 0, 1, 0])),
        d.op("Pad", "x", d.constant([0] * 8)),
    )


def blocks_of_pixels(d: Drawing) -> tuple[str, ...]:
    x = d.conv("x", 12, 8)
    return (
        d.op("DepthToSpace", x, blocksize=2),
        d.op("DepthToSpace", x, blocksize=2, mode="CRD"),
        d.op("SpaceToDepth", "x", blocksize=3),
    )


def gathered_pixels(d: Drawing) -> tuple[str, ...]:
    """Rows and columns in no regular order, repeated and backward; pads of the own elements."""
    rows = d.op("Gather", d.conv("x", 4, 8), d.constant([5, 0, 0, -2]), axis=2)
    columns = d.op("Gather", "x", d.constant([2, 1, 0]), axis=3)
    pads = d.constant([0, 0, 2, 1, 0, 0, 3, 5])
    return rows, columns, *(d.op("Pad", "x", pads, mode=mode) for mode in ("reflect", "edge"))


MOVES: tuple[Draw, ...] = (
    *(sliced_pixels, sliced_pixels_of_a_flat_map, joined_pixels, padded_axes, blocks_of_pixels),
    gathered_pixels,
)


@pytest.mark.parametrize("draw", MOVES, ids=lambda draw: draw.__name__)
def test_agrees(draw: Draw, tmp_path: Path) -> None:
    drawing = Drawing()
    agree(drawing, tmp_path, *draw(drawing))
