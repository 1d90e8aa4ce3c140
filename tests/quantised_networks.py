"""Example networks on codes: the graph, and what the oracle computes of a seeded input.

`quantised(Example("mobilenet_v2"))` is that network at 64x64, kept for the next who asks. What
kernels compute of its `inputs` must equal its `outputs`, bit for bit but for softmax and islands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from mbc.driver.calibration import calibrate, prepared
from mbc.frontends.weights import initialise
from mbc.int8.quantisation import Quantisation
from mbc.interp import evaluate
from mbc.ir.graph import Graph, Node
from mbc.passes.quantising.rewrite import rewrite
from mbc.passmgr.passes import PassResult
from tests.example_networks import Example

SAMPLES = 4


@dataclass(frozen=True)
class Quantised:
    """A network on codes, as the pass `quantise` leaves it; later passes keep every bit."""

    real: Graph
    """The float network that was measured; its values have the same names."""
    graph: Graph
    quantisation: Quantisation
    inputs: Mapping[str, np.ndarray]
    """One of the samples."""
    values: Mapping[str, np.ndarray]
    """What the oracle computes of it: codes and floats of every value, by name."""
    outputs: Mapping[str, np.ndarray]

    def copy(self) -> Graph:
        """A copy, for passes to edit."""
        return self.graph.clone()


@cache
def quantised(
    example: Example,
    *,
    resolution: int = 64,
    seed: int = 0,
    weight_bits: int = 8,
    keep_float: frozenset[str] = frozenset(),
) -> Quantised:
    """Quantise an example with seeded weights by seeded samples."""
    graph = example.graph(resolution=str(resolution))
    initialise(graph, seed)
    return quantised_graph(graph, seed=seed, weight_bits=weight_bits, keep_float=keep_float)


def quantised_graph(
    graph: Graph,
    *,
    seed: int = 0,
    weight_bits: int = 8,
    keep_float: frozenset[str] = frozenset(),
    samples: int = SAMPLES,
) -> Quantised:
    """Quantise a float graph with data by seeded samples."""
    real = prepared(graph)
    images = [drawn(graph, seed + number) for number in range(samples)]
    found = calibrate(real, images, keep_float=keep_float, weight_bits=weight_bits)
    copy = real.clone()
    rewrite(copy, found, PassResult())
    values: dict[str, np.ndarray] = {}

    def see(node: Node, results: tuple[np.ndarray, ...]) -> None:
        values.update({v.name: array for v, array in zip(node.results, results, strict=True)})

    outputs = evaluate(copy, images[0], see)
    named = dict(zip(copy.output_names, outputs, strict=True))
    return Quantised(real, copy, found, images[0], values, named)


def drawn(graph: Graph, seed: int) -> dict[str, np.ndarray]:
    """Normally distributed inputs."""
    random = np.random.default_rng(seed)
    return {
        value.name: random.standard_normal(value.type.shape).astype(np.float32)
        for value in graph.inputs
    }


def signal_to_noise(found: np.ndarray, wanted: np.ndarray) -> float:
    """Signal to quantisation noise, in dB."""
    noise = np.sum((found.astype(np.float64) - wanted) ** 2)
    return float(10 * np.log10(np.sum(wanted.astype(np.float64) ** 2) / noise))


def cosine(found: np.ndarray, wanted: np.ndarray) -> float:
    """Cosine of the angle between two tensors."""
    a, b = found.astype(np.float64).ravel(), wanted.astype(np.float64).ravel()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))
