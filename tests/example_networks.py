"""The networks of the papers as the examples give them, in every width that we make claims of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mbc.frontends.dsl import load_network
from mbc.ir.graph import Graph

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@dataclass(frozen=True)
class Example:
    """A file of examples/, and parameters as `-D` takes them."""

    name: str
    parameters: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return "-".join([self.name, *(f"{key}{value}" for key, value in self.parameters)])

    def graph(self, **more: str) -> Graph:
        """The network as imported."""
        network = load_network(EXAMPLES / f"{self.name}.py", None)
        return network.trace(dict(self.parameters) | more, 1)


def _shufflenet_v1(groups: int, scale: float) -> Example:
    return Example("shufflenet_v1", (("groups", str(groups)), ("scale", str(scale))))


EXAMPLE_NETWORKS = (
    *(_shufflenet_v1(groups, 1.0) for groups in (1, 2, 3, 4, 8)),
    *(_shufflenet_v1(groups, 0.5) for groups in (1, 3)),
    *(Example("shufflenet_v2", (("scale", scale),)) for scale in ("0.5", "1.0", "1.5", "2.0")),
    Example("mobilenet_v1"),
    Example("mobilenet_v2"),
)

LEADING = (
    Example("mobilenet_v1"),
    Example("mobilenet_v2"),
    _shufflenet_v1(3, 1.0),
    Example("shufflenet_v2", (("scale", "1.0"),)),
)
"""One of each kind."""

PAIR = (Example("mobilenet_v1"), _shufflenet_v1(3, 1.0))
"""A MobileNet and a ShuffleNet."""

VARIED = (*LEADING, _shufflenet_v1(8, 1.0), _shufflenet_v1(1, 0.5))
"""With the extremes of their parameters."""
