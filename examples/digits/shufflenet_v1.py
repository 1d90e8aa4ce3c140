"""ShuffleNetV1 for the handwritten digits: the units of arXiv 1707.01083, fewer and thinner."""

from mbc.frontends.dsl import Net, Tensor, network

GROUPS = 3
STAGES = ((96, 3), (192, 3))  # channels and units; the first unit of each has stride 2


def unit(nn: Net, x: Tensor, channels: int, first_groups: int, stride: int) -> Tensor:
    """Build a ShuffleNet unit: figure 2b with stride 1, figure 2c with stride 2."""
    branch = channels if stride == 1 else channels - x.channels  # the rest is the shortcut's
    y = nn.pointwise(x, channels // 4, groups=first_groups, name="reduce")
    y = nn.relu(nn.batch_norm(y))
    y = nn.channel_shuffle(y, GROUPS)
    y = nn.depthwise(y, 3, stride=stride, padding=1, name="dw")
    y = nn.batch_norm(y)
    y = nn.pointwise(y, branch, groups=GROUPS, name="expand")
    y = nn.batch_norm(y)
    if stride == 1:
        return nn.relu(nn.add(x, y))
    shortcut = nn.avg_pool(x, 3, stride=2, padding=1, count_pad=True)
    return nn.concat(shortcut, nn.relu(y))  # the shortcut is not negative: it needs no ReLU


@network
def shufflenet_v1(nn: Net, *, softmax: bool = True) -> Tensor:
    """Score the ten digits in a grey 32x32 image."""
    x = nn.input(32, 32, 1)
    with nn.scope("stem"):
        x = nn.relu(nn.batch_norm(nn.conv(x, 24, 3, stride=2, padding=1)))
    x = nn.max_pool(x, 3, stride=2, padding=1)
    for stage, (channels, units) in enumerate(STAGES, 2):
        for i in range(units):
            first = 1 if stage == 2 and i == 0 else GROUPS  # its input has few channels
            with nn.scope(f"stage{stage}.{i}"):
                x = unit(nn, x, channels, first, 2 if i == 0 else 1)
    x = nn.dense(nn.global_avg_pool(x), 10)
    return nn.softmax(x) if softmax else x
