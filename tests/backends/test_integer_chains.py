"""Fused chains of codes against the oracle, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.llvm.lower import lower
from mbc.interp import run
from mbc.ir.activations import RELU
from mbc.ir.graph import Graph
from mbc.ir.types import TensorType
from mbc.ir.views import Value
from mbc.ops import AvgPool, Conv2d, Dequantize, Fused, MaxPool, Quantize
from mbc.passes.pipelines import LEVELS, with_fuse_mode
from mbc.passmgr.instruments import CheckPasses, Verify
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext
from mbc.targets.target import Target
from tests.backends.cases import ONE
from tests.backends.emulated import build, output_of
from tests.backends.integer_cases import GIVEN, MADE, OTHER, Net
from tests.backends.test_integer_kernels import OTHERS, TARGETS, check_placed, inputs_of

Layers = Callable[[Net, Value], Value]
EVEN = (0, 1, 0, 1)


def pointwise(net: Net, x: Value, n: int, groups: int = 1) -> Value:
    return net.conv(x, Conv2d(groups=groups, act=RELU, to=MADE), (1, 1), n)


def depthwise(net: Net, x: Value, stride: int = 1) -> Value:
    pad = ONE if stride == 1 else EVEN
    op = Conv2d(stride=(stride, stride), pad=pad, groups=x.type.channels, act=RELU, to=OTHER)
    return net.conv(x, op, (3, 3), x.type.channels)


def separable(net: Net, x: Value) -> Value:
    return pointwise(net, depthwise(net, x), 20)


def inverted(net: Net, x: Value) -> Value:
    wide = depthwise(net, pointwise(net, x, 40))
    return net.residual(wide, x, Conv2d(to=GIVEN), x.type.channels)


def strided(net: Net, x: Value) -> Value:
    return pointwise(net, depthwise(net, pointwise(net, x, 24), 2), 11)


def stem(net: Net, x: Value) -> Value:
    op = Conv2d(stride=(2, 2), pad=EVEN, act=RELU, to=MADE)
    return pointwise(net, depthwise(net, net.conv(x, op, (3, 3), 16)), 24)


def pooled(net: Net, x: Value) -> Value:
    largest = net.graph.add(MaxPool((3, 3), (2, 2), EVEN), [pointwise(net, x, 16)]).result
    mean = net.graph.add(AvgPool((2, 2), (1, 1), EVEN, to=OTHER), [largest]).result
    return pointwise(net, mean, 9)


def grouped(net: Net, x: Value) -> Value:
    return pointwise(net, depthwise(net, pointwise(net, x, 24, groups=4)), 12, groups=3)


CHAINS: dict[str, Layers] = {
    layers.__name__: layers for layers in (separable, inverted, strided, stem, pooled, grouped)
}


def fused(layers: Layers, target: Target, images: int = 2) -> tuple[Graph, Graph]:
    """The network with floats around it, and the same with its chains as one kernel each."""
    net = Net()
    real = net.graph.add_input("x", TensorType((images, 12, 10, 8)))
    result = layers(net, net.graph.add(Quantize(to=GIVEN), [real]).result)
    net.graph.set_outputs([net.graph.add(Dequantize(), [result]).result])
    graph = net.graph.clone()
    pipeline = with_fuse_mode(LEVELS[2], "always")
    context = PassContext(LlvmBackend(target))
    run_pipeline(graph, pipeline, context, [Verify(), CheckPasses()])
    return net.graph, graph


@pytest.mark.parametrize("isa", TARGETS)
@pytest.mark.parametrize("name", CHAINS)
def test_chains_equal_the_oracle(name: str, isa: str) -> None:
    before, after = fused(CHAINS[name], TARGETS[isa])
    assert any(isinstance(node.op, Fused) for node in after.topo())
    check_placed(after, run(before, inputs_of(before)), TARGETS[isa])


@pytest.mark.parametrize("name", ["dotprod", "armv7"])
def test_others_equal_the_oracle(tmp_path: Path, name: str) -> None:
    machine = OTHERS[name]
    pairs = [fused(layers, machine.target, images=1) for layers in CHAINS.values()]
    for number, (_, graph) in enumerate(pairs):
        graph.name = f"case{number}"
    nets = [lower(graph, machine.target) for _, graph in pairs]
    given = [inputs_of(graph) for graph, _ in pairs]
    data = b"".join(array.tobytes() for inputs in given for array in inputs.values())
    results = output_of(build(nets, nets, tmp_path, machine), machine, data)
    wanted = [run(graph, inputs) for (graph, _), inputs in zip(pairs, given, strict=True)]
    whole = np.concatenate([array.ravel() for each in wanted for array in each.values()])
    np.testing.assert_array_equal(results, whole)
