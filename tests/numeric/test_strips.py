"""The oracle evaluates large tensors in strips, to the same numbers, and holds few of them."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from mbc.interp import evaluate, run, strips
from mbc.interp.kernels import KERNELS
from mbc.ir.activations import RELU, RELU6
from mbc.ir.graph import Constant, Graph
from mbc.ir.op import Op
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView, Value
from mbc.ops.elementwise import Activate, Add, BatchNorm, Softmax
from mbc.ops.fused import Fused
from mbc.ops.linear import Conv2d
from mbc.ops.move import Reshape
from mbc.ops.pool import AvgPool, MaxPool
from mbc.runtime import reference

Array = np.ndarray

WINDOWS: list[tuple[str, Op, tuple[int, ...], tuple[int, ...]]] = [
    ("pointwise", Conv2d(), (2, 5, 3, 4), (1, 1, 4, 3)),
    ("same", Conv2d(pad=(1, 1, 1, 1)), (1, 6, 5, 3), (3, 3, 3, 2)),
    ("strided", Conv2d(stride=(2, 1), pad=(0, 1, 0, 1)), (2, 7, 4, 2), (3, 2, 2, 5)),
    ("stride beyond the window", Conv2d(stride=(4, 3)), (1, 11, 8, 2), (2, 2, 2, 3)),
    ("dilated", Conv2d(dilation=(3, 2), pad=(4, 2, 1, 2)), (1, 6, 5, 2), (3, 2, 2, 3)),
    ("padding above the window", Conv2d(pad=(7, 0, 0, 0)), (1, 3, 4, 2), (2, 3, 2, 3)),
    ("padding below the window", Conv2d(pad=(0, 8, 5, 4)), (2, 3, 4, 2), (2, 3, 2, 3)),
    ("padding alone", Conv2d(stride=(3, 1), pad=(9, 9, 0, 0)), (1, 1, 3, 1), (2, 2, 1, 1)),
    ("groups", Conv2d(groups=2, pad=(1, 1, 1, 1), act=RELU6), (1, 5, 4, 6), (3, 3, 3, 4)),
    ("depthwise", Conv2d(groups=4, stride=(2, 2), pad=(1, 2, 2, 1)), (2, 6, 5, 4), (3, 3, 1, 8)),
    ("max pool", MaxPool((3, 2), (2, 1), (2, 1, 1, 0)), (2, 8, 5, 3), ()),
    ("average", AvgPool((3, 3), (2, 2), (1, 2, 1, 1)), (2, 7, 6, 2), ()),
    ("average with padding", AvgPool((2, 3), (1, 2), (1, 1, 0, 2), True), (1, 5, 6, 3), ()),
]


def integers(*shape: int, seed: int = 0) -> Array:
    """Small ones, whose sums are exact in any order."""
    return np.random.default_rng([seed, *shape]).integers(-8, 9, shape).astype(np.float32)


@pytest.fixture(params=[1, 200], ids=["one row", "some rows"])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strips for tensors of tests."""
    monkeypatch.setattr(strips, "STRIP_BYTES", request.param)
    monkeypatch.setattr(strips, "BLOCK", 1)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("extras", [False, True], ids=["plain", "bias and residual"])
@pytest.mark.parametrize(
    ("op", "shape", "filters"), [case[1:] for case in WINDOWS], ids=[case[0] for case in WINDOWS]
)
def test_windows(op: Op, shape: tuple[int, ...], filters: tuple[int, ...], extras: bool) -> None:
    operands: list[Array | None] = [integers(*shape)]
    if filters:
        operands.append(integers(*filters, seed=1))
        (result,) = op.infer([TensorType(shape), TensorType(filters)])
        if extras:
            operands += [integers(filters[3], seed=2), integers(*result.shape, seed=3)]
    (expected,) = KERNELS[type(op)](op, *operands)
    (found,) = strips.compute(op, operands)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 4, 5), (1, 1, 7, 3), (9, 1, 1, 2), (4,)])
def test_elements(shape: tuple[int, ...]) -> None:
    """In double, so that the sums of a softmax are in the order of the layout."""
    x, y = integers(*shape) / 7, integers(*shape, seed=1) / 3
    norm = [np.abs(integers(shape[-1], seed=seed)) + 1 for seed in range(4)]
    cases: list[tuple[Op, list[Array]]] = [
        (Add(RELU), [x, y]), (Activate(RELU), [x]), (Activate(RELU6), [x]), (Softmax(), [x]),
        (BatchNorm(), [x, *norm]),
    ]  # fmt: skip
    for op, operands in cases:
        (expected,) = KERNELS[type(op)](op, *operands)
        (found,) = strips.compute(op, operands)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("small")
