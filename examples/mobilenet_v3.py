"""MobileNetV3, minimalistic: 3x3 windows and ReLU only (arXiv 1905.02244, tables 1 and 2).

The minimalistic networks have the widths of the tables, but no squeeze-and-excitation, no h-swish
and no 5x5 windows (github.com/tensorflow/models, research/slim/nets/mobilenet).
"""

from typing import Literal

from mbc.frontends.dsl import Net, Tensor, network

# Expanded channels, output channels, stride.
LARGE = [
    (16, 16, 1),
    (64, 24, 2),
    (72, 24, 1),
    (72, 40, 2),
    (120, 40, 1),
    (120, 40, 1),
    (240, 80, 2),
    (200, 80, 1),
    (184, 80, 1),
    (184, 80, 1),
    (480, 112, 1),
    (672, 112, 1),
    (672, 160, 2),
    (960, 160, 1),
    (960, 160, 1),
]
SMALL = [
    (16, 16, 2),
    (72, 24, 2),
    (88, 24, 1),
    (96, 40, 2),
    (240, 40, 1),
    (240, 40, 1),
    (120, 48, 1),
    (144, 48, 1),
    (288, 96, 2),
    (576, 96, 1),
    (576, 96, 1),
]
VARIANTS = {  # bottlenecks, channels of the last convolution, of the layer behind the pool
    "large_minimalistic": (LARGE, 960, 1280),
    "small_minimalistic": (SMALL, 576, 1024),
}


def bottleneck(nn: Net, x: Tensor, expanded: int, channels: int, stride: int) -> Tensor:
    """1x1 expansion, depthwise, 1x1 linear projection."""
    y = x
    if expanded != x.channels:
        y = nn.relu(nn.batch_norm(nn.pointwise(y, expanded, name="expand")))
    y = nn.relu(nn.batch_norm(nn.depthwise(y, 3, stride=stride, name="dw")))
    y = nn.batch_norm(nn.pointwise(y, channels, name="project"))
    return nn.add(x, y) if stride == 1 and x.channels == channels else y


@network
def mobilenet_v3(
    nn: Net,
    *,
    variant: Literal["large_minimalistic", "small_minimalistic"] = "large_minimalistic",
    resolution: int = 224,
    classes: int = 1000,
    padding: Literal["same", "half"] = "same",
    bn_epsilon: float = 1e-3,
    features: bool = False,
    softmax: bool = True,
) -> Tensor | dict[str, Tensor]:
    """`variant` chooses the table."""
    bottlenecks, last, hidden = VARIANTS[variant]
    nn.defaults(padding=padding, epsilon=bn_epsilon)
    x = nn.input(resolution, resolution, 3)
    with nn.scope("stem"):
        x = nn.relu(nn.batch_norm(nn.conv(x, 16, 3, stride=2)))
    scale, maps = 2, {"stride2": x}
    for i, (expanded, channels, stride) in enumerate(bottlenecks):
        with nn.scope(f"blocks.{i}"):
            x = bottleneck(nn, x, expanded, channels, stride)
        scale *= stride
        maps[f"stride{scale}"] = x  # the last of each size stays
    with nn.scope("head"):
        x = nn.relu(nn.batch_norm(nn.pointwise(x, last)))
    maps[f"stride{scale}"] = x
    if features:
        return maps
    x = nn.global_avg_pool(x)
    with nn.scope("head"):
        x = nn.relu(nn.dense(x, hidden))
    x = nn.dense(x, classes)
    return nn.softmax(x) if softmax else x
