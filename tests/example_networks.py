"""The networks of the papers as the examples give them, in every width that we make claims of, and
the other pages, in every variant."""

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


@dataclass(frozen=True)
class Page(Example):
    """A page with its parameters at full size, and what makes it small."""

    small: tuple[tuple[str, str], ...] = ()
    """Parameters that replace those of the full size, or go with them."""
    everyday: bool = True
    """Whether everyday tests run it; else another variant stands for it."""

    @property
    def file(self) -> Path:
        """Where it is."""
        return EXAMPLES / f"{self.name}.py"

    def settings(self, *, small: bool) -> dict[str, str]:
        """Parameters for `-D`; outputs are logits where a page can tell them from probabilities."""
        chosen = dict(self.parameters) | (dict(self.small) if small else {})
        known = [parameter.name for parameter in load_network(self.file).parameters]
        return chosen | ({"softmax": "false"} if "softmax" in known else {})


def _variants(name: str, variants: tuple[str, ...], *small: tuple[str, str]) -> tuple[Page, ...]:
    """All variants of a page; the first is run everyday."""
    return tuple(
        Page(name, (("variant", variant),), small, variant == variants[0]) for variant in variants
    )


HALF = ("padding", "half")
SMALL = ("resolution", "64")

PAGES = (
    *_variants("efficientnet_lite", ("0", "1", "2", "3", "4"), SMALL),
    Page("mnasnet", small=(SMALL, HALF, ("alpha", "0.5"))),
    *_variants("efficientnet", ("0", "1", "2", "3", "4"), SMALL),
    *_variants("mobilenet_v3", ("small", "large"), SMALL),
    *(
        Page("mobilenet_v3", (("variant", variant), ("minimalistic", "true")), (SMALL,), False)
        for variant in ("small", "large")
    ),
    Page("ghostnet", small=(SMALL,)),
    *_variants("mobilenet_v4", ("small", "medium"), SMALL, HALF),
    Page("mobilenet_v2", (("features", "true"),), (("resolution", "32"),)),
    Page("lraspp", small=(SMALL,)),
    Page("detection/ssdlite", small=(SMALL,)),
    Page("squeezenet", small=(("resolution", "38"),)),  # the last windows of two pools overhang
    Page(
        "mobilenet_v1",
        (("alpha", "0.25"), ("resolution", "96"), ("classes", "2")),
        everyday=False,
    ),
    Page("tiny/ds_cnn"),
    Page("tiny/resnet8"),
    Page("tiny/autoencoder"),
)
"""The networks beside those of EXAMPLE_NETWORKS, the last four of them MLPerf Tiny's."""
