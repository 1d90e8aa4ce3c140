"""MobileNetV4-Conv: universal inverted bottlenecks (arXiv 2404.10518).

The tables of the appendix, as timm has them (timm/models/mobilenetv3.py).
"""

from typing import Literal

from mbc.frontends.dsl import Net, Tensor, network

# Kernel of the first depthwise layer, of the second (0: there is none), expansion, output
# channels, stride.
SMALL = [
    (5, 5, 3, 96, 2),
    *[(0, 3, 2, 96, 1)] * 4,
    (3, 0, 4, 96, 1),
    (3, 3, 6, 128, 2),
    (5, 5, 4, 128, 1),
    (0, 5, 4, 128, 1),
    (0, 5, 3, 128, 1),
    *[(0, 3, 4, 128, 1)] * 2,
]
MEDIUM = [
    (3, 5, 4, 80, 2),
    (3, 3, 2, 80, 1),
    (3, 5, 6, 160, 2),
    *[(3, 3, 4, 160, 1)] * 2,
    (3, 5, 4, 160, 1),
    (3, 3, 4, 160, 1),
    (3, 0, 4, 160, 1),
    (0, 0, 2, 160, 1),
    (3, 0, 4, 160, 1),
    (5, 5, 6, 256, 2),
    (5, 5, 4, 256, 1),
    *[(3, 5, 4, 256, 1)] * 2,
    (0, 0, 4, 256, 1),
    (3, 0, 4, 256, 1),
    (3, 5, 2, 256, 1),
    (5, 5, 4, 256, 1),
    *[(0, 0, 4, 256, 1)] * 2,
    (5, 0, 2, 256, 1),
]
FUSED = {  # channels of a 3x3 convolution with stride 2 and of the 1x1 behind it
    "small": [(32, 32), (96, 64)],
    "medium": [(128, 48)],
}
BOTTLENECKS = {"small": SMALL, "medium": MEDIUM}


def universal_inverted_bottleneck(
    nn: Net, x: Tensor, first: int, second: int, expansion: int, channels: int, stride: int
) -> Tensor:
    """Depthwise, 1x1 expansion, depthwise, 1x1 projection; one depthwise layer or both may be left
    out. The second has the stride, if there is one; only the middle layers have a ReLU."""
    y = x
    if first:
        y = nn.depthwise(y, first, stride=1 if second else stride, name="start")
        y = nn.batch_norm(y)
    y = nn.activate(nn.batch_norm(nn.pointwise(y, expansion * x.channels, name="expand")))
    if second:
        y = nn.activate(nn.batch_norm(nn.depthwise(y, second, stride=stride, name="dw")))
    y = nn.batch_norm(nn.pointwise(y, channels, name="project"))
    return nn.add(x, y) if stride == 1 and x.channels == channels else y


@network
def mobilenet_v4(
    nn: Net,
    *,
    variant: Literal["small", "medium"] = "small",
    resolution: int = 224,
    classes: int = 1000,
    padding: Literal["same", "half"] = "same",
    act: Literal["relu", "relu6"] = "relu",
    bn_epsilon: float = 1e-3,
    features: bool = False,
    softmax: bool = True,
) -> Tensor | dict[str, Tensor]:
    """`variant` is the S or M of MNv4-Conv-S and MNv4-Conv-M."""
    nn.defaults(padding=padding, epsilon=bn_epsilon, act=act)
    x = nn.input(resolution, resolution, 3)
    with nn.scope("stem"):
        x = nn.activate(nn.batch_norm(nn.conv(x, 32, 3, stride=2)))
    scale, maps = 2, {"stride2": x}
    for i, (wide, channels) in enumerate(FUSED[variant]):
        with nn.scope(f"fused.{i}"):
            x = nn.activate(nn.batch_norm(nn.conv(x, wide, 3, stride=2)))
            x = nn.batch_norm(nn.pointwise(x, channels))
            x = nn.activate(x) if variant == "small" else x  # in M a linear bottleneck
        scale *= 2
        maps[f"stride{scale}"] = x
    for i, (first, second, expansion, channels, stride) in enumerate(BOTTLENECKS[variant]):
        with nn.scope(f"blocks.{i}"):
            x = universal_inverted_bottleneck(nn, x, first, second, expansion, channels, stride)
        scale *= stride
        maps[f"stride{scale}"] = x  # the last of each size stays
    with nn.scope("head"):
        x = nn.activate(nn.batch_norm(nn.pointwise(x, 960)))
    maps[f"stride{scale}"] = x
    if features:
        return maps
    x = nn.global_avg_pool(x)
    with nn.scope("head"):
        x = nn.activate(nn.batch_norm(nn.dense(x, 1280, bias=False)))
    x = nn.dense(x, classes)
    return nn.softmax(x) if softmax else x
