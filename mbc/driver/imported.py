"""Networks that are imported in this process, from objects of other frameworks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mbc.driver.optimise import save
from mbc.driver.request import Request
from mbc.frontends.options import Layout
from mbc.ir.graph import Graph
from mbc.ir.verify import verify
from mbc.records import dataclass
from mbc.runtime.names import net_identifier


@dataclass(frozen=True, eq=False)
class Imported:
    """A network with its weights, for `mbc.compile`, or to be saved for `mbc compile`."""

    graph: Graph

    @property
    def request(self) -> Request:
        """The request to compile it."""
        return Request(Path(f"{self.graph.name}.mbc"), graph=self.graph)

    def save(self, path: str | Path) -> None:
        """Write IR text, a `.mbc` file, with constants.safetensors beside it; E0702."""
        save(self.graph, Path(path))


def from_torch(
    module: Any,
    inputs: Sequence[Any],
    kwargs: Mapping[str, Any],
    name: str,
    input_layout: Layout,
) -> Imported:
    """Import a module of PyTorch, or a program of torch.export."""
    from mbc.frontends.torch import import_module  # takes time to import

    graph = import_module(module, inputs, kwargs, net_identifier(name), input_layout)
    verify(graph)
    return Imported(graph)
