"""A compiled network in this process, as a callable."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from mbc.diag import error
from mbc.driver.producers.producer import Compiled
from mbc.driver.request import Observer
from mbc.runtime.abi import interface_of
from mbc.runtime.engine import Engine
from mbc.runtime.pool import Team
from mbc.runtime.tensors import dense_inputs

ALONE = Team()


class CompiledNet:
    """A compiled network: `y = net(x)`.

    Weights and working memory are set up once. Several Python threads may call at the same time:
    each call has working memory of its own, kept for later ones, and Python's lock is let go of
    meanwhile; on several threads, or by TVM, one call waits for the other. Tensors are dense
    float32 (or what the text of the network says), indices int32, images NHWC.
    """

    def __init__(self, compiled: Compiled, engine: Engine) -> None:
        self.name = compiled.source.net
        self.macs = compiled.source.totals.macs
        self.inputs, self.outputs = interface_of(compiled.graph)
        self._engine = engine

    def __call__(
        self, *inputs: ArrayLike, **named: ArrayLike
    ) -> np.ndarray | dict[str, np.ndarray]:
        """Compute the output, or a dict of them if there are several. Inputs in order, or by name;
        each of exactly the declared shape (MbcError E0710)."""
        names = [spec.name for spec in self.inputs]
        if len(inputs) > len(names):
            raise error("E0710", f"the network has {len(names)} inputs, not {len(inputs)}")
        results = self.run(dict(zip(names, inputs, strict=False)) | named)
        return next(iter(results.values())) if len(results) == 1 else results

    def run(self, inputs: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
        """Compute the outputs by name, for inputs by name."""
        return self._engine(dense_inputs(self.inputs, inputs))

    def __repr__(self) -> str:
        sides = (
            ", ".join(f"{s.name}{list(s.shape)}" for s in side)
            for side in (self.inputs, self.outputs)
        )
        return f"<mbc network {self.name}: {' -> '.join(sides)}>"


def make_net(compiled: Compiled, observer: Observer, team: Team = ALONE) -> CompiledNet:
    """Lower a network and load it, to compute on these threads."""
    return CompiledNet(compiled, compiled.producer.engine(compiled, team, observer))
