"""Random networks in the manner of MobileNet and ShuffleNet: layers that passes look for, in chains
with branches. Whatever fires, in any order, the answer stays."""

import random
from collections import Counter

import numpy as np
import pytest

from mbc.interp.run import run
from mbc.ir.activations import RELU, RELU6
from mbc.ir.graph import Constant, Graph
from mbc.ir.text.printer import print_graph
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelMap, ChannelView, Value
from mbc.ops.elementwise import Activate, Add, BatchNorm, Div, Mul, Sub
from mbc.ops.grid import Pad
from mbc.ops.linear import Conv2d, Dense
from mbc.ops.move import ChannelShuffle, Concat, Reshape, Split, Transpose
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool
from mbc.passes.pipelines import PASSES
from mbc.passes.quantise import Quantise
from mbc.passmgr.instruments import Verify
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import Pass, PassContext
from mbc.passmgr.pipeline import single_stage
from tests.fake_backend import FakeBackend

NETWORKS = 50
LAYERS = (
    *("pointwise", "depthwise", "conv", "batch_norm", "relu", "relu6", "add", "pool"),
    *("shuffle", "written_shuffle", "concat", "branch", "view"),
    *("split", "inverted_residual"),
    *("padded", "gated", "affine", "affine", "universal_bottleneck", "depthwise_mean"),
    *("pointwise", "batch_norm", "shuffle", "split"),  # once more, for they are likelier
)


