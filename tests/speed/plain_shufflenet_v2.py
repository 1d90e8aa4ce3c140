"""ShuffleNetV2 without channel shuffles, splits and concatenations, of equal multiply-adds.

The half of the channels that passes through a unit untouched is not there, so units need no split
and no concatenation. The branches of a downsampling unit are added. The last unit of a stage has a
single pointwise convolution, from c/2 to c channels, where others have two from c/2 to c/2.
"""

from mbc.examples.shufflenet_v2 import CHANNELS, UNITS, branch, depthwise, pointwise
from mbc.frontends.dsl import Net, Tensor, network


def downsample(nn: Net, x: Tensor, channels: int) -> Tensor:
    """Both branches have stride 2."""
    left = pointwise(nn, depthwise(nn, x, 2, "left.dw"), channels // 2, "left.pw")
    return nn.add(left, branch(nn, x, channels // 2, stride=2))


def last_unit(nn: Net, x: Tensor) -> Tensor:
    """As many channels as the next stage reads in ShuffleNetV2."""
    return pointwise(nn, depthwise(nn, x, 1, "dw"), 2 * x.channels, "pw2")


@network
def plain_shufflenet_v2(nn: Net, *, resolution: int = 224, softmax: bool = True) -> Tensor:
    """At scale 1."""
    *stages, last = CHANNELS[1.0]
    x = nn.input(resolution, resolution, 3)
    with nn.scope("stem"):
        x = nn.relu(nn.batch_norm(nn.conv(x, 24, 3, stride=2, padding=1)))
    x = nn.max_pool(x, 3, stride=2, padding=1)
    for stage, (units, channels) in enumerate(zip(UNITS, stages, strict=True), 2):
        for i in range(units):
            with nn.scope(f"stage{stage}.{i}"):
                if i == 0:
                    x = downsample(nn, x, channels)
                elif i < units - 1:
                    x = branch(nn, x, channels // 2, stride=1)
                else:
                    x = last_unit(nn, x)
    with nn.scope("head"):
        x = pointwise(nn, x, last, "pw")
    x = nn.global_avg_pool(x)
    x = nn.dense(x, 1000)
    return nn.softmax(x) if softmax else x
