"""GhostNet: half of the channels come from cheap depthwise layers (arXiv 1911.11907, table 1).

Details are those of the authors' code, github.com/huawei-noah/Efficient-AI-Backbones.
"""

from typing import Literal

from mbc.frontends.dsl import Net, Tensor, network

SE, NO_SE = True, False
# Kernel, expanded channels, output channels, squeeze-and-excitation, stride.
BOTTLENECKS = [
    (3, 16, 16, NO_SE, 1),
    (3, 48, 24, NO_SE, 2),
    (3, 72, 24, NO_SE, 1),
    (5, 72, 40, SE, 2),
    (5, 120, 40, SE, 1),
    (3, 240, 80, NO_SE, 2),
    (3, 200, 80, NO_SE, 1),
    (3, 184, 80, NO_SE, 1),
    (3, 184, 80, NO_SE, 1),
    (3, 480, 112, SE, 1),
    (3, 672, 112, SE, 1),
    (5, 672, 160, SE, 2),
    (5, 960, 160, NO_SE, 1),
    (5, 960, 160, SE, 1),
    (5, 960, 160, NO_SE, 1),
    (5, 960, 160, SE, 1),
]


def multiple_of_4(channels: float) -> int:
    """Return the nearest multiple of 4 that loses at most a tenth of the channels."""
    rounded = max(4, int(channels + 2) // 4 * 4)
    return rounded if rounded >= 0.9 * channels else rounded + 4


def squeeze_excite(nn: Net, x: Tensor) -> Tensor:
    """Scale each channel by what the means of all channels say (arXiv 1709.01507)."""
    scale = nn.global_avg_pool(x)
    scale = nn.relu(nn.dense(scale, multiple_of_4(x.channels / 4), name="se.reduce"))
    scale = nn.hard_sigmoid(nn.dense(scale, x.channels, name="se.expand"))
    return nn.mul(x, scale)


def ghost(nn: Net, x: Tensor, channels: int, name: str, *, linear: bool = False) -> Tensor:
    """Ghost module: a 1x1 convolution, and a 3x3 depthwise layer on what it gives (figure 1b)."""
    with nn.scope(name):
        x = nn.batch_norm(nn.pointwise(x, channels // 2, name="primary"))
        x = x if linear else nn.activate(x)
        y = nn.batch_norm(nn.depthwise(x, 3, name="cheap"))
        y = y if linear else nn.activate(y)
        return nn.concat(x, y)


def bottleneck(
    nn: Net, x: Tensor, kernel: int, expanded: int, channels: int, se: bool, stride: int
) -> Tensor:
    """Two ghost modules; with stride 2 a depthwise layer between them (figure 3)."""
    y = ghost(nn, x, expanded, "ghost1")
    if stride == 2:
        y = nn.batch_norm(nn.depthwise(y, kernel, stride=2, name="dw"))
    if se:
        y = squeeze_excite(nn, y)
    y = ghost(nn, y, channels, "ghost2", linear=True)
    if stride == 2 or x.channels != channels:
        with nn.scope("shortcut"):
            x = nn.batch_norm(nn.depthwise(x, kernel, stride=stride))
            x = nn.batch_norm(nn.pointwise(x, channels))
    return nn.add(x, y)


@network
def ghostnet(
    nn: Net,
    *,
    width: float = 1.0,
    resolution: int = 224,
    classes: int = 1000,
    padding: Literal["half", "same"] = "half",
    act: Literal["relu", "relu6"] = "relu",
    bn_epsilon: float = 1e-5,
    features: bool = False,
    softmax: bool = True,
) -> Tensor | dict[str, Tensor]:
    """`width` scales the channels ("GhostNet 1.3x")."""
    nn.defaults(padding=padding, epsilon=bn_epsilon, act=act)
    x = nn.input(resolution, resolution, 3)
    with nn.scope("stem"):
        x = nn.activate(nn.batch_norm(nn.conv(x, multiple_of_4(16 * width), 3, stride=2)))
    scale, maps = 2, {}
    for i, (kernel, wide, narrow, se, stride) in enumerate(BOTTLENECKS):
        expanded, channels = multiple_of_4(wide * width), multiple_of_4(narrow * width)
        with nn.scope(f"blocks.{i}"):
            x = bottleneck(nn, x, kernel, expanded, channels, se, stride)
        scale *= stride
        maps[f"stride{scale}"] = x  # the last of each size stays
    if features:
        return maps
    with nn.scope("head"):
        x = nn.activate(nn.batch_norm(nn.pointwise(x, multiple_of_4(960 * width))))
        x = nn.global_avg_pool(x)
        x = nn.activate(nn.dense(x, 1280))
    x = nn.dense(x, classes)
    return nn.softmax(x) if softmax else x
