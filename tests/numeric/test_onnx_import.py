"""Imported models compute what onnxruntime computes of them, and move no data."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mbc.driver.export import onnx_model
from mbc.frontends.lowering.rules.activations import ACTIVATIONS
from mbc.frontends.onnx.importer import IMPORTERS
from mbc.frontends.weights import initialise
from mbc.interp import run
from mbc.ir.graph import Graph
from tests.everyday import part_of
from tests.example_networks import EXAMPLE_NETWORKS, PAIR, VARIED, Example
from tests.function_models import FUNCTIONS, product_of_tensors
from tests.numeric.test_onnx_lowering import LOWERED
from tests.numeric.test_onnx_moves import MOVES
from tests.numeric.test_onnx_reductions import REDUCTIONS
from tests.onnx_models import Drawing, agree, imported, moves_after_fuse
from tests.spatial_models import SPATIAL

Draw = Callable[[Drawing], str | tuple[str, ...]]
ROUND_TRIPS = [*((e, False) for e in EXAMPLE_NETWORKS), *((e, True) for e in PAIR)]


def ops(graph: Graph) -> list[str]:
    return [node.op.label for node in graph.topo()]


@pytest.mark.parametrize(
    ("example", "as_written"),
    part_of(
        ROUND_TRIPS,
        lambda example, as_written: as_written or example in VARIED,
        lambda example, as_written: f"{example}-{as_written}",
    ),
)
def test_an_exported_network_comes_back(example: Example, as_written: bool, tmp_path: Path) -> None:
    graph = example.graph(resolution="32")
    initialise(graph, 0)
    back = imported(onnx_model(graph, as_written=as_written).data, tmp_path)
    (value,) = graph.inputs
    x = np.random.default_rng(3).standard_normal(value.type.shape).astype(np.float32)
    (expected,), (found,) = run(graph, {value.name: x}).values(), run(back, {"input": x}).values()
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    assert moves_after_fuse(back) == []


# Each draws a model with the input x [1,8,6,6] and returns its outputs.


def clip_of_inputs(d: Drawing) -> str:
    six, zero = d.constant(6.0, np.float32), d.constant(0.0, np.float32)
    return d.op("Clip", d.op("Clip", d.conv("x", 8, 8), zero, six), "", six)


def bounds_by_min_and_max(d: Drawing) -> str:
    bound = d.constant(0.5, np.float32)
    return d.op("Min", d.op("Max", "x", d.constant(0.0, np.float32)), bound)


def relu_and_others(d: Drawing) -> tuple[str, ...]:
    return d.op("LeakyRelu", "x", alpha=0.2), d.op("Sigmoid", d.op("Relu", "x")), d.op("Relu", "x")


def grouped(d: Drawing) -> str:
    return d.conv(d.conv("x", 8, 4, 3, group=2), 8, 1, 3, group=8)


def several_filters_a_channel(d: Drawing) -> str:
    return d.conv("x", 24, 1, 3, group=8, pads=[1] * 4)


def dilated(d: Drawing) -> str:
    return d.conv("x", 4, 8, 3, dilations=[2, 2], pads=[2, 2, 2, 2])


def same_upper(d: Drawing) -> str:
    return d.conv("x", 4, 8, 3, auto_pad="SAME_UPPER", strides=[2, 2])


def same_lower(d: Drawing) -> str:
    return d.conv("x", 4, 8, 3, auto_pad="SAME_LOWER", strides=[2, 2])


def uneven_pads(d: Drawing) -> str:
    return d.conv("x", 4, 8, 3, pads=[0, 1, 2, 0], strides=[2, 1])


def pools(d: Drawing) -> tuple[str, ...]:
    window: dict[str, Any] = {"kernel_shape": [3, 3], "strides": [2, 2]}
    return (
        d.op("MaxPool", "x", **window, ceil_mode=1),
        d.op("AveragePool", "x", **window, ceil_mode=1),
        d.op("AveragePool", "x", **window, pads=[1, 1, 1, 1], count_include_pad=1),
        d.op("AveragePool", "x", **window, pads=[0, 1, 1, 0]),
        d.op("MaxPool", "x", kernel_shape=[2, 3], auto_pad="SAME_UPPER"),
    )


def pool_that_starts_in_the_padding(d: Drawing) -> str:
    return d.op("MaxPool", "x", kernel_shape=[1, 1], strides=[5, 5], ceil_mode=1, pads=[0, 0, 0, 0])


def whole_map(d: Drawing) -> tuple[str, ...]:
    mean = d.op("ReduceMean", "x", d.constant([2, 3]), keepdims=0)
    kept = d.op("ReduceMean", "x", d.constant([-1, -2]))
    window = d.op("AveragePool", "x", kernel_shape=[6, 6])
    return d.op("GlobalAveragePool", "x"), mean, kept, window


def head(d: Drawing) -> str:
    """Pool, a 1x1 convolution of it, Flatten, Gemm, Softmax."""
    x = d.conv(d.op("GlobalAveragePool", "x"), 12, 8)
    x = d.op("Flatten", d.op("Dropout", d.op("Relu", x)), axis=1)
    return d.op("Softmax", d.op("Gemm", x, d.weight(5, 12), d.weight(5), transB=1), axis=-1)


def gemm_with_factors(d: Drawing) -> str:
    x = d.op("Flatten", "x")
    return d.op("Gemm", x, d.weight(288, 5), d.weight(1, 5), alpha=0.5, beta=2.0)


def flattened(d: Drawing) -> str:
    x = d.op("Reshape", d.conv("x", 4, 8, 3), d.constant([1, -1]))
    return d.op("Add", d.op("MatMul", x, d.weight(64, 5)), d.weight(5))


def shuffled(d: Drawing) -> str:
    x = d.op("Reshape", d.conv("x", 12, 8), d.constant([1, 3, 4, 6, 6]))
    x = d.op("Transpose", x, perm=[0, 2, 1, 3, 4])
    return d.conv(d.op("Reshape", x, d.constant([0, -1, 6, 6])), 9, 4, group=3)


def shuffled_over_pixels(d: Drawing) -> str:
    x = d.op("Reshape", d.conv("x", 12, 8), d.constant([1, 2, 6, 36]))
    x = d.op("Transpose", x, perm=[0, 2, 1, 3])
    return d.conv(d.op("Reshape", x, d.constant([1, 12, 6, 6])), 8, 3, group=4)


def shuffled_and_halved(d: Drawing) -> str:
    """Megvii's: [n*c/2, 2, h*w], Transpose, and the two halves by Gather."""
    x = d.op("Reshape", d.conv("x", 12, 8), d.constant([6, 2, 36]))
    x = d.op("Reshape", d.op("Transpose", x, perm=[1, 0, 2]), d.constant([2, -1, 6, 6, 6]))
    even, odd = (d.op("Gather", x, d.constant(i), axis=0) for i in (0, 1))
    return d.conv(d.op("Concat", d.conv(even, 4, 6, 3), d.conv(odd, 4, 6, 3), axis=1), 5, 8)


