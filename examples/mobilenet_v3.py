"""MobileNetV3: searched bottlenecks, h-swish, squeeze-and-excitation (arXiv 1905.02244).

Tables 1 and 2. The minimalistic networks have their widths, but no squeeze-and-excitation, no
h-swish and no 5x5 windows (github.com/tensorflow/models, research/slim/nets/mobilenet).
"""

from typing import Literal

from mbc.frontends.dsl import Net, Tensor, network

SE, NO_SE = True, False
# Kernel, expanded channels, output channels, squeeze-and-excitation, nonlinearity, stride.
LARGE = [
    (3, 16, 16, NO_SE, "RE", 1),
    (3, 64, 24, NO_SE, "RE", 2),
    (3, 72, 24, NO_SE, "RE", 1),
    (5, 72, 40, SE, "RE", 2),
    (5, 120, 40, SE, "RE", 1),
    (5, 120, 40, SE, "RE", 1),
    (3, 240, 80, NO_SE, "HS", 2),
    (3, 200, 80, NO_SE, "HS", 1),
    (3, 184, 80, NO_SE, "HS", 1),
    (3, 184, 80, NO_SE, "HS", 1),
    (3, 480, 112, SE, "HS", 1),
    (3, 672, 112, SE, "HS", 1),
    (5, 672, 160, SE, "HS", 2),
    (5, 960, 160, SE, "HS", 1),
    (5, 960, 160, SE, "HS", 1),
]
SMALL = [
    (3, 16, 16, SE, "RE", 2),
    (3, 72, 24, NO_SE, "RE", 2),
    (3, 88, 24, NO_SE, "RE", 1),
    (5, 96, 40, SE, "HS", 2),
    (5, 240, 40, SE, "HS", 1),
    (5, 240, 40, SE, "HS", 1),
    (5, 120, 48, SE, "HS", 1),
    (5, 144, 48, SE, "HS", 1),
    (5, 288, 96, SE, "HS", 2),
    (5, 576, 96, SE, "HS", 1),
    (5, 576, 96, SE, "HS", 1),
]
VARIANTS = {  # bottlenecks, channels of the last convolution, of the layer behind the pool
    "large": (LARGE, 960, 1280),
    "small": (SMALL, 576, 1024),
}


def multiple_of_8(channels: float) -> int:
    """Return the nearest multiple of 8 that loses at most a tenth of the channels."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def squeeze_excite(nn: Net, x: Tensor) -> Tensor:
    """Scale each channel by what the means of all channels say (section 5.3)."""
    scale = nn.global_avg_pool(x)
    scale = nn.relu(nn.dense(scale, multiple_of_8(x.channels / 4), name="se.reduce"))
    scale = nn.hard_sigmoid(nn.dense(scale, x.channels, name="se.expand"))
    return nn.mul(x, scale)


def bottleneck(
    nn: Net, x: Tensor, kernel: int, expanded: int, channels: int, se: bool, act: str, stride: int
) -> Tensor:
    """1x1 expansion, depthwise, squeeze-and-excitation, 1x1 linear projection (figure 4)."""
    y, activate = x, nn.activate if act == "HS" else nn.relu
    if expanded != x.channels:
        y = activate(nn.batch_norm(nn.pointwise(y, expanded, name="expand")))
    y = activate(nn.batch_norm(nn.depthwise(y, kernel, stride=stride, name="dw")))
    if se:
        y = squeeze_excite(nn, y)
    y = nn.batch_norm(nn.pointwise(y, channels, name="project"))
    return nn.add(x, y) if stride == 1 and x.channels == channels else y


@network
def mobilenet_v3(
    nn: Net,
    *,
    variant: Literal["large", "small"] = "large",
    minimalistic: bool = False,
    resolution: int = 224,
    classes: int = 1000,
    padding: Literal["same", "half"] = "same",
    bn_epsilon: float = 1e-3,
    features: bool = False,
    softmax: bool = True,
) -> Tensor | dict[str, Tensor]:
    """`variant` chooses the table."""
    bottlenecks, last, hidden = VARIANTS[variant]
    nn.defaults(padding=padding, epsilon=bn_epsilon, act="relu" if minimalistic else "hard_swish")
    x = nn.input(resolution, resolution, 3)
    with nn.scope("stem"):
        x = nn.activate(nn.batch_norm(nn.conv(x, 16, 3, stride=2)))
    scale, maps = 2, {"stride2": x}
    for i, (kernel, expanded, channels, se, act, stride) in enumerate(bottlenecks):
        with nn.scope(f"blocks.{i}"):
            if minimalistic:
                kernel, se = 3, NO_SE
            x = bottleneck(nn, x, kernel, expanded, channels, se, act, stride)
        scale *= stride
        maps[f"stride{scale}"] = x  # the last of each size stays
    with nn.scope("head"):
        x = nn.activate(nn.batch_norm(nn.pointwise(x, last)))
    maps[f"stride{scale}"] = x
    if features:
        return maps
    x = nn.global_avg_pool(x)
    with nn.scope("head"):
        x = nn.activate(nn.dense(x, hidden))
    x = nn.dense(x, classes)
    return nn.softmax(x) if softmax else x
