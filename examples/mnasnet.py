"""MnasNet-B1: MnasNet without squeeze-and-excitation (arXiv 1807.11626).

Stages and rounding are those of github.com/tensorflow/tpu, models/official/mnasnet, and of
torchvision.
"""

from typing import Literal

from mbc.frontends.dsl import Net, Tensor, network

# Kernel, expansion, output channels, repeats, stride of the first repeat.
STAGES = [
    (3, 1, 16, 1, 1),
    (3, 3, 24, 3, 2),
    (5, 3, 40, 3, 2),
    (5, 6, 80, 3, 2),
    (3, 6, 96, 2, 1),
    (5, 6, 192, 4, 2),
    (3, 6, 320, 1, 1),
]


def multiple_of_8(channels: float) -> int:
    """Return the nearest multiple of 8 that loses at most a tenth of the channels."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def mbconv(nn: Net, x: Tensor, kernel: int, expansion: int, channels: int, stride: int) -> Tensor:
    """1x1 expansion, depthwise, 1x1 linear projection; "SepConv" has no expansion."""
    y = x
    if expansion != 1:
        y = nn.pointwise(y, expansion * x.channels, name="expand")
        y = nn.activate(nn.batch_norm(y))
    y = nn.depthwise(y, kernel, stride=stride, name="dw")
    y = nn.activate(nn.batch_norm(y))
    y = nn.batch_norm(nn.pointwise(y, channels, name="project"))
    return nn.add(x, y) if stride == 1 and x.channels == channels else y


@network
def mnasnet(
    nn: Net,
    *,
    alpha: float = 1.0,
    resolution: int = 224,
    classes: int = 1000,
    padding: Literal["same", "half"] = "same",
    act: Literal["relu", "relu6"] = "relu",
    bn_epsilon: float = 1e-3,
    features: bool = False,
    softmax: bool = True,
) -> Tensor | dict[str, Tensor]:
    """`alpha` scales the channels of all layers but the last convolution."""
    nn.defaults(padding=padding, epsilon=bn_epsilon, act=act)
    x = nn.input(resolution, resolution, 3)
    with nn.scope("stem"):
        x = nn.activate(nn.batch_norm(nn.conv(x, multiple_of_8(32 * alpha), 3, stride=2)))
    block, scale, maps = 0, 2, {}
    for kernel, expansion, channels, repeats, first_stride in STAGES:
        for repeat in range(repeats):
            with nn.scope(f"blocks.{block}"):
                stride = first_stride if repeat == 0 else 1
                x = mbconv(nn, x, kernel, expansion, multiple_of_8(channels * alpha), stride)
            block += 1
        scale *= first_stride
        maps[f"stride{scale}"] = x  # the last of each size stays
    if features:
        return maps
    with nn.scope("head"):
        x = nn.activate(nn.batch_norm(nn.pointwise(x, 1280)))
    x = nn.global_avg_pool(x)
    x = nn.dense(x, classes)
    return nn.softmax(x) if softmax else x
