"""One of the many ways in which a network may be compiled and run, as a line of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from hypothesis import strategies as st

from mbc.driver.platforms import resolve
from mbc.ir.graph import Constant, Graph
from mbc.passes.pipelines import GOALS, FuseMode, Goal, with_fuse_mode
from mbc.passmgr.passes import Pipeline
from mbc.targets.target import Target
from tests.exact import bind_exact, constants_by_role, exact_inputs
from tests.schedules import DrawSchedules

NUMBERS = ("level", "threads", "seed", "schedules")
Numbers = Literal["exact", "random", "special"]
SPECIAL = np.array([np.nan, np.inf, -np.inf], np.float32)


@dataclass(frozen=True)
class Configuration:
    """What `mbc compile` is asked for, and the numbers that the network computes with: `exact` are
    small integers, `random` are any, `special` too, but the first image has some that are none or
    infinite."""

    level: int = 2
    optimize: Goal = "speed"
    fuse: FuseMode = "auto"
    threads: int = 1
    target: str = "native"
    numbers: Numbers = "exact"
    seed: int = 0
    schedules: int = 0
    """The seed by which schedules are drawn; 0: they are those that the backend chooses."""

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in asdict(self).items())

    @staticmethod
    def parse(text: str) -> Configuration:
        """From what `str` gives; what is left out is as by default."""
        given = dict(word.split("=", 1) for word in text.split())
        numbers = {name: int(given.pop(name)) for name in NUMBERS if name in given}
        values: dict[str, Any] = {**given, **numbers}
        return Configuration(**values)

    @property
    def pipeline(self) -> Pipeline:
        """The passes."""
        chosen = with_fuse_mode(GOALS[self.optimize][self.level], self.fuse)
        *stages, plan = chosen.stages
        first, *others = plan.passes
        drawn = (first, DrawSchedules(self.schedules), *others)
        return Pipeline((*stages, replace(plan, passes=drawn)))

    def resolved(self) -> Target:
        """The target."""
        return resolve(self.target)

    def bind(self, graph: Graph) -> None:
        """Give the constants of a network data."""
        if self.numbers == "exact":
            bind_exact(graph, self.seed)
        else:
            bind_random(graph, self.seed)

    def inputs(self, graph: Graph) -> dict[str, np.ndarray]:
        """Data for its inputs."""
        if self.numbers == "exact":
            return exact_inputs(graph, self.seed)
        rng = np.random.default_rng(self.seed)
        inputs = {value.name: _images(rng, value.type.shape) for value in graph.inputs}
        if self.numbers == "special":
            for array in inputs.values():
                _spoil(rng, array[0])
        return inputs


def configurations(targets: Sequence[str], threads: int = 4) -> st.SearchStrategy[Configuration]:
    """Any for one of some targets."""
    any_level = {"optimize": st.just("speed"), "level": st.integers(0, 2)}
    fused = {
        "optimize": st.just("speed"),
        "fuse": st.sampled_from(["auto", "always", "always", "never"]),
    }
    memory = {"optimize": st.just("memory")}
    common = {
        "threads": st.integers(1, threads),
        "target": st.sampled_from(targets),
        "numbers": st.sampled_from(["exact", "exact", "random", "random", "special"]),
        "seed": st.integers(0, 9),
        "schedules": st.sampled_from([0, 1, 2, 3]),
    }
    ways: list[dict[str, Any]] = [any_level, fused, memory]
    return st.one_of([st.builds(Configuration, **common, **way) for way in ways])


def native_targets() -> list[str]:
    """All that this machine runs."""
    best = resolve("native")
    if best.family != "x86_64":
        return ["native"]
    more = ["x86_64-v4"] if best.isa == "avx512" else []
    return ["native", "x86_64-v2", "x86_64", *more]


def bind_random(graph: Graph, seed: int) -> None:
    """Weights such that signals keep their size, variances around 1, and any other constants."""
    rng = np.random.default_rng(seed)
    for role, constant in constants_by_role(graph):
        if constant.data is None:
            data = _data(role, constant.type.shape, rng)
            constant.data = Constant.of(constant.name, data).data


def _data(role: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if role == "variance":
        return rng.uniform(0.5, 2.0, shape)
    scale = float(np.prod(shape[:-1])) ** -0.5 if role == "weight" else 1.0
    return scale * rng.standard_normal(shape)


def _images(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Images of one batch whose scales differ by much, so that it shows if one of them comes into
    another."""
    scales = np.exp2(rng.integers(-12, 13, (shape[0], *[1] * (len(shape) - 1))))
    return (scales * rng.standard_normal(shape)).astype(np.float32)


def _spoil(rng: np.random.Generator, image: np.ndarray) -> None:
    """Up to two special elements, in place."""
    for number in rng.choice(SPECIAL, rng.integers(3)):
        image.flat[rng.integers(image.size)] = number
