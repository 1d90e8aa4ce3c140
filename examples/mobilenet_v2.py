"""MobileNetV2: inverted residuals with linear bottlenecks (arXiv 1801.04381, table 2)."""

from mbc.frontends.dsl import Net, Tensor, network

# Expansion, output channels, repeats, stride of the first repeat.
STAGES = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
]


def multiple_of_8(channels: float) -> int:
    """The nearest multiple of 8 that loses at most a tenth of the channels."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def inverted_residual(nn: Net, x: Tensor, expansion: int, channels: int, stride: int) -> Tensor:
    """1x1 expansion, 3x3 depthwise, 1x1 linear projection (table 1)."""
    y = x
    if expansion != 1:
        y = nn.pointwise(y, expansion * x.channels, name="expand")
        y = nn.relu6(nn.batch_norm(y))
    y = nn.depthwise(y, 3, stride=stride, padding="same", name="dw")
    y = nn.relu6(nn.batch_norm(y))
    y = nn.batch_norm(nn.pointwise(y, channels, name="project"))
    return nn.add(x, y) if stride == 1 and x.channels == channels else y


@network
def mobilenet_v2(
    nn: Net, *, alpha: float = 1.0, resolution: int = 224, softmax: bool = True
) -> Tensor:
    """`alpha` scales the channels; below 1 it leaves the last convolution as it is."""
    x = nn.input(resolution, resolution, 3)
    with nn.scope("stem"):
        x = nn.conv(x, multiple_of_8(32 * alpha), 3, stride=2, padding="same")
        x = nn.relu6(nn.batch_norm(x))
    block = 0
    for expansion, channels, repeats, first_stride in STAGES:
        for repeat in range(repeats):
            with nn.scope(f"blocks.{block}"):
                stride = first_stride if repeat == 0 else 1
                x = inverted_residual(nn, x, expansion, multiple_of_8(channels * alpha), stride)
            block += 1
    with nn.scope("head"):
        x = nn.relu6(nn.batch_norm(nn.pointwise(x, multiple_of_8(1280 * max(1.0, alpha)))))
    x = nn.global_avg_pool(x)
    x = nn.dense(x, 1000, name="fc")
    return nn.softmax(x) if softmax else x
