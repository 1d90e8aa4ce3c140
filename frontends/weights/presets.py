"""The names and settings of other libraries for the networks of `examples/`.

A file of weights says nothing about padding, activations or the epsilon of batch norms. A preset is
the rules that rename a library's tensors (renaming/), and the parameters with which a page computes
what the library's network does. -D overrides the parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from mbc.diag import error
from mbc.frontends.weights.orders import Order
from mbc.frontends.weights.rules import Rule, read_rules
from mbc.records import dataclass

FOLDER = Path(__file__).parent / "renaming"
TORCHVISION, TIMM, TIMM_TF = "torchvision", "timm", "timm-tf"
EFFICIENTNET_PYTORCH = "efficientnet-pytorch"  # which efficientnet-lite-pytorch follows

ORDER: Order = "pytorch"
"""The order of axes in all of their files."""

SOURCES = (TORCHVISION, TIMM, TIMM_TF, EFFICIENTNET_PYTORCH)
"""Libraries; timm-tf are the networks of timm whose names begin with tf_."""


@dataclass(frozen=True)
class Preset:
    """How a library names a network's tensors, and what it computes."""

    network: str
    """Name of the network in its page."""
    source: str
    """One of SOURCES."""
    file: str
    """Rules in FOLDER."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Parameters of the page."""

    def rules(self) -> list[Rule]:
        """Read the rules."""
        return read_rules(FOLDER / f"{self.file}.rules")


_TORCH, _TF = {"padding": "half"}, {"padding": "same"}
_FINE, _COARSE = {"bn_epsilon": "1e-5"}, {"bn_epsilon": "1e-3"}
_RELU, _RELU6, _SILU = {"act": "relu"}, {"act": "relu6"}, {"act": "silu"}

PRESETS = (
    Preset("mobilenet_v1", TIMM, "timm-mobilenet_v1", _TORCH | _FINE | _RELU6),
    Preset("mobilenet_v2", TORCHVISION, "torchvision-mobilenet_v2", _TORCH | _FINE | _RELU6),
    Preset("mobilenet_v2", TIMM, "timm", _TORCH | _FINE | _RELU6),
    Preset("mobilenet_v3", TORCHVISION, "torchvision-mobilenet_v3", _TORCH | _COARSE),
    Preset("mobilenet_v3", TIMM, "timm", _TORCH | _FINE),
    Preset("mobilenet_v3", TIMM_TF, "timm", _TF | _COARSE),
    Preset("mobilenet_v4", TIMM, "timm-mobilenet_v4", _TORCH | _FINE | _RELU),
    Preset("shufflenet_v2", TORCHVISION, "torchvision-shufflenet_v2"),
    Preset("efficientnet", TORCHVISION, "torchvision-efficientnet", _TORCH | _FINE | _SILU),
    Preset("efficientnet", TIMM, "timm", _TORCH | _FINE | _SILU),
    Preset("efficientnet", TIMM_TF, "timm", _TF | _COARSE | _SILU),
    Preset("efficientnet", EFFICIENTNET_PYTORCH, "efficientnet-pytorch", _TF | _COARSE | _SILU),
    Preset("efficientnet_lite", TIMM, "timm", _TORCH | _FINE | _RELU6),
    Preset("efficientnet_lite", TIMM_TF, "timm", _TF | _COARSE | _RELU6),
    Preset(
        "efficientnet_lite", EFFICIENTNET_PYTORCH, "efficientnet-pytorch", _TF | _COARSE | _RELU6
    ),
    Preset("mnasnet", TORCHVISION, "torchvision-mnasnet", _TORCH | _FINE | _RELU),
    Preset("mnasnet", TIMM, "timm", _TORCH | _FINE | _RELU),
    Preset("squeezenet", TORCHVISION, "torchvision-squeezenet"),
    Preset(
        "lraspp",
        TORCHVISION,
        "torchvision-lraspp",
        _TORCH | _COARSE | {"head_epsilon": "1e-5"},
    ),
    Preset("ghostnet", TIMM, "timm-ghostnet", _TORCH | _FINE | _RELU),
)


def find_preset(network: str, source: str) -> Preset:
    """Return the preset for a network; raises E0416."""
    found = {preset.source: preset for preset in PRESETS if preset.network == network}
    if source in found:
        return found[source]
    raise error(
        "E0416",
        f"mbc does not know how {source} names the weights of '{network}'",
        label=f"known for this network: {', '.join(found)}" if found else "",
        helps=["mbc weights map renames tensors by rules of your own"],
    )
