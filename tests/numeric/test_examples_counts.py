"""The examples have exactly the multiply-adds and parameters that the papers give."""

from functools import cache
from pathlib import Path

import pytest

from mbc.frontends.dsl import load_network
from mbc.ir.graph import Constant, Graph
from mbc.ops.cost import learned_params, node_cost, total_cost
from mbc.ops.linear import Conv2d, Dense, is_depthwise, is_pointwise

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

MOBILENET_V1 = {  # alpha: (multiply-adds at 224, 192, 160, 128; parameters)
    1.0: ((568_740_352, 418_121_728, 290_675_200, 186_400_768), 4_231_976),
    0.75: ((325_400_448, 239_273_472, 166_396_800, 106_770_432), 2_585_560),
    0.5: ((149_497_088, 109_970_432, 76_524_800, 49_160_192), 1_331_592),
    0.25: ((41_030_272, 30_212_608, 21_059_200, 13_570_048), 470_072),
}
MOBILENET_V2 = {  # alpha: (millions of multiply-adds, rounded down; parameters without batch norm)
    1.4: ({224: 582}, 6.06),
    1.3: ({224: 509}, 5.34),
    1.0: ({224: 300, 192: 221, 160: 154, 128: 99, 96: 56}, 3.47),
    0.75: ({224: 209, 192: 153, 160: 107, 128: 69, 96: 39}, 2.61),
    0.5: ({224: 97, 192: 71, 160: 50, 128: 32, 96: 18}, 1.95),
    0.35: ({224: 59, 192: 43, 160: 30, 128: 20, 96: 11}, 1.66),
}
SHUFFLENET_V1 = {  # groups: (millions of multiply-adds without the dense layer, the paper's)
    1: (142.503, 143),
    2: (140.037, 140),
    3: (136.501, 137),
    4: (133.252, 133),
    8: (136.830, 137),
}
SHUFFLENET_V1_SCALED = {2.0: 524.05, 1.5: 292.44, 0.5: 37.59, 0.25: 13.30}  # groups=3, all layers
SHUFFLENET_V2 = {  # scale: (parameters, millions of multiply-adds)
    0.5: (1_366_792, 40.5),
    1.0: (2_278_604, 144.9),
    1.5: (3_503_624, 295.8),
    2.0: (7_393_996, 583.3),
}


@cache
def traced(name: str, **params: float) -> Graph:
    return load_network(EXAMPLES / f"{name}.py").trace(params)


def macs(graph: Graph) -> int:
    return total_cost(graph).macs


def params_without_batch_norm(graph: Graph) -> int:
    linear = (node for node in graph.topo() if isinstance(node.op, Conv2d | Dense))
    return sum(node_cost(node).params for node in linear)


@pytest.mark.parametrize("alpha", MOBILENET_V1)
def test_mobilenet_v1(alpha: float) -> None:
    wanted_macs, wanted_params = MOBILENET_V1[alpha]
    for resolution, wanted in zip((224, 192, 160, 128), wanted_macs, strict=True):
        graph = traced("mobilenet_v1", alpha=alpha, resolution=resolution)
        assert macs(graph) == wanted, resolution
        assert learned_params(graph) == wanted_params


def kind(op: Conv2d | Dense, weight: Constant) -> str:
    if isinstance(op, Dense):
        return "dense"
    if is_pointwise(op, weight.type):
        return "pointwise"
    return "depthwise" if is_depthwise(op, weight.type) else "conv"


def test_shares_of_mobilenet_v1() -> None:
    graph = traced("mobilenet_v1")
    shares = dict.fromkeys(("pointwise", "depthwise", "conv", "dense"), 0)
    for node in graph.topo():
        weight = node.constant("weight")
        if isinstance(node.op, Conv2d | Dense) and weight:
            shares[kind(node.op, weight)] += node_cost(node).macs
    percent = {kind: round(100 * share / macs(graph), 2) for kind, share in shares.items()}
    assert percent == {"pointwise": 94.86, "depthwise": 3.06, "conv": 1.91, "dense": 0.18}


@pytest.mark.parametrize("alpha", MOBILENET_V2)
def test_mobilenet_v2(alpha: float) -> None:
    wanted_macs, wanted_params = MOBILENET_V2[alpha]
    for resolution, wanted in wanted_macs.items():
        graph = traced("mobilenet_v2", alpha=alpha, resolution=resolution)
        assert macs(graph) // 1_000_000 == wanted, resolution
        assert round(params_without_batch_norm(graph) / 1e6, 2) == wanted_params


def test_mobilenet_v2_to_the_last_digit() -> None:
    graph = traced("mobilenet_v2")
    assert macs(graph) == 300_774_272
    assert learned_params(graph) == 3_504_872


@pytest.mark.parametrize("groups", SHUFFLENET_V1)
def test_shufflenet_v1_by_groups(groups: int) -> None:
    graph = traced("shufflenet_v1", groups=groups)
    (dense,) = (node for node in graph.topo() if isinstance(node.op, Dense))
    without_dense = (macs(graph) - node_cost(dense).macs) / 1e6
    wanted, paper = SHUFFLENET_V1[groups]
    assert round(without_dense, 3) == wanted
    assert round(without_dense) == paper


@pytest.mark.parametrize("scale", SHUFFLENET_V1_SCALED)
def test_shufflenet_v1_by_scale(scale: float) -> None:
    assert round(macs(traced("shufflenet_v1", scale=scale)) / 1e6, 2) == SHUFFLENET_V1_SCALED[scale]


@pytest.mark.parametrize("scale", SHUFFLENET_V2)
def test_shufflenet_v2(scale: float) -> None:
    params, wanted = SHUFFLENET_V2[scale]
    graph = traced("shufflenet_v2", scale=scale)
    assert learned_params(graph) == params
    assert round(macs(graph) / 1e6, 1) == wanted