def interleaved(d: Drawing) -> str:
    """stack and reshape."""
    a, b = d.conv("x", 4, 8), d.conv("x", 4, 8)
    parts = [d.op("Unsqueeze", part, d.constant([2])) for part in (a, b)]
    x = d.op("Reshape", d.op("Concat", *parts, axis=2), d.constant([1, 8, 6, 6]))
    return d.conv(x, 4, 4, group=2)


def strided_channels(d: Drawing) -> str:
    bounds = [d.constant([value]) for value in (0, 9, 1, 2)]
    return d.conv(d.op("Slice", "x", *bounds), 4, 4)


def unit(d: Drawing) -> str:
    """A unit of ShuffleNetV2, split by Slice, shuffled at its end."""
    halves = [
        d.op("Slice", "x", *(d.constant([v]) for v in (start, start + 4, 1))) for start in (0, 4)
    ]
    x = d.op("Relu", d.conv(d.conv(halves[1], 4, 4), 4, 1, 3, group=4, pads=[1] * 4))
    x = d.op("Concat", halves[0], x, axis=1)
    x = d.op("Reshape", x, d.constant([1, 2, 4, 6, 6]))
    x = d.op("Reshape", d.op("Transpose", x, perm=[0, 2, 1, 3, 4]), d.constant([1, 8, 6, 6]))
    return d.conv(x, 4, 8)


def split(d: Drawing) -> str:
    first = d.op("Split", d.conv("x", 9, 8), d.constant([2, 3, 4]), axis=1, results=3)
    return d.op("Concat", f"{first}.2", first, f"{first}.1", axis=1)


def permuted_by_gather(d: Drawing) -> str:
    return d.conv(d.op("Gather", "x", d.constant([3, 1, 0, 2, 7, 6, 5, 4]), axis=1), 4, 8)


def padded(d: Drawing) -> str:
    return d.conv(d.op("Pad", "x", d.constant([0, 0, 1, 2, 0, 0, 1, 0])), 4, 8, 3)


