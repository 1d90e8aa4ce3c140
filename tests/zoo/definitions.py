"""Networks of torchvision and timm that people bring: with random weights and statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# fmt: off
TORCHVISION = (
    "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0", "mnasnet0_5", "mnasnet1_0", "efficientnet_b0", "squeezenet1_0",
    "squeezenet1_1", "resnet18", "regnet_x_400mf", "regnet_y_400mf", "googlenet", "densenet121",
)
TIMM = (
    "mobilenetv1_100", "mobilenetv2_100", "mobilenetv2_050", "mobilenetv2_110d",
    "mobilenetv3_large_100", "mobilenetv3_small_100", "mobilenetv3_small_050", "mobilenetv3_rw",
    "tf_mobilenetv3_small_minimal_100", "mobilenetv4_conv_small", "mobilenetv4_conv_medium",
    "mobilenetv4_hybrid_medium", "ghostnet_100", "ghostnetv2_100", "efficientnet_lite0",
    "efficientnet_lite1", "efficientnet_lite2", "efficientnet_lite3", "efficientnet_lite4",
    "tf_efficientnet_lite0", "mnasnet_100", "mnasnet_small", "semnasnet_100", "fbnetc_100",
    "spnasnet_100", "tinynet_a", "tinynet_e", "lcnet_050", "lcnet_100", "hardcorenas_a",
    "mobileone_s0", "mobileone_s0:rep", "repvgg_a0", "repvgg_a0:rep", "mixnet_s", "tf_mixnet_s",
    "convnext_atto", "mobilevit_xxs", "mobilevit_s", "mobilevitv2_050", "edgenext_xx_small",
    "fastvit_t8", "fastvit_t8:rep", "efficientformerv2_s0", "repghostnet_100",
    "repghostnet_100:rep", "rexnet_100", "efficientvit_b0", "starnet_s1",
    "mobilenet_edgetpu_100",
)
# fmt: on
REPARAMETERISED = ":rep"
"""How names end of networks whose branches are merged into one convolution."""


@dataclass(frozen=True)
class Definition:
    """A network of a library."""

    library: str
    name: str

    def module(self) -> Any:
        """Build it, in evaluation mode."""
        from tests.zoo.libraries import module

        made = module(self.library, self.name.removesuffix(REPARAMETERISED))
        if not self.name.endswith(REPARAMETERISED):
            return made
        from timm.utils import reparameterize_model

        return reparameterize_model(made)


DEFINITIONS = (
    *(Definition("torchvision", name) for name in TORCHVISION),
    *(Definition("timm", name) for name in TIMM),
)
EVERYDAY = (
    "mobilenet_v2",
    "mobilenet_v3_small",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "regnet_y_400mf",
    "mobilenetv1_100",
    "mobilenetv4_conv_small",
    "ghostnet_100",
    "efficientnet_lite0",
    "lcnet_050",
    "mobileone_s0:rep",
    "tinynet_e",
)
"""Those that `make test` tries."""
