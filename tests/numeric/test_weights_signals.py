"""Drawn weights keep every layer's output within 0.3 … 3 standard deviations, in all examples."""

import time
from pathlib import Path

import numpy as np
import pytest

from mbc.frontends.dsl import load_network
from mbc.frontends.weights import initialise
from mbc.interp import evaluate
from mbc.ir.graph import Graph, Node
from mbc.ops.elementwise import Add, BatchNorm
from mbc.ops.linear import Conv2d, Dense
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool
from tests.everyday import part_of

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MEASURED = (Conv2d, Dense, BatchNorm, Add, MaxPool, AvgPool, GlobalAvgPool)

CONFIGURATIONS = [
    *(("mobilenet_v1", {"alpha": alpha}) for alpha in (1.0, 0.75, 0.5, 0.25)),
    *(("mobilenet_v2", {"alpha": alpha}) for alpha in (1.4, 1.3, 1.0, 0.75, 0.5, 0.35)),
    *(("shufflenet_v1", {"groups": groups}) for groups in (1, 2, 3, 4, 8)),
    *(("shufflenet_v1", {"scale": scale}) for scale in (2.0, 1.5, 0.5, 0.25)),
    *(("shufflenet_v2", {"scale": scale}) for scale in (0.5, 1.0, 1.5, 2.0)),
]
FULL_SIZE = [
    ("mobilenet_v1", {"alpha": 0.25}),
    ("mobilenet_v2", {"alpha": 0.35}),
    ("shufflenet_v1", {"scale": 0.25}),
    ("shufflenet_v2", {"scale": 0.5}),
]


def deviations(graph: Graph) -> dict[str, float]:
    """Standard deviation of each measured layer's output on standard normal input."""
    found: dict[str, float] = {}

    def note(node: Node, results: tuple[np.ndarray, ...]) -> None:
        if isinstance(node.op, MEASURED):
            found[f"{len(found)} {node.op.label}"] = float(results[0].std())

    shape = graph.inputs[0].type.shape
    image = np.random.default_rng(1).standard_normal(shape, dtype=np.float32)
    evaluate(graph, {"input": image}, note)
    return found


def check(name: str, params: dict[str, float], seed: int) -> None:
    graph = load_network(EXAMPLES / f"{name}.py").trace({**params, "softmax": False})
    initialise(graph, seed)
    found = deviations(graph)
    assert {layer: s for layer, s in found.items() if not 0.3 <= s <= 3} == {}
    logits = list(found.values())[-1]
    assert 0.5 <= logits <= 1.5


@pytest.mark.parametrize(
    ("name", "params"),
    part_of(
        CONFIGURATIONS,
        lambda *configuration: CONFIGURATIONS.index(configuration) % 2 == 0,
        lambda name, params: f"{name}-{params}",
    ),
)
def test_small_images(name: str, params: dict[str, float]) -> None:
    check(name, {**params, "resolution": 64}, seed=0)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("name", "params"), FULL_SIZE, ids=str)
def test_other_seeds(name: str, params: dict[str, float], seed: int) -> None:
    check(name, {**params, "resolution": 96}, seed)


@pytest.mark.parametrize(("name", "params"), FULL_SIZE, ids=str)
def test_full_size(name: str, params: dict[str, float]) -> None:
    check(name, params, seed=0)


def test_the_output_depends_on_the_image() -> None:
    graph = load_network(EXAMPLES / "mobilenet_v1.py").trace(
        {"alpha": 0.25, "resolution": 64, "softmax": False}
    )
    initialise(graph)
    images = np.random.default_rng(1).standard_normal((2, 1, 64, 64, 3), dtype=np.float32)
    first, second = (evaluate(graph, {"input": image})[0] for image in images)
    assert np.std(first - second) > 0.05 * np.std(first)


def test_initialisation_is_quick() -> None:
    graph = load_network(EXAMPLES / "mobilenet_v1.py").trace()
    begin = time.process_time()
    initialise(graph)
    assert time.process_time() - begin < 1.0  # 0.1 s on an idle core