def padded_pools(d: Drawing) -> tuple[str, ...]:
    pads = d.constant([0, 0, 1, 1, 0, 0, 1, 1])
    low = d.constant(-np.inf, np.float32)
    a = d.op("Pad", d.op("Relu", "x"), pads)
    b, c = (
        d.op("Pad", "x", pads, low),
        d.op("Pad", "x", d.constant([1] * 4), "", d.constant([2, 3])),
    )
    window: dict[str, Any] = {"kernel_shape": [3, 3]}
    return (
        d.op("MaxPool", a, **window),
        d.op("MaxPool", b, **window),
        d.op("AveragePool", c, **window),
    )


def residual(d: Drawing) -> str:
    """Also with a constant for each channel, and with batch norms before and after."""
    a = d.op("BatchNormalization", "x", *norm(d, 8), epsilon=1e-3)
    b = d.op("Mul", d.conv("x", 8, 8), d.weight(8, 1, 1))
    x = d.op("Add", a, d.op("Sub", b, d.weight(1, 8, 1, 1)))
    x = d.op("Div", x, d.constant(3.0, np.float32))
    return d.op("Sub", d.constant(1.0, np.float32), d.op("Sum", x, a, "x"))


def norm(d: Drawing, channels: int) -> list[str]:
    vectors = [d.weight(channels) for _ in range(3)]
    return [*vectors, d.constant(np.full(channels, 0.7), np.float32)]


def channels_last_inside(d: Drawing) -> str:
    """What tf2onnx leaves behind."""
    x = d.op("Transpose", "x", perm=[0, 2, 3, 1])
    x = d.op("Relu", d.op("Add", x, d.weight(8)))
    return d.conv(d.op("Transpose", x, perm=[0, 3, 1, 2]), 4, 8)


def computed_shape(d: Drawing) -> str:
    shape = d.op("Shape", "x")
    batch = d.op("Gather", shape, d.constant([0]), axis=0)
    wanted = d.op("Concat", batch, d.constant([-1]), axis=0)
    x = d.op("Reshape", d.op("GlobalAveragePool", "x"), wanted)
    return d.op("Gemm", x, d.weight(8, 3))


def weights_from_nodes(d: Drawing) -> str:
    """A weight that ConstantOfShape makes, and one that is transposed."""
    ones = d.op("ConstantOfShape", d.constant([4, 8, 1, 1]))
    x = d.op("Flatten", d.op("GlobalAveragePool", d.op("Conv", "x", ones)))
    return d.op("MatMul", x, d.op("Transpose", d.weight(3, 4)))


def spatial_softmax(d: Drawing) -> str:
    return d.op("Softmax", d.op("Reshape", "x", d.constant([1, 8, 36])), axis=2)


def channel_softmax(d: Drawing) -> str:
    return d.op("Softmax", "x", axis=1)


STILL: tuple[Draw, ...] = (
    *(clip_of_inputs, bounds_by_min_and_max, relu_and_others, grouped, dilated, same_upper),
    several_filters_a_channel,
    *(same_lower, uneven_pads, pools, pool_that_starts_in_the_padding, whole_map, head, shuffled),
    *(shuffled_over_pixels, interleaved, strided_channels, unit, split, permuted_by_gather),
    *(padded, padded_pools, residual, channels_last_inside, computed_shape, weights_from_nodes),
    *(channel_softmax, shuffled_and_halved),
    *SPATIAL,
    *FUNCTIONS,
)
"""Models in which no data have to move."""

MOVING: tuple[Draw, ...] = (gemm_with_factors, flattened, product_of_tensors, spatial_softmax)


@pytest.mark.parametrize("draw", STILL, ids=lambda draw: draw.__name__)
def test_agrees_and_moves_nothing(draw: Draw, tmp_path: Path) -> None:
    drawing = Drawing()
    outputs = draw(drawing)
    graph = agree(drawing, tmp_path, *([outputs] if isinstance(outputs, str) else outputs))
    assert not {"transpose", "reshape"} & {*ops(graph)}
    if draw is not split:  # whose outputs are those parts
        assert moves_after_fuse(graph) == []


@pytest.mark.parametrize("draw", MOVING, ids=lambda draw: draw.__name__)
def test_agrees(draw: Draw, tmp_path: Path) -> None:
    drawing = Drawing()
    outputs = draw(drawing)
    agree(drawing, tmp_path, *([outputs] if isinstance(outputs, str) else outputs))


def test_a_flattened_image_stays_as_it_is(tmp_path: Path) -> None:
    """The rows of the weight are permuted instead."""
    drawing = Drawing()
    graph = agree(drawing, tmp_path, flattened(drawing))
    assert ops(graph) == ["conv2d", "reshape", "dense", "add"]


def test_a_convolution_of_a_pooled_map_is_a_dense_layer(tmp_path: Path) -> None:
    drawing = Drawing()
    graph = agree(drawing, tmp_path, head(drawing))
    assert ops(graph) == ["global_avg_pool", "dense", "relu", "dense", "softmax"]


