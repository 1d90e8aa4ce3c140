"""LR-ASPP: segmentation on MobileNetV3-Large (arXiv 1905.02244, section 6.4).

As torchvision has it: a global pool instead of one over 49x49, and the low map from the first
bottleneck at an eighth of the size.
"""

from typing import Literal

from mbc.frontends.dsl import Net, Tensor, network

SE, NO_SE = True, False
# Kernel, expanded channels, output channels, squeeze-and-excitation, nonlinearity, stride,
# dilation: table 1, but that dilation takes the place of the last stride.
BOTTLENECKS = [
    (3, 16, 16, NO_SE, "RE", 1, 1),
    (3, 64, 24, NO_SE, "RE", 2, 1),
    (3, 72, 24, NO_SE, "RE", 1, 1),
    (5, 72, 40, SE, "RE", 2, 1),
    (5, 120, 40, SE, "RE", 1, 1),
    (5, 120, 40, SE, "RE", 1, 1),
    (3, 240, 80, NO_SE, "HS", 2, 1),
    (3, 200, 80, NO_SE, "HS", 1, 1),
    (3, 184, 80, NO_SE, "HS", 1, 1),
    (3, 184, 80, NO_SE, "HS", 1, 1),
    (3, 480, 112, SE, "HS", 1, 1),
    (3, 672, 112, SE, "HS", 1, 1),
    (5, 672, 160, SE, "HS", 1, 2),
    (5, 960, 160, SE, "HS", 1, 2),
    (5, 960, 160, SE, "HS", 1, 2),
]
LOW = 3  # the bottleneck whose output is the low map


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
    nn: Net,
    x: Tensor,
    kernel: int,
    expanded: int,
    channels: int,
    se: bool,
    act: str,
    stride: int,
    dilation: int,
) -> Tensor:
    """1x1 expansion, depthwise, squeeze-and-excitation, 1x1 linear projection (figure 4)."""
    y, activate = x, nn.hard_swish if act == "HS" else nn.relu
    if expanded != x.channels:
        y = activate(nn.batch_norm(nn.pointwise(y, expanded, name="expand")))
    y = nn.depthwise(y, kernel, stride=stride, dilation=dilation, name="dw")
    y = activate(nn.batch_norm(y))
    if se:
        y = squeeze_excite(nn, y)
    y = nn.batch_norm(nn.pointwise(y, channels, name="project"))
    return nn.add(x, y) if stride == 1 and x.channels == channels else y


def head(nn: Net, low: Tensor, high: Tensor, classes: int, epsilon: float) -> Tensor:
    """Both maps vote for classes; the high one is scaled by its means first (figure 10)."""
    x = nn.relu(nn.batch_norm(nn.pointwise(high, 128, name="pw"), epsilon=epsilon))
    scale = nn.dense(nn.global_avg_pool(high), 128, bias=False, name="scale")
    x = nn.mul(x, nn.sigmoid(scale))
    _, height, width, _ = low.shape
    x = nn.resize(x, (height, width))
    low = nn.pointwise(low, classes, bias=True, name="low")
    return nn.add(low, nn.pointwise(x, classes, bias=True, name="high"))


@network
def lraspp(
    nn: Net,
    *,
    resolution: int = 320,
    classes: int = 21,
    padding: Literal["same", "half"] = "half",
    bn_epsilon: float = 1e-3,
    head_epsilon: float = 1e-5,
    labels: bool = False,
) -> Tensor:
    """`classes` counts the background; the output is logits of each pixel, or its class."""
    nn.defaults(padding=padding, epsilon=bn_epsilon)
    x = nn.input(resolution, resolution, 3)
    with nn.scope("stem"):
        x = nn.hard_swish(nn.batch_norm(nn.conv(x, 16, 3, stride=2)))
    maps = []
    for i, (kernel, expanded, channels, se, act, stride, dilation) in enumerate(BOTTLENECKS):
        with nn.scope(f"blocks.{i}"):
            x = bottleneck(nn, x, kernel, expanded, channels, se, act, stride, dilation)
        maps.append(x)
    with nn.scope("last"):
        x = nn.hard_swish(nn.batch_norm(nn.pointwise(x, 960)))
    with nn.scope("head"):
        x = head(nn, maps[LOW], x, classes, head_epsilon)
    x = nn.resize(x, (resolution, resolution))
    return nn.argmax(x) if labels else x
