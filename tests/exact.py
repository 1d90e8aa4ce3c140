"""Weights and inputs of few small integers: float sums come out exact in any order, so that what
only moves channels can be compared bit for bit, through a whole network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from mbc.ir.graph import Constant, Graph
from mbc.ops.elementwise import BatchNorm


def bind_exact(graph: Graph, seed: int = 0, *, unit: int = 1, taps: int = 2) -> None:
    """Give every constant of a graph data. Each output channel sums `taps` inputs, times 1 or -1;
    what is added is a multiple of `unit`; batch norms divide by exactly 1."""
    rng = np.random.default_rng(seed)
    for node in graph.topo():
        if isinstance(node.op, BatchNorm):
            node.op = replace(node.op, epsilon=0.0)
    for role, constant in constants_by_role(graph):
        if constant.data is None:
            data = _data(role, constant.type.shape, rng, unit, taps)
            constant.data = Constant.of(constant.name, data).data


def exact_inputs(graph: Graph, seed: int = 0, *, unit: int = 1) -> dict[str, np.ndarray]:
    """Integers from -3 to 3, times `unit`."""
    rng = np.random.default_rng(seed)
    return {v.name: unit * rng.integers(-3, 4, v.type.shape).astype("f4") for v in graph.inputs}


def constants_by_role(graph: Graph) -> Iterator[tuple[str, Constant]]:
    """The constants, as often as they are read, with what they are there."""
    for node in graph.topo():
        for role, operand in node.items():
            if isinstance(operand, Constant):
                yield role, operand


def _data(
    role: str, shape: tuple[int, ...], rng: np.random.Generator, unit: int, taps: int
) -> np.ndarray:
    match role:
        case "weight":
            return _sparse(shape, rng, taps)
        case "gamma":
            return rng.choice([-1.0, 1.0], shape)
        case "variance":
            return np.ones(shape)
        case _:
            return unit * rng.integers(-2, 3, shape).astype("f4")


def _sparse(shape: tuple[int, ...], rng: np.random.Generator, taps: int) -> np.ndarray:
    """A weight of which each output, the last axis, has that many elements that are not 0."""
    *inputs, outputs = shape
    count = int(np.prod(inputs))
    weight = np.zeros((count, outputs), np.float32)
    for output in range(outputs):
        chosen = rng.choice(count, min(taps, count), replace=False)
        weight[chosen, output] = rng.choice([-1.0, 1.0], len(chosen))
    return weight.reshape(shape)
