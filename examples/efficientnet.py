"""EfficientNet: bottlenecks with squeeze-and-excitation, scaled (arXiv 1905.11946, table 1).

Variants are scaled as in github.com/tensorflow/tpu, models/official/efficientnet.
"""

from math import ceil
from typing import Literal

from mbc.frontends.dsl import Net, Tensor, network

# Kernel, expansion, output channels, repeats, stride of the first repeat: those of B0.
STAGES = [
    (3, 1, 16, 1, 1),
    (3, 6, 24, 2, 2),
    (5, 6, 40, 2, 2),
    (3, 6, 80, 3, 2),
    (5, 6, 112, 3, 1),
    (5, 6, 192, 4, 2),
    (3, 6, 320, 1, 1),
]
VARIANTS = {  # factors of width and of depth, resolution
    0: (1.0, 1.0, 224),
    1: (1.0, 1.1, 240),
    2: (1.1, 1.2, 260),
    3: (1.2, 1.4, 300),
    4: (1.4, 1.8, 380),
}


def multiple_of_8(channels: float) -> int:
    """Return the nearest multiple of 8 that loses at most a tenth of the channels."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def squeeze_excite(nn: Net, x: Tensor, squeezed: int) -> Tensor:
    """Scale each channel by what the means of all channels say (arXiv 1709.01507)."""
    scale = nn.global_avg_pool(x)
    scale = nn.activate(nn.dense(scale, squeezed, name="se.reduce"))
    scale = nn.sigmoid(nn.dense(scale, x.channels, name="se.expand"))
    return nn.mul(x, scale)


def mbconv(nn: Net, x: Tensor, kernel: int, expansion: int, channels: int, stride: int) -> Tensor:
    """1x1 expansion, depthwise, squeeze-and-excitation, 1x1 linear projection."""
    y = x
    if expansion != 1:
        y = nn.activate(nn.batch_norm(nn.pointwise(y, expansion * x.channels, name="expand")))
    y = nn.activate(nn.batch_norm(nn.depthwise(y, kernel, stride=stride, name="dw")))
    y = squeeze_excite(nn, y, x.channels // 4)
    y = nn.batch_norm(nn.pointwise(y, channels, name="project"))
    return nn.add(x, y) if stride == 1 and x.channels == channels else y


@network
def efficientnet(
    nn: Net,
    *,
    variant: Literal[0, 1, 2, 3, 4] = 0,
    resolution: int = 0,
    classes: int = 1000,
    padding: Literal["same", "half"] = "same",
    act: Literal["silu", "hard_swish", "relu6"] = "silu",
    bn_epsilon: float = 1e-3,
    features: bool = False,
    softmax: bool = True,
) -> Tensor | dict[str, Tensor]:
    """`variant` is the number behind the B; `resolution` 0 is that of the variant."""
    width, depth, own_resolution = VARIANTS[variant]
    nn.defaults(padding=padding, epsilon=bn_epsilon, act=act)
    side = resolution or own_resolution
    x = nn.input(side, side, 3)
    with nn.scope("stem"):
        x = nn.activate(nn.batch_norm(nn.conv(x, multiple_of_8(32 * width), 3, stride=2)))
    block, scale, maps = 0, 2, {}
    for kernel, expansion, channels, repeats, first_stride in STAGES:
        for repeat in range(ceil(repeats * depth)):
            with nn.scope(f"blocks.{block}"):
                stride = first_stride if repeat == 0 else 1
                x = mbconv(nn, x, kernel, expansion, multiple_of_8(channels * width), stride)
            block += 1
        scale *= first_stride
        maps[f"stride{scale}"] = x  # the last of each size stays
    if features:
        return maps
    with nn.scope("head"):
        x = nn.activate(nn.batch_norm(nn.pointwise(x, multiple_of_8(1280 * width))))
    x = nn.global_avg_pool(x)
    x = nn.dense(x, classes)
    return nn.softmax(x) if softmax else x
