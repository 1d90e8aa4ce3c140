"""ShuffleNet: grouped pointwise convolutions and channel shuffle (arXiv 1707.01083, table 1)."""

from typing import Literal

from mbc.frontends.dsl import Net, Tensor, network

UNITS = (4, 8, 4)  # of stages 2, 3, 4; the first of each has stride 2
CHANNELS = {  # of stages 2, 3, 4 by the number of groups, at scale 1
    1: (144, 288, 576),
    2: (200, 400, 800),
    3: (240, 480, 960),
    4: (272, 544, 1088),
    8: (384, 768, 1536),
}
STEM = {0.25: 12, 0.5: 12, 1.0: 24, 1.5: 24, 2.0: 48}  # channels by scale


def unit(nn: Net, x: Tensor, channels: int, groups: int, first_groups: int, stride: int) -> Tensor:
    """Build a ShuffleNet unit: figure 2b with stride 1, figure 2c with stride 2."""
    branch = channels if stride == 1 else channels - x.channels  # the rest is the shortcut's
    nn.require(
        channels // 4 % groups == 0 and branch % groups == 0,
        f"{channels // 4} and {branch} channels are not both divisible into {groups} groups",
        "choose another scale or number of groups",
    )
    y = nn.pointwise(x, channels // 4, groups=first_groups, name="reduce")
    y = nn.relu(nn.batch_norm(y))
    y = nn.channel_shuffle(y, groups)
    y = nn.depthwise(y, 3, stride=stride, padding=1, name="dw")
    y = nn.batch_norm(y)
    y = nn.pointwise(y, branch, groups=groups, name="expand")
    y = nn.batch_norm(y)
    if stride == 1:
        return nn.relu(nn.add(x, y))
    shortcut = nn.avg_pool(x, 3, stride=2, padding=1, count_pad=True)
    return nn.concat(shortcut, nn.relu(y))  # the shortcut is not negative: it needs no ReLU


@network
def shufflenet_v1(
    nn: Net,
    *,
    groups: Literal[1, 2, 3, 4, 8] = 3,
    scale: float = 1.0,
    resolution: int = 224,
    classes: int = 1000,
    softmax: bool = True,
) -> Tensor:
    """`scale` multiplies the channels of the stages ("ShuffleNet 0.5x")."""
    nn.require(scale in STEM, f"scale must be one of {', '.join(map(str, STEM))}, found {scale}")
    x = nn.input(resolution, resolution, 3)
    with nn.scope("stem"):
        x = nn.relu(nn.batch_norm(nn.conv(x, STEM[scale], 3, stride=2, padding=1)))
    x = nn.max_pool(x, 3, stride=2, padding=1)
    for stage, (units, channels) in enumerate(zip(UNITS, CHANNELS[groups], strict=True), 2):
        for i in range(units):
            first = 1 if stage == 2 and i == 0 else groups  # its input has few channels
            with nn.scope(f"stage{stage}.{i}"):
                x = unit(nn, x, int(channels * scale), groups, first, 2 if i == 0 else 1)
    x = nn.global_avg_pool(x)
    x = nn.dense(x, classes)
    return nn.softmax(x) if softmax else x
