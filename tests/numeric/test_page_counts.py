"""The pages beside the first four have the multiply-adds and parameters that their sources give.

Sources round: a claim is compared in its own digits. Multiply-adds are those of convolutions and
dense layers; parameters are weights, biases, gammas and betas ("trainable" in Keras).
"""

import re
from dataclasses import dataclass
from functools import cache

import pytest

from mbc.frontends.dsl import load_network
from mbc.ir.graph import Graph
from mbc.ops.cost import learned_params, total_cost
from tests.example_networks import EXAMPLES


@dataclass(frozen=True)
class Claim:
    """What a source says of a page."""

    page: str
    """The page and its parameters, as on the command line."""
    source: str
    params: int | None = None
    """Exactly."""
    macs: int | None = None
    """Exactly."""
    m_params: str | None = None
    """In millions, in the digits of the source."""


TORCHVISION = "torchvision 0.28.0, its modules counted"
TIMM = "timm 1.0.31, its modules counted"
LITE = "github.com/tensorflow/tpu, models/official/efficientnet/lite/README.md"
KERAS = "Keras, applications/mobilenet_v3.py"
PAPER = "arXiv 1801.04381, table 6"
MOBILE_SSDLITE = "torchvision 0.28.0, modules of MobileNetV2 and SSDLite put together, counted"
TINY = "github.com/mlcommons/tiny, benchmark/training"

CLAIMS = (
    Claim("mobilenet_v1", TIMM, 4_231_976, 568_740_352),
    Claim("mobilenet_v2", TORCHVISION, 3_504_872, 300_774_272),
    Claim("efficientnet_lite -D variant=0", TIMM, 4_652_008, 385_187_552),
    Claim("efficientnet_lite -D variant=1", TIMM, 5_416_680, 600_185_232),
    Claim("efficientnet_lite -D variant=2", TIMM, 6_092_072, 859_736_272),
    Claim("efficientnet_lite -D variant=3", TIMM, 8_197_096, 1_383_321_872),  # at 280, for it has
    Claim("efficientnet_lite -D variant=4", TIMM, 13_006_568, 2_553_034_336),  # 300; 300, for 380
    *(
        Claim(f"efficientnet_lite -D variant={variant}", LITE, m_params=params)
        for variant, params in enumerate(("4.7", "5.4", "6.1", "8.2", "13.0"))
    ),
    Claim("efficientnet", TORCHVISION, 5_288_548, 385_814_752),
    Claim("efficientnet -D variant=1", TIMM, 7_794_184, 686_802_832),
    Claim("ghostnet -D width=0.5", TIMM, 2_587_292, 42_328_152),
    Claim("ghostnet", TIMM, 5_182_508, 141_150_512),
    Claim("ghostnet -D width=1.3", TIMM, 7_358_820, 227_003_256),
    Claim("mnasnet -D alpha=0.5", TORCHVISION, 2_218_512, 104_455_968),
    Claim("mnasnet -D alpha=0.75", TORCHVISION, 3_170_208, 215_493_104),
    Claim("mnasnet", TORCHVISION, 4_383_312, 314_415_872),
    Claim("mnasnet -D alpha=1.3", TORCHVISION, 6_282_256, 526_362_432),
    Claim("mobilenet_v3", TORCHVISION, 5_483_032, 216_589_760),
    Claim("mobilenet_v3 -D variant=small", TORCHVISION, 2_542_856, 56_510_400),
    Claim("mobilenet_v3 -D minimalistic=true", TIMM, 3_924_288, 209_136_704),
    Claim("mobilenet_v3 -D variant=small -D minimalistic=true", TIMM, 2_044_736, 52_288_448),
    Claim("mobilenet_v3 -D minimalistic=true", KERAS, m_params="3.9"),
    Claim("mobilenet_v3 -D variant=small -D minimalistic=true", KERAS, m_params="2.0"),
    Claim("mobilenet_v4 -D variant=small", TIMM, 3_774_024, 186_005_568),
    Claim("mobilenet_v4 -D variant=medium -D resolution=256", TIMM, 9_715_512, 1_080_244_224),
    Claim("squeezenet", TORCHVISION, 1_235_496, 349_151_936),
    Claim("lraspp", TORCHVISION, 3_221_538, 772_346_880),
    # 80 classes and the background; the paper rounds 788.8 M multiply-adds to 0.8 B.
    Claim("detection/ssdlite -D classes=81", PAPER, m_params="4.3"),
    Claim("detection/ssdlite", MOBILE_SSDLITE, 4_500_543, 804_397_504),
    # By hand from the tables of the reference. Its MobileNetV1 has biases before batch norms too,
    # which fold away: 2,736 more.
    Claim(
        "mobilenet_v1 -D alpha=0.25 -D resolution=96 -D classes=2",
        f"{TINY}/visual_wake_words",
        213_586,
        7_489_664,
    ),
    Claim("tiny/resnet8", f"{TINY}/image_classification", 78_186, 12_501_632),
    Claim("tiny/ds_cnn", f"{TINY}/keyword_spotting", 23_756, 2_656_768),
    Claim("tiny/autoencoder", f"{TINY}/anomaly_detection", 267_928, 264_192),
)


