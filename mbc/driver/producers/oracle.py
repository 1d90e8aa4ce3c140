"""Networks that numpy evaluates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from mbc.driver.producers.llvm import LlvmProducer
from mbc.driver.producers.producer import Compiled
from mbc.driver.request import Observer
from mbc.interp import run as run_oracle
from mbc.ir.graph import Graph
from mbc.records import dataclass
from mbc.runtime.engine import Engine
from mbc.runtime.pool import Team

NO_KERNELS = "--threads and --cpus are for kernels; the oracle has none"


@dataclass(frozen=True)
class OracleProducer(LlvmProducer):
    """Evaluates the graph that LLVM's kernels would run, after any stage."""

    refused: ClassVar[Mapping[str, str]] = {"--threads": NO_KERNELS, "--cpus": NO_KERNELS}

    def engine(self, compiled: Compiled, team: Team, observer: Observer) -> Engine:
        """Return the oracle."""
        return Oracle(compiled.graph)


class Oracle(Engine):
    """A graph in numpy."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Compute the outputs by name, for inputs by name."""
        return run_oracle(self._graph, inputs)
