"""MobileNetV2 for the handwritten digits: the blocks of arXiv 1801.04381, fewer and thinner."""

from mbc.frontends.dsl import Net, Tensor, network

# Expansion, output channels, repeats, stride of the first repeat; 16x16 becomes 4x4.
STAGES = [
    (1, 8, 1, 1),
    (4, 16, 2, 2),
    (4, 24, 2, 2),
    (4, 32, 2, 1),
]


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
def mobilenet_v2(nn: Net, *, softmax: bool = True) -> Tensor:
    """Score the ten digits in a grey 32x32 image."""
    x = nn.input(32, 32, 1)
    with nn.scope("stem"):
        x = nn.relu6(nn.batch_norm(nn.conv(x, 16, 3, stride=2, padding="same")))
    block = 0
    for expansion, channels, repeats, first_stride in STAGES:
        for repeat in range(repeats):
            with nn.scope(f"blocks.{block}"):
                stride = first_stride if repeat == 0 else 1
                x = inverted_residual(nn, x, expansion, channels, stride)
            block += 1
    with nn.scope("head"):
        x = nn.relu6(nn.batch_norm(nn.pointwise(x, 160)))
    x = nn.dense(nn.global_avg_pool(x), 10)
    return nn.softmax(x) if softmax else x