@cache
def traced(page: str) -> Graph:
    name, *words = page.split()
    settings = [word for word in words if word != "-D"]
    network = load_network(EXAMPLES / f"{name}.py")
    return network.trace(dict(setting.split("=") for setting in settings))


def millions(count: int, claim: str) -> str:
    """A count in as many digits as a claim has."""
    return f"{count / 1e6:.{len(claim.partition('.')[2])}f}"


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"{claim.page} {claim.source}")
def test_pages_count_as_their_sources(claim: Claim) -> None:
    graph = traced(claim.page)
    params, macs = learned_params(graph), total_cost(graph).macs
    assert claim.params in (None, params)
    assert claim.macs in (None, macs)
    assert claim.m_params in (None, millions(params, claim.m_params or ""))


ROW = re.compile(r"\| `([\w/]+)\.py([^`]*)`[^|]*\| ([\d.,]+) \| ([\d,]+) \|")
ROWS = ROW.findall((EXAMPLES.parent / "docs" / "networks.md").read_text("utf-8"))


@pytest.mark.parametrize(("name", "options", "m_macs", "params"), ROWS)
def test_the_table_of_networks_says_so_too(
    name: str, options: str, m_macs: str, params: str
) -> None:
    graph = traced(name + options)
    assert millions(total_cost(graph).macs, m_macs) == m_macs.replace(",", "")
    assert f"{learned_params(graph):,}" == params


def test_the_table_of_networks_has_all_pages() -> None:
    pages = {str(page.relative_to(EXAMPLES).with_suffix("")) for page in EXAMPLES.rglob("*.py")}
    networks = {page for page in pages if "@network" in (EXAMPLES / f"{page}.py").read_text()}
    listed = {name for name, *_ in ROWS} | {"shufflenet_v1"}  # of which it has no parameters
    assert {page for page in networks if not page.startswith("digits/")} == listed


FEATURES = {  # page: scales, channels of the maps
    "mobilenet_v1": ((2, 4, 8, 16, 32), (64, 128, 256, 512, 1024)),
    "mobilenet_v2": ((2, 4, 8, 16, 32), (16, 24, 32, 96, 320)),
    "mobilenet_v3": ((2, 4, 8, 16, 32), (16, 24, 40, 112, 960)),
    "mobilenet_v4": ((2, 4, 8, 16, 32), (32, 32, 64, 96, 960)),
    "mnasnet": ((2, 4, 8, 16, 32), (16, 24, 40, 96, 320)),
    "efficientnet_lite": ((2, 4, 8, 16, 32), (16, 24, 40, 112, 320)),
    "efficientnet": ((2, 4, 8, 16, 32), (16, 24, 40, 112, 320)),
    "ghostnet": ((2, 4, 8, 16, 32), (16, 24, 40, 112, 160)),
}


@pytest.mark.parametrize("page", FEATURES)
def test_feature_maps_are_the_last_of_each_size(page: str) -> None:
    graph = traced(f"{page} -D features=true -D resolution=96")
    scales, channels = FEATURES[page]
    maps = zip(graph.output_names, graph.outputs, strict=True)
    assert {name: value.type.shape for name, value in maps} == {
        f"stride{scale}": (1, 96 // scale, 96 // scale, c)
        for scale, c in zip(scales, channels, strict=True)
    }
