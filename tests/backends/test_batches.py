"""Images of a batch have nothing to do with each other: whatever one holds, the others' answers are
bit for bit those that they have alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mbc.backends.llvm.backend import BUILDERS, builder_of
from mbc.backends.llvm.isa import isa_of
from mbc.backends.llvm.jit import JitNet
from mbc.backends.llvm.kernels.linear import plan_halved
from mbc.backends.llvm.lower import LoweredNet, lower
from mbc.ir.activations import RELU, RELU6
from mbc.ir.graph import Constant, Graph, Node, Operand
from mbc.ir.op import Op
from mbc.ir.views import ChannelMap, ChannelView, Value
from mbc.ops import (
    OPS,
    Add,
    AvgPool,
    BatchNorm,
    ChannelShuffle,
    Concat,
    Conv2d,
    Dense,
    Fused,
    GlobalAvgPool,
    LayerNorm,
    MaxPool,
    Reshape,
    Resize,
    Softmax,
    Split,
    Transpose,
    TransposedConv,
)
from mbc.ops.argmax import ArgMax
from mbc.ops.elementwise import ARITHMETIC, Activate
from mbc.ops.grid import ConcatAlong, DepthToSpace, Gather, Pad, Slice, SpaceToDepth
from mbc.ops.matmul import MatMul
from mbc.ops.reduce import REDUCTIONS
from mbc.ops.rows import InstanceNorm, L2Normalize, LogSoftmax, Lrn
from mbc.ops.unary import Abs, Exp, Log, Neg, Pow, Reciprocal, Sqrt
from mbc.runtime.pool import Pool
from mbc.targets.elements import CONVERSIONS
from mbc.targets.target import Target
from tests.backends.emulated import MACHINES, build, output_of
from tests.backends.gate_cases import averaged, scaled
from tests.backends.kernel_check import Net, host_target, host_targets, place_without_overlap
from tests.schedules import by_strassen

IMAGES, HEIGHT, WIDTH, CHANNELS = 3, 5, 6, 32
ONE = (1, 1, 1, 1)


class Families(Net):
    """A network with a layer of each kernel family, each an output."""

    def __init__(self, images: int) -> None:
        super().__init__()
        self.x = self.input(images, HEIGHT, WIDTH, CHANNELS)
        self.padded = self._add(Add(), self.x, self.x)

    def build(self) -> Graph:
        """The graph."""
        flat = self._add(Reshape((self.x.type.shape[0], HEIGHT * WIDTH * CHANNELS)), self.padded)
        mean = self._add(GlobalAvgPool(), self.padded)
        dense = self._add(Dense(), mean, self.constant(CHANNELS, 20))
        results = (*self._strassen(), *self._linear(), *self._windows(), *self._fused())
        return self.outputs(*results, *self._elements(), flat, dense, mean)

    def _strassen(self) -> Iterator[Value]:
        """In the arena and not, with an odd number of pixels, and dealt out by panels."""
        odd = self._add(MaxPool((1, 2), (1, 1)), self.padded)
        for x, n in ((self.x, 32), (odd, 64)):
            yield self._halved(Conv2d(act=RELU6), *self._weights(x, n))
        wide = self._halved(Conv2d(), *self._weights(self.padded, 640))
        yield self._halved(Conv2d(), *self._weights(self.padded, 640), wide)

    def _linear(self) -> Iterator[Value]:
        """Pointwise, grouped through a view, and larger filters."""
        yield self._add(Conv2d(act=RELU), *self._weights(self.padded, 20))
        view = ChannelView.of(self.padded).through(ChannelMap.shuffle(4, CHANNELS))
        yield self._add(Conv2d(groups=4), view, self.constant(1, 1, CHANNELS // 4, 24))
        yield self._add(Conv2d((2, 2), ONE), self.x, self.constant(3, 3, CHANNELS, 12))
        yield self._add(Conv2d((2, 2), ONE, groups=8), self.padded, self.constant(3, 3, 4, 16))
        up = TransposedConv((2, 2), ONE)
        yield self._add(up, self.padded, self.constant(4, 4, CHANNELS, 12))

    def _windows(self) -> Iterator[Value]:
        yield self._depthwise(self.padded)
        yield self._add(MaxPool((3, 3), (2, 2), ONE), self.x)
        yield self._add(AvgPool((3, 3), (1, 1), ONE), self.padded)
        yield self._add(Resize((7, 9)), self.padded)
        yield self._add(Resize((10, 3), "nearest"), self.x)

    def _fused(self) -> Iterator[Value]:
        """Bodies that stream rows: one depthwise layer, and two between pointwise ones."""
        yield self._chain("dw", "pw")
        yield self._chain("pw", "dw", "pw", "dw", "pw")
        map, means = averaged(self, self.padded, 3, 1, RELU).results
        gate = self._add(GlobalAvgPool(), means)
        yield from (means, scaled(self, map, gate, 20))

    def _elements(self) -> Iterator[Value]:
        first, second = self.graph.add(Split((12, 20)), [self.padded]).results
        joined = self._add(Concat(), second, first)
        shuffled = self._add(ChannelShuffle(4), joined)
        norm = [self.constant(CHANNELS) for _ in range(3)]
        normed = self._add(BatchNorm(), shuffled, *norm, self.positive(CHANNELS))
        for op in (Activate(RELU), Activate(RELU6), Softmax(), Transpose((0, 2, 1, 3))):
            yield self._add(op, normed)
        yield self._add(ConcatAlong(1), normed, self.x)
        for moved in (Slice(2, 1, 4), Pad((0, 1, 0, 2), (0, 0, 3, 0)), SpaceToDepth(1)):
            yield self._add(moved, normed)
        yield self._add(DepthToSpace(2), normed)
        vector = self._add(GlobalAvgPool(), self.x)
        for kind in ARITHMETIC:
            yield self._add(kind(), normed, vector)
        yield self._add(LayerNorm(), normed, *norm[:2])
        yield from self._tail(normed, norm)

    def _tail(self, x: Value, norm: list[Constant]) -> Iterator[Value]:
        """Ops of heads and of rarer networks."""
        for reduction in REDUCTIONS:
            yield self._add(reduction((2,)), x)
        yield self._add(ArgMax(2), x)
        functions = (Abs(), Neg(), Exp(), Log(), Sqrt(), Reciprocal(), Pow(3.0))
        for op in (*functions, LogSoftmax(), L2Normalize(), Lrn(4), Gather(1, (2, 0))):
            yield self._add(op, x)
        yield self._add(InstanceNorm(), x, *norm[:2])
        turned = self._add(Transpose((0, 1, 3, 2)), self.x)
        yield self._add(MatMul(), x, turned)

    def _chain(self, *kinds: str) -> Value:
        body = Graph("chain")
        last = body.add_input("x", self.padded.type)
        for kind in kinds:
            last = self._depthwise(last, body) if kind == "dw" else self._square(last, body)
        body.set_outputs([last])
        return self._add(Fused("chain", body), self.padded)

    def _square(self, x: Value, graph: Graph) -> Value:
        return _in(graph, Conv2d(), x, self.constant(1, 1, CHANNELS, CHANNELS))

    def _depthwise(self, x: Value, graph: Graph | None = None) -> Value:
        op = Conv2d((1, 1), ONE, groups=CHANNELS, act=RELU)
        return _in(graph or self.graph, op, x, self.constant(3, 3, 1, CHANNELS))

    def _weights(self, x: Value, n: int) -> list[Operand | Value]:
        return [x, self.constant(1, 1, CHANNELS, n), self.constant(n)]

    def _halved(self, op: Op, *operands: Operand | Value) -> Value:
        return by_strassen(self.graph.add(op, operands)).result

    def _add(self, op: Op, *operands: Operand | Value) -> Value:
        return _in(self.graph, op, *operands)


def _in(graph: Graph, op: Op, *operands: Operand | Value) -> Value:
    return graph.add(op, operands).result


def lowered(images: int, target: Target, name: str = "net") -> LoweredNet:
    """The network for so many images."""
    graph = Families(images).build()
    graph.name = name
    place_without_overlap(graph, target)
    return lower(graph, target)


PHOTOS = np.random.default_rng(3).standard_normal((IMAGES, HEIGHT, WIDTH, CHANNELS), np.float32)
SPOILT = 1  # the image in the middle, so that those on both sides are seen


def batches() -> dict[str, np.ndarray]:
    """The photos, and with one of them spoilt in several ways."""
    found = {"as they are": PHOTOS}
    for value in (np.nan, np.inf, -np.inf):
        found[f"all {value}"] = PHOTOS.copy()
        found[f"all {value}"][SPOILT] = value
    found["one nan"] = PHOTOS.copy()
    found["one nan"][SPOILT, 0, 1, 3] = np.nan
    found["bright"] = PHOTOS.copy()
    found["bright"][SPOILT] *= np.float32(1e6)
    return found


def mixed(alone: list[list[np.ndarray]], found: dict[str, list[np.ndarray]]) -> list[str]:
    """Which outputs of which images are not those of the image alone."""
    return [
        f"{how}: image {image}: output {number}"
        for how, outputs in found.items()
        for number, output in enumerate(outputs)
        for image in range(IMAGES)
        if image != SPOILT or how == "as they are"
        if output[image].tobytes() != alone[image][number].tobytes()
    ]


SSE = Target("x86_64", host_target().triple, "nehalem", "sse")
NATIVE = {**host_targets(), **({"sse": SSE} if host_target().isa == "avx2" else {})}


@pytest.mark.parametrize("isa", NATIVE)
def test_images_do_not_mix(isa: str) -> None:
    single, batch = lowered(1, NATIVE[isa]), lowered(IMAGES, NATIVE[isa])
    assert single.ir.count("_strassen_m") == batch.ir.count("_n3") > 0
    alone = [[*JitNet(single)({"x": photo[None]}).values()] for photo in PHOTOS]
    for threads in (None, 2, 3):
        net = JitNet(batch, Pool(threads) if threads else None)
        found = {how: [*net({"x": x}).values()] for how, x in batches().items()}
        assert mixed(alone, found) == []


@pytest.mark.parametrize("name", MACHINES)
def test_images_do_not_mix_on_other_machines(tmp_path: Path, name: str) -> None:
    machine, given = MACHINES[name], batches()
    single, batch = lowered(1, machine.target, "one"), lowered(IMAGES, machine.target, "three")
    runs = [single] * IMAGES + [batch] * len(given)
    program = build([single, batch], runs, tmp_path, machine)
    data = PHOTOS.tobytes() + b"".join(x.tobytes() for x in given.values())
    answers = output_of(program, machine, data)
    parts = np.split(answers, np.cumsum([sum(o.count for o in n.spec.outputs) for n in runs])[:-1])
    outputs = [_outputs(net, part) for net, part in zip(runs, parts, strict=True)]
    found = dict(zip(given, outputs[IMAGES:], strict=True))
    assert mixed(outputs[:IMAGES], found) == []


def _outputs(net: LoweredNet, answer: np.ndarray) -> list[np.ndarray]:
    ends = np.cumsum([output.count for output in net.spec.outputs])[:-1]
    shapes = [output.shape for output in net.spec.outputs]
    return [p.reshape(s) for p, s in zip(np.split(answer, ends), shapes, strict=True)]


def test_there_is_an_output_of_each_family() -> None:
    nodes: list[Node] = Families(IMAGES).build().topo()
    assert {type(node.op) for node in nodes} == set(OPS) - set(CONVERSIONS)
    several = {builder_of(node) for node in nodes if isinstance(node.op, Conv2d | Fused)}
    assert {builder_of(node) for node in nodes} == {*BUILDERS.values(), *several}
    assert len(several) == 6


@pytest.mark.parametrize("target", [*NATIVE.values(), *(m.target for m in MACHINES.values())])
def test_pairs_are_dealt_out_in_both_ways(target: Target) -> None:
    plans = [plan_halved(isa_of(target), node) for node in Families(IMAGES).build().topo()]
    assert {plan.half.by_panels for plan in plans if plan} == {False, True}
    assert {plan.overlaps for plan in plans if plan} == {False, True}