def test_a_shuffle_is_recognised(tmp_path: Path) -> None:
    for draw in (shuffled, shuffled_over_pixels, interleaved):
        drawing = Drawing()
        assert "channel_shuffle" in ops(agree(drawing, tmp_path, draw(drawing)))


@pytest.mark.parametrize("opset", [7, 9, 11, 12, 13, 17])
def test_old_opsets_are_raised(opset: int, tmp_path: Path) -> None:
    """Attributes that are inputs today, and the initialised inputs of old files."""
    d = Drawing(opset)
    if opset < 11:
        x = d.op("Clip", d.conv("x", 4, 8, 3), min=0.0, max=6.0)
    else:
        bounds = (d.constant(bound, np.float32) for bound in (0.0, 6.0))
        x = d.op("Clip", d.conv("x", 4, 8, 3), *bounds)
    x = d.op("ReduceMean", d.op("Dropout", x), axes=[2, 3], keepdims=0)
    if opset < 13:
        x = d.op("Squeeze", d.op("Unsqueeze", x, axes=[2]), axes=[2])
    agree(d, tmp_path, d.op("Softmax", d.op("Gemm", x, d.weight(4, 3), d.weight(3)), axis=1))


@pytest.mark.parametrize("opset", [20, 22, 25, 28])
def test_new_opsets(opset: int, tmp_path: Path) -> None:
    import onnxruntime  # its newest opset is older than onnx's

    d = Drawing(opset)
    x = d.op("Relu", d.conv("x", 4, 8, 3))
    x = d.op("ReduceMean", x, d.constant([2, 3]), keepdims=0)
    model = d.model(d.op("Gemm", x, d.weight(4, 3)), ir_version=10)
    assert ops(imported(model, tmp_path)) == ["conv2d", "relu", "global_avg_pool", "dense"]
    assert onnxruntime.__version__


def test_every_rule_has_a_model(tmp_path: Path) -> None:
    used = {"Squeeze", "Identity", "Cast", "Upsample"}  # below
    used |= {"ArgMax", "PRelu", "Scatter", *ACTIVATIONS}  # in other files
    for draw in (*STILL, *MOVING, *MOVES, *REDUCTIONS, *LOWERED):
        drawing = Drawing()
        draw(drawing)
        used |= {node.op_type for node in drawing.nodes}
    assert {*IMPORTERS} <= used
    d = Drawing()
    x = d.op("Squeeze", d.op("GlobalAveragePool", "x"), d.constant([2, 3]))
    agree(d, tmp_path, d.op("Cast", d.op("Identity", x), to=1))
    old = Drawing(9)
    agree(old, tmp_path, old.op("Upsample", "x", old.constant([1, 1, 2, 3], np.float32)))


def test_names_are_those_of_the_model(tmp_path: Path) -> None:
    d = Drawing()
    graph = agree(d, tmp_path, d.op("Relu", d.conv("x", 4, 8)))
    assert [value.name for value in graph.inputs] == ["x"]
    assert [result.name for node in graph.topo() for result in node.results] == ["conv0", "relu1"]
    assert [*graph.constants()] == ["c0", "c1"]
    assert graph.output_names == ("relu1",)


def test_symbolic_shapes_are_set(tmp_path: Path) -> None:
    d = Drawing(inputs={"x": ("batch", 8, "h", "w")})
    x = d.op("Reshape", d.conv("x", 4, 8), d.constant([0, 2, 2, -1]))
    graph = imported(d.model(d.op("Flatten", x)), tmp_path, {"x": (2, 8, 5, 7)})
    assert graph.inputs[0].type.shape == (2, 5, 7, 8)
    assert [view.type.shape for view in graph.outputs] == [(2, 140)]


def test_an_input_that_is_transposed_at_once_is_taken_in_that_order(tmp_path: Path) -> None:
    d = Drawing(inputs={"image": (1, 6, 7, 8)})
    x = d.op("Transpose", "image", perm=[0, 3, 1, 2])
    graph = agree(d, tmp_path, d.op("Transpose", d.conv(x, 4, 8, 3), perm=[0, 2, 3, 1]))
    assert ops(graph) == ["conv2d"]
    assert graph.inputs[0].type.shape == (1, 6, 7, 8)


def test_float16_is_widened(tmp_path: Path) -> None:
    import onnx

    d = Drawing()
    model = d.model(d.op("Relu", d.conv("x", 4, 8)))
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    notes: list[str] = []
    graph = imported(model, tmp_path, note=notes.append)
    assert {constant.array.dtype for constant in graph.constants().values()} == {np.dtype("f4")}
    assert notes == ["the model is in float16; mbc computes in float32"]
