"""Transposed convolutions: pixel by pixel as the definition says, as onnxruntime has them, and as
PyTorch stores their weights."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mbc.frontends.onnx.export import export_onnx
from mbc.frontends.weights import initialise
from mbc.frontends.weights.moments import propagate, standard_normal
from mbc.frontends.weights.orders import targets
from mbc.interp import run
from mbc.ir.graph import Constant, Graph
from mbc.ir.op import OpError
from mbc.ir.types import TensorType
from mbc.ops import BatchNorm
from mbc.ops.transposed import TransposedConv, phases
from mbc.passes.fold_batch_norm import FoldBatchNorm
from mbc.passmgr.passes import PassContext
from tests.backends.spatial_cases import transposed_cases
from tests.fake_backend import FakeBackend
from tests.numeric.test_onnx_export import check
from tests.onnx_models import Drawing, agree

CASES = {name: make for name, make in transposed_cases() if name.endswith("-dense")}


@pytest.mark.parametrize("name", CASES)
def test_pixel_by_pixel(name: str) -> None:
    graph = CASES[name]()
    (node,) = graph.topo()
    op = node.op
    assert isinstance(op, TransposedConv)
    weight, bias = (c.array.astype(np.float64) for c in graph.constants().values())
    x = np.random.default_rng(0).standard_normal(graph.inputs[0].type.shape)
    wanted = np.broadcast_to(bias, node.result.type.shape).copy()
    each, outputs = x.shape[3] // op.groups, weight.shape[3] // op.groups
    for y, z, i, j in product(*map(range, (*x.shape[1:3], *weight.shape[:2]))):
        row, column = y * op.stride[0] + i - op.pad[0], z * op.stride[1] + j - op.pad[2]
        if not (0 <= row < wanted.shape[1] and 0 <= column < wanted.shape[2]):
            continue
        for g in range(op.groups):
            part = slice(g * outputs, (g + 1) * outputs)
            product_ = x[:, y, z, g * each : (g + 1) * each] @ weight[i, j, :, part]
            wanted[:, row, column, part] += product_
    wanted = wanted if op.act is None else np.clip(wanted, 0, 6)
    found = run(graph, {"x": x}, dtype=np.float64)["y"]
    np.testing.assert_allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_onnxruntime_computes_the_same(name: str) -> None:
    graph = CASES[name]()
    check(graph, export_onnx(graph).data, tolerance=1e-5)


@pytest.mark.parametrize(
    ("kernel", "stride", "before", "out"),
    [(2, 2, 0, 8), (3, 2, 1, 7), (4, 2, 5, 3), (7, 3, 2, 11), (3, 3, 4, 1), (5, 1, 2, 4)],
)
def test_phases_have_each_row_once(kernel: int, stride: int, before: int, out: int) -> None:
    found = dict[int, dict[int, int]]()
    for phase in phases(kernel, stride, before, out):
        for q in range(phase.start, phase.stop):
            taps = {tap: q - back for back, tap in enumerate(phase.taps)}
            assert found.setdefault(q * stride + phase.first, taps) is taps
    assert sorted(found) == list(range(out))
    for row, taps in found.items():
        assert taps == {
            tap: (row + before - tap) // stride
            for tap in range(kernel)
            if (row + before - tap) % stride == 0
        }


def graph_of(op: TransposedConv, weight: tuple[int, ...], *, norm: bool = False) -> Graph:
    """On an input of 5x6, with weights to draw."""
    graph, depth = Graph("g"), weight[2] * op.groups
    x = graph.add_input("x", TensorType((2, 5, 6, depth)))
    result = graph.add(op, [x, Constant("up.weight", TensorType(weight))]).result
    if norm:
        names = ("gamma", "beta", "mean", "variance")
        vectors = [Constant(f"bn.{name}", TensorType(weight[3:])) for name in names]
        result = graph.add(BatchNorm(), [result, *vectors]).result
    graph.set_outputs([result])
    return graph


def test_seeded_weights_keep_the_size_of_signals() -> None:
    for kernel, stride in ((2, 2), (4, 2), (3, 1)):
        graph = graph_of(TransposedConv((stride, stride)), (kernel, kernel, 32, 48))
        initialise(graph, 0)
        (found,) = propagate(graph, [standard_normal(graph.inputs[0].type)], lambda *_: None)
        x = np.random.default_rng(1).standard_normal((2, 5, 6, 32), np.float32)
        inside = run(graph, {"x": x})["y"][:, 3:-3, 3:-3]
        assert 0.3 < inside.std() < 3
        np.testing.assert_allclose(np.sqrt(found.variance.mean()), inside.std(), rtol=0.2)


def test_a_batch_norm_folds_into_it() -> None:
    graph = graph_of(TransposedConv((2, 2), groups=2), (3, 3, 4, 6), norm=True)
    initialise(graph, 0)
    x = np.random.default_rng(1).standard_normal((2, 5, 6, 8), np.float32)
    before = run(graph, {"x": x})["y"]
    result = FoldBatchNorm().run(graph, PassContext(FakeBackend()))
    assert result.changed
    assert [node.op.mnemonic for node in graph.topo()] == ["transposed_conv"]
    np.testing.assert_allclose(run(graph, {"x": x})["y"], before, atol=1e-5)


@pytest.mark.parametrize("groups", [1, 2])
def test_weights_of_pytorch_are_iohw(groups: int) -> None:
    graph = graph_of(TransposedConv((2, 2), groups=groups), (2, 3, 6 // groups, 8))
    target = targets(graph)["up.weight"]
    theirs = np.arange(6 * 8 // groups * 2 * 3).reshape(6, 8 // groups, 2, 3)
    assert target.orders(theirs.shape) == ("pytorch",)
    assert target.orders((2, 3, 6 // groups, 8)) == ("mbc",)
    assert target.change(4, "pytorch") == "IOHW to HWIO"
    ours = target.arranged(theirs, "pytorch")
    for i, o, y, x in np.ndindex(theirs.shape):
        group, within = divmod(i, 6 // groups)
        assert ours[y, x, within, group * (8 // groups) + o] == theirs[i, o, y, x]


@pytest.mark.parametrize(
    ("op", "weight", "code", "message"),
    [
        (TransposedConv((3, 1)), (2, 2, 4, 4), "E0201", "a kernel 2x2 is smaller than its stride"),
        (TransposedConv((0, 1)), (2, 2, 4, 4), "E0201", "a stride must be positive, found"),
        (TransposedConv(pad=(-1, 0, 0, 0)), (2, 2, 4, 4), "E0201", "padding must not be negative"),
        (TransposedConv((2, 2), more=(2, 0)), (2, 2, 4, 4), "E0201", "are not fewer than the str"),
        (TransposedConv(pad=(3, 3, 0, 0)), (2, 2, 4, 4), "E0205", "the result would be empty: 0x7"),
        (TransposedConv(), (2, 2, 3, 4), "E0203", "weight does not match its input"),
        (TransposedConv(groups=3), (2, 2, 4, 4), "E0204", "groups do not divide the channels"),
        (TransposedConv((2**21, 1)), (2**21, 1, 4, 4), "E0206", "a number above 1,048,576"),
    ],
    ids=lambda each: str(each)[:30],
)
def test_mistakes(op: TransposedConv, weight: tuple[int, ...], code: str, message: str) -> None:
    with pytest.raises(OpError, match=message) as caught:
        op.infer([TensorType((1, 5, 6, 4)), TensorType(weight)])
    assert caught.value.code == code


def test_what_has_taps_of_zero_when_it_is_imported(tmp_path: Path) -> None:
    d = Drawing()
    ways: tuple[dict[str, Any], ...] = (
        {"dilations": [2, 3], "pads": [1, 0, 0, 1]},
        {"strides": [3, 1], "pads": [0, 1, 1, 0]},
        {"strides": [4, 3], "output_padding": [2, 1], "group": 2},
    )
    agree(d, tmp_path, *(d.op("ConvTranspose", "x", d.weight(8, 4, 2, 2), **way) for way in ways))


def test_multiply_adds_are_counted_by_the_input() -> None:
    op, types = (
        TransposedConv((2, 2), groups=2),
        [TensorType((2, 5, 6, 8)), TensorType((3, 3, 4, 6))],
    )
    assert op.macs(types) == 2 * 5 * 6 * 9 * 4 * 6