def test_the_layout_in_memory_is_kept() -> None:
    """For sums over it are made in its order."""
    x = integers(4, 5, 6).transpose(2, 0, 1)
    (expected,), (found,) = KERNELS[Softmax](Softmax(), x), strips.compute(Softmax(), [x])
    assert found.strides == expected.strides
    np.testing.assert_array_equal(found, expected)


BITS = """
import numpy as np
from mbc.interp import strips
from mbc.interp.kernels import KERNELS
from mbc.ops.linear import Conv2d
rng = np.random.default_rng(0)
for shape, filters, op in [
    ((1, 90, 161, 16), (1, 1, 16, 96), Conv2d()),
    ((1, 61, 97, 24), (3, 3, 12, 34), Conv2d(pad=(1, 1, 1, 1), groups=2)),
]:
    x, w = (rng.standard_normal(s, np.float32) for s in (shape, filters))
    strips.STRIP_BYTES = 2**18
    (found,), (whole,) = strips.compute(op, [x, w]), KERNELS[Conv2d](op, x, w)
    assert found.tobytes() == whole.tobytes(), np.count_nonzero(found != whole)
"""


def test_strips_have_the_bits_of_the_whole() -> None:
    """On one thread, as the command line has it: BLAS deals blocks out to several."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", BITS], env=environment, check=True)


# ---- what is held --------------------------------------------------------------------------------


def chain(x: Value, graph: Graph, channels: int) -> Value:
    """Ten layers, each with a result of x's size."""
    for number in range(2):
        for op, data in (
            (Conv2d(pad=(1, 1, 1, 1), groups=channels), integers(3, 3, 1, channels)),
            (Conv2d(), integers(1, 1, channels, channels)),
        ):
            weight = Constant(f"w{number}.{op.groups}", TensorType(data.shape), data)
            x = graph.add(op, [ChannelView.of(x), weight]).result
        for plain in (Activate(RELU), MaxPool((3, 3), (1, 1), (1, 1, 1, 1)), Softmax()):
            x = graph.add(plain, [ChannelView.of(x)]).result
    return x


def peak(graph: Graph, x: Array) -> int:
    """Bytes that an evaluation takes beside its input, at most."""
    tracemalloc.start()
    try:
        evaluate(graph, {"x": x})
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("fused", [False, True])
def test_a_long_network_needs_two_tensors(fused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "STRIP_BYTES", 2**14)
    monkeypatch.setattr("mbc.ir.subnormals.PIECE", 2**12)
    shape = (1, 96, 80, 16)  # 480 KiB
    graph = body = Graph("long")
    start = graph.add_input("x", TensorType(shape))
    if fused:
        body = Graph("body")
        inner = body.add_input("x", TensorType(shape))
        body.set_outputs([ChannelView.of(chain(inner, body, shape[3]))])
        graph.set_outputs(graph.add(Fused("rows", body), [ChannelView.of(start)]).results)
    else:
        graph.set_outputs([ChannelView.of(chain(start, body, shape[3]))])
    x = integers(*shape)
    assert 2 * x.nbytes <= peak(graph, x) <= 2.5 * x.nbytes


def test_what_is_read_later_is_kept_and_inputs_stay() -> None:
    graph = Graph("kept")
    x = graph.add_input("x", TensorType((1, 2, 3, 4)))
    (early,) = graph.add(Activate(RELU), [ChannelView.of(x)]).results
    (flat,) = graph.add(Reshape((1, 24)), [ChannelView.of(x)]).results
    late = graph.add(Activate(RELU6), [ChannelView.of(early)]).result
    graph.add(Softmax(), [ChannelView.of(late)])  # nobody reads it
    graph.set_outputs([ChannelView.of(v) for v in (early, flat, x)], ["early", "flat", "x"])
    data = integers(1, 2, 3, 4)
    before = data.copy()
    found = run(graph, {"x": data})
    for array in found.values():
        array[...] = 9
    np.testing.assert_array_equal(data, before)


def test_seeded_inputs_are_drawn_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = reference.uniform(1000, 3)
    assert whole[:3].tolist() == pytest.approx(FIRST, abs=1e-7)
    monkeypatch.setattr(reference, "CHUNK", 7)
    assert reference.uniform(1000, 3).tobytes() == whole.tobytes()


FIRST = [-0.06282473, 0.46079886, -0.86800301]
