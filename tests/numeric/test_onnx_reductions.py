"""Imported reductions and pools agree with onnxruntime."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.onnx_models import Drawing, agree, moves_after_fuse


def rounded_up_pools(d: Drawing) -> tuple[str, ...]:
    """Their last windows go beyond the padding, of which some count."""
    window: dict[str, Any] = {"kernel_shape": [3, 3], "strides": [3, 2], "ceil_mode": 1}
    counted = {**window, "count_include_pad": 1}
    return (
        d.op("AveragePool", "x", **counted, pads=[1, 1, 1, 0]),
        d.op("AveragePool", "x", **counted),
        d.op("MaxPool", "x", kernel_shape=[2, 3], dilations=[3, 2], pads=[1, 0, 0, 2]),
        d.op("MaxPool", "x", **window, dilations=[1, 2], pads=[1, 2, 0, 0]),
    )


def largest_of_the_map(d: Drawing) -> tuple[str, ...]:
    """As both exporters of PyTorch write AdaptiveMaxPool2d(1)."""
    window = d.op("MaxPool", "x", kernel_shape=[6, 6])
    kept = d.op("ReduceMax", "x", d.constant([2, 3]))
    return d.op("GlobalMaxPool", "x"), kept, window, d.op("Flatten", window)


def reduced_where_it_lies(d: Drawing) -> tuple[str, ...]:
    """Whole stored axes, and the sum of a vector."""
    x = d.op("ReduceSum", "x", d.constant([2]))
    y = d.op("GlobalMaxPool", d.op("ReduceMax", "x", d.constant([1])))
    vector = d.op("ReduceMean", "x", d.constant([2, 3]), keepdims=0)
    return x, y, d.op("ReduceSum", vector, d.constant([1]))


def reduced_groups(d: Drawing) -> tuple[str, ...]:
    """Channels of two digits, one of which is reduced; and all that is not the batch."""
    all = d.op("ReduceSum", "x", d.constant([1, 2, 3]), keepdims=0)
    x = d.op("Reshape", "x", d.constant([1, 2, 4, 6, 6]))
    return d.op("ReduceMax", x, d.constant([1]), keepdims=0), all


STILL = (rounded_up_pools, largest_of_the_map, reduced_where_it_lies)
"""Models in which no data have to move."""
REDUCTIONS = (*STILL, reduced_groups)


@pytest.mark.parametrize("draw", REDUCTIONS, ids=lambda draw: draw.__name__)
def test_agrees(draw: Callable[[Drawing], tuple[str, ...]], tmp_path: Path) -> None:
    drawing = Drawing()
    graph = agree(drawing, tmp_path, *draw(drawing))
    if draw in STILL:
        assert not {"transpose", "reshape"} & {node.op.label for node in graph.topo()}
        assert moves_after_fuse(graph) == []
