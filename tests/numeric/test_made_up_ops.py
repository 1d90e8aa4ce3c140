"""Ops that no pass has heard of, with a third and a fourth constant for each channel, and one for
all of them: passes that permute or select channels learn from specs what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from mbc.interp import run
from mbc.interp.kernels import KERNELS, Results, conv2d
from mbc.interp.products import activate
from mbc.ir.activations import RELU
from mbc.ir.graph import Constant, Graph, Operand
from mbc.ir.op import Op, OperandSpec
from mbc.ir.types import TensorType
from mbc.ir.verify import verify
from mbc.ir.views import ChannelView, Value
from mbc.ops import Add, BatchNorm, ChannelShuffle, Concat, Conv2d, Dense, GlobalAvgPool, Split
from mbc.passes.eliminate_concat import EliminateConcat
from mbc.passes.eliminate_split import EliminateSplit
from mbc.passes.fold_batch_norm import FoldBatchNorm
from mbc.passes.fuse_residual_add import FuseResidualAdd
from mbc.passes.pipelines import O2
from mbc.passes.remap_channel_shuffle import RemapChannelShuffle
from mbc.passmgr.instruments import Verify
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import Pass, PassContext
from tests.exact import exact_inputs
from tests.fake_backend import FakeBackend

BARE = FakeBackend(views=False)


@dataclass(frozen=True)
class Requantised(Conv2d):
    """(conv2d(x) + bias) * factor + offset, times a scale of the whole, then the residual."""

    mnemonic: ClassVar[str] = "requantised"
    operands: ClassVar[tuple[OperandSpec, ...]] = (
        *(spec for spec in Conv2d.operands if spec.name not in ("multiplier", "slope")),
        OperandSpec("factor", constant=True, along="out"),
        OperandSpec("offset", optional=True, constant=True, along="out"),
        OperandSpec("scale", optional=True, constant=True),
    )


@dataclass(frozen=True)
class Piecewise(Op):
    """Four constants a channel, where any of them in the wrong place shows."""

    mnemonic: ClassVar[str] = "piecewise"
    elementwise: ClassVar[bool] = True
    per_channel: ClassVar[bool] = True
    per_pixel: ClassVar[bool] = True
    operands: ClassVar[tuple[OperandSpec, ...]] = (
        OperandSpec("x", along="out"),
        *(OperandSpec(f"w{i}", constant=True, along="out") for i in range(4)),
    )

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        x = self.by_role(types)["x"]
        assert x is not None
        return (x,)


def requantised(
    op: Requantised,
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    residual: np.ndarray | None,
    factor: np.ndarray,
    offset: np.ndarray | float = 0.0,
    scale: np.ndarray | float = 1.0,
) -> Results:
    plain = Conv2d(op.stride, op.pad, op.dilation, op.groups)
    y = conv2d(plain, x, weight, bias)[0] * factor + offset
    y = y * (np.float32(1) if isinstance(scale, float) else scale[0])
    return (activate(y if residual is None else y + residual, op.act),)


def piecewise(op: Piecewise, x: np.ndarray, *w: np.ndarray) -> Results:
    return (np.where(x > w[0], x * w[1], x * w[2]) + w[3],)


@pytest.fixture(autouse=True)
def _evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KERNELS, Requantised, requantised)
    monkeypatch.setitem(KERNELS, Piecewise, piecewise)


class Net:
    """A graph under construction; each constant has other numbers."""

    def __init__(self) -> None:
        self.graph = Graph("g")
        self.random = np.random.default_rng(0)

    def input(self, channels: int) -> Value:
        name = f"x{len(self.graph.inputs)}"
        return self.graph.add_input(name, TensorType((1, 4, 4, channels)))

    def constant(self, name: str, *shape: int) -> Constant:
        data = self.random.integers(-4, 5, shape)
        return Constant.of(f"{name}_{len(self.graph.topo())}", data)

    def add(self, op: Op, *operands: Operand | Value | None) -> Value:
        return self.graph.add(op, operands).result

    def requantised(
        self, x: Value, outputs: int, groups: int = 1, residual: Value | None = None
    ) -> Value:
        each = x.type.channels // groups
        held = None if residual is None else ChannelView.of(residual)
        vectors = [self.constant(name, outputs) for name in ("bias", "factor", "offset")]
        bias, *more = vectors
        weight = self.constant("weight", 1, 1, each, outputs)
        op = Requantised(groups=groups, act=RELU)
        return self.add(op, x, weight, bias, held, *more, self.constant("scale", 1))

    def piecewise(self, x: Value) -> Value:
        vectors = (self.constant(f"w{i}", x.type.channels) for i in range(4))
        return self.add(Piecewise(), x, *vectors)

    def done(self, *outputs: Value) -> Graph:
        self.graph.set_outputs(outputs)
        verify(self.graph)
        return self.graph


def checked(graph: Graph, pass_: Pass, backend: FakeBackend) -> dict[str, Constant]:
    """Run the pass, which must do something and keep the answer; the constants after it."""
    inputs = exact_inputs(graph)
    before = run(graph, inputs)
    assert all(np.ptp(y) for y in before.values())
    assert pass_.run(graph, PassContext(backend)).changed
    verify(graph)
    for name, y in run(graph, inputs).items():
        np.testing.assert_array_equal(y, before[name])
    return graph.constants()


def changed(constants: dict[str, Constant], suffix: str) -> set[str]:
    """What the constants are, of which the pass has made others."""
    return {name.rpartition("_")[0] for name in constants if suffix in name}


VECTORS = {"bias", "factor", "offset"}
"""Of a requantised layer."""


def test_a_shuffle_goes_through_a_depthwise_layer() -> None:
    net = Net()
    x = net.requantised(net.add(ChannelShuffle(3), net.input(12)), 12, groups=12)
    graph = net.done(net.add(Conv2d(), x, net.constant("w", 1, 1, 12, 5)))
    constants = checked(graph, RemapChannelShuffle(), FakeBackend())
    assert changed(constants, ".permuted") == {*VECTORS, "weight", "w"}


def test_a_shuffle_goes_through_an_elementwise_op_and_into_a_layer() -> None:
    net = Net()
    x = net.piecewise(net.add(ChannelShuffle(4), net.input(12)))
    graph = net.done(net.requantised(x, 7))
    constants = checked(graph, RemapChannelShuffle(), FakeBackend())
    assert changed(constants, ".permuted") == {"weight", "w0", "w1", "w2", "w3"}


def test_a_layer_stores_its_channels_as_its_reader_wants_them() -> None:
    """The output cannot read through a view, so what makes the shuffle's operand is permuted."""
    net = Net()
    x = net.requantised(net.input(4), 12)
    graph = net.done(net.add(ChannelShuffle(3), x))
    constants = checked(graph, RemapChannelShuffle(), BARE)
    assert changed(constants, ".permuted") == {*VECTORS, "weight"}