class Builder:
    """Grows a network of 12 channels from a seed."""

    def __init__(self, seed: int) -> None:
        self.random, self.numpy = random.Random(seed), np.random.default_rng(seed)
        self.graph = Graph("random")
        self.x = ChannelView.of(self.graph.add_input("x", TensorType((1, 4, 5, 12))))
        self.values = [self.x.value]
        self.constants = 0

    def build(self) -> Graph:
        for _ in range(self.random.randint(3, 14)):
            getattr(self, self.random.choice(LAYERS))()
        outputs: list[Value] = [self.values[-1]]
        if self.random.random() < 0.3:
            outputs.append(self.random.choice(self.values[1:-1] or outputs))
        if self.random.random() < 0.5:
            pooled = self.graph.add(GlobalAvgPool(), [outputs[0]]).result
            outputs[0] = self.graph.add(Dense(), [pooled, self.constant(12, 5)]).result
        self.graph.set_outputs(dict.fromkeys(outputs))
        return self.graph

    def constant(self, *shape: int) -> Constant:
        self.constants += 1
        return Constant.of(f"c{self.constants}", self.numpy.integers(1, 4, shape) / 4)

    def put(self, *args: object) -> None:
        op, *operands = args
        node = self.graph.add(op, operands)  # type: ignore[arg-type]
        self.x = ChannelView.of(node.result)
        self.values.append(node.result)

    def pointwise(self) -> None:
        groups = self.random.choice([1, 2, 3])
        bias = self.constant(12) if self.random.random() < 0.5 else None
        self.put(Conv2d(groups=groups), self.x, self.constant(1, 1, 12 // groups, 12), bias)

    def depthwise(self) -> None:
        self.put(Conv2d(pad=(1, 1, 1, 1), groups=12), self.x, self.constant(3, 3, 1, 12))

    def conv(self) -> None:
        self.put(Conv2d(pad=(1, 0, 1, 0)), self.x, self.constant(2, 2, 12, 12))

    def batch_norm(self) -> None:
        self.put(BatchNorm(), self.x, *(self.constant(12) for _ in range(4)))

    def affine(self) -> None:
        """After a layer, or before the next one."""
        op = self.random.choice([Add, Sub, Mul, Div])
        self.put(op(), self.x, self.constant(self.random.choice([1, 12])))

    def relu(self) -> None:
        self.put(Activate(RELU), self.x)

    def relu6(self) -> None:
        self.put(Activate(RELU6), self.x)

    def add(self) -> None:
        self.put(Add(), *self.random.sample([self.x, self.random.choice(self.values)], 2))

    def shuffle(self) -> None:
        self.put(ChannelShuffle(self.random.choice([1, 2, 3, 4, 6])), self.x)

    def written_shuffle(self) -> None:
        groups = self.random.choice([2, 3, 4])
        self.put(Reshape((1, 4, 5, groups, 12 // groups)), self.x)
        self.put(Transpose((0, 1, 2, 4, 3)), self.x)
        self.put(Reshape((1, 4, 5, 12)), self.x)
        del self.values[-3:-1]  # nobody else reads them: they have other shapes

    def pool(self) -> None:
        op = self.random.choice([MaxPool, AvgPool])
        self.put(op((3, 3), (1, 1), (1, 1, 1, 1)), self.x)

    def concat(self) -> None:
        other = ChannelView.of(self.random.choice(self.values))
        self.put(Concat(), self.x.slice(0, 6), other.slice(3, 6))

    def split(self) -> None:
        """Half of the channels are worked on, as in ShuffleNetV2."""
        kept, worked = self.graph.add(Split((6, 6)), [self.x]).results
        self.put(Conv2d(), worked, self.constant(1, 1, 6, 6))
        self.put(Concat(), kept, self.values.pop())

    def inverted_residual(self) -> None:
        x = self.x
        self.put(Conv2d(), x, self.constant(1, 1, 12, 12))
        self.depthwise()
        self.put(Conv2d(), self.x, self.constant(1, 1, 12, 12))
        self.put(Add(), x, self.x)

    def padded(self) -> None:
        before = self.graph.add(Pad((0, 1, 1, 0), (0, 0, 0, 0)), [self.x]).result
        self.put(Conv2d(), before, self.constant(2, 2, 12, 12))

    def gated(self) -> None:
        """Squeeze-and-excitation, but for its activations."""
        mean = self.graph.add(GlobalAvgPool(), [self.x]).result
        gate = self.graph.add(Dense(), [mean, self.constant(12, 12)]).result
        self.put(Mul(), self.x, gate)
        self.pointwise()

    def universal_bottleneck(self) -> None:
        self.depthwise()
        self.put(Conv2d(), self.x, self.constant(1, 1, 12, 24))
        self.put(Conv2d(pad=(1, 1, 1, 1), groups=24), self.x, self.constant(3, 3, 1, 24))
        self.put(Conv2d(), self.x, self.constant(1, 1, 24, 12))
        del self.values[-3:-1]  # twice as wide

    def depthwise_mean(self) -> None:
        self.depthwise()
        self.gated()

    def branch(self) -> None:
        self.x = ChannelView.of(self.random.choice(self.values))

    def view(self) -> None:
        order = list(range(12))
        self.random.shuffle(order)
        self.x = self.x.through(ChannelMap(tuple(order)))


def answer(graph: Graph) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    inputs = {v.name: rng.integers(-3, 4, v.type.shape) for v in graph.inputs}
    return run(graph, inputs, dtype=np.float64)


ALONE = [step for step in PASSES if step is not Quantise]
"""Passes that need nothing but a network."""


def shuffled_passes(seed: int) -> list[type[Pass]]:
    """The order of the pipeline, or any."""
    rng = random.Random(seed)
    return [*ALONE] if rng.random() < 0.5 else rng.sample(ALONE, len(ALONE))


def fired(seed: int) -> Counter[str]:
    """Run all passes over one network, each twice; count those that changed something."""
    graph, rng = Builder(seed).build(), random.Random(seed)
    views, alias = rng.random() < 0.7, rng.random() < 0.7
    backend = FakeBackend(views=views, alias=alias, fused=0.85, longer=0.95)  # beats Strassen's
    context = PassContext(backend)
    changes: Counter[str] = Counter()
    before = answer(graph)
    for pass_class in shuffled_passes(seed):
        (record,) = run_pipeline(graph, single_stage([pass_class()]), context, [Verify()])
        changes[pass_class.name] += record.result.changed
        for name, y in answer(graph).items():
            np.testing.assert_allclose(y, before[name], rtol=1e-5, atol=1e-6 * np.abs(y).max())
        text = print_graph(graph)
        (again,) = run_pipeline(graph, single_stage([pass_class()]), context)
        assert (again.result.changed, print_graph(graph)) == (False, text), pass_class.name
    return changes


def test_random_networks_keep_their_answers(fuzz: bool) -> None:
    total: Counter[str] = Counter()
    networks = 20 * NETWORKS if fuzz else NETWORKS
    for seed in range(networks):
        try:
            total += fired(seed)
        except Exception as problem:
            problem.add_note(f"in the network of seed {seed}")
            raise
    idle = [p.name for p in ALONE if total[p.name] < networks // 20]
    assert not idle, f"the networks give too little to do to {idle}: {total}"


@pytest.mark.parametrize("seed", [0, 1])
def test_a_seed_gives_one_network(seed: int) -> None:
    assert print_graph(Builder(seed).build()) == print_graph(Builder(seed).build())