def test_a_layer_follows_the_order_of_its_residual() -> None:
    net = Net()
    y = net.add(ChannelShuffle(2), net.input(8))
    x = net.requantised(net.input(5), 8, residual=y)
    pooled = net.add(GlobalAvgPool(), x)
    graph = net.done(net.add(Dense(), pooled, net.constant("w", 8, 3)))
    constants = checked(graph, RemapChannelShuffle(), BARE)
    assert changed(constants, ".permuted") == {*VECTORS, "weight", "w"}


def test_groups_move_with_all_their_constants() -> None:
    net = Net()
    x = net.requantised(net.add(ChannelShuffle(4), net.input(8)), 12, groups=4)
    graph = net.done(
        net.add(ChannelShuffle(3), net.add(Conv2d(), x, net.constant("w", 1, 1, 12, 6)))
    )
    checked(graph, RemapChannelShuffle(), FakeBackend())


def test_each_part_of_a_concatenation_has_its_share() -> None:
    net = Net()
    joined = net.add(Concat(), net.input(4), net.input(8))
    x = net.requantised(net.add(ChannelShuffle(3), joined), 12, groups=12)
    graph = net.done(x)
    constants = checked(graph, EliminateConcat(), BARE)
    assert changed(constants, ".part") == {*VECTORS, "weight"}
    parts = [node for node in graph.topo() if isinstance(node.op, Requantised)]
    assert sorted(node.result.type.channels for node in parts) == [4, 8]
    assert all(node["scale"] is parts[0]["scale"] for node in parts)


def test_an_elementwise_op_moves_into_the_parts_of_a_concatenation() -> None:
    net = Net()
    joined = net.add(Concat(), net.input(4), net.input(8))
    graph = net.done(net.piecewise(net.add(ChannelShuffle(3), joined)))
    constants = checked(graph, EliminateConcat(), FakeBackend())
    assert changed(constants, ".part") == {"w0", "w1", "w2", "w3"}


def test_layers_read_the_parts_of_a_split() -> None:
    net = Net()
    split = net.graph.add(Split((4, 8)), [net.add(ChannelShuffle(2), net.input(12))])
    _, second = split.results
    graph = net.done(net.requantised(second, 8, groups=8))
    checked(graph, EliminateSplit(), FakeBackend())
    checked(graph, RemapChannelShuffle(), FakeBackend())


def test_a_residual_is_added_beside_the_other_operands() -> None:
    net = Net()
    x, factor = net.input(6), net.constant("factor", 6)
    weight, bias = net.constant("weight", 1, 1, 6, 6), net.constant("bias", 6)
    y = net.add(Requantised(), x, weight, bias, None, factor)
    graph = net.done(net.add(Add(), y, x))
    checked(graph, FuseResidualAdd(), FakeBackend())
    (node,) = graph.topo()
    assert node["factor"] is factor
    assert node["residual"] == ChannelView.of(x)


def test_a_batch_norm_stays_behind_an_operand_that_it_does_not_know() -> None:
    net = Net()
    x = net.requantised(net.input(5), 8)
    norm = [net.constant(name, 8) for name in ("gamma", "beta", "mean")]
    graph = net.done(net.add(BatchNorm(), x, *norm, Constant.of("variance", np.ones(8))))
    node = graph.topo()[0]
    graph.replace(node, Requantised(), node.operands)
    result = FoldBatchNorm().run(graph, PassContext(FakeBackend()))
    assert not result.changed
    (remark,) = result.remarks
    assert remark.message.endswith("which has an operand 'factor'")


def test_a_unit_of_such_layers_loses_its_moves() -> None:
    """ShuffleNetV2's unit, through all passes of -O2."""
    net = Net()
    split = net.graph.add(Split((6, 6)), [net.input(12)])
    kept, x = split.results
    x = net.requantised(net.requantised(x, 6), 6, groups=6)
    joined = net.add(Concat(), kept, net.requantised(net.piecewise(x), 6))
    mixed = net.requantised(net.add(ChannelShuffle(2), joined), 12, groups=12)
    pooled = net.add(GlobalAvgPool(), mixed)
    graph = net.done(net.add(Dense(), pooled, net.constant("w", 12, 3)))
    inputs = exact_inputs(graph)
    before = run(graph, inputs)
    run_pipeline(graph, O2, PassContext(FakeBackend()), [Verify()])
    assert not any(node.op.moves_data_only for node in graph.topo())
    for name, y in run(graph, inputs).items():
        np.testing.assert_array_equal(y, before[name])
