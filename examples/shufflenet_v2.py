"""ShuffleNetV2: channel split instead of groups (arXiv 1807.11164, table 5)."""

from mbc.frontends.dsl import Net, Tensor, network

UNITS = (4, 8, 4)  # of stages 2, 3, 4; the first of each has stride 2
CHANNELS = {  # of stages 2, 3, 4 and of the last convolution, by scale
    0.5: (48, 96, 192, 1024),
    1.0: (116, 232, 464, 1024),
    1.5: (176, 352, 704, 1024),
    2.0: (244, 488, 976, 2048),
}


def pointwise(nn: Net, x: Tensor, channels: int, name: str) -> Tensor:
    """1x1 convolution, batch norm, ReLU."""
    return nn.relu(nn.batch_norm(nn.pointwise(x, channels, name=name)))


def depthwise(nn: Net, x: Tensor, stride: int, name: str) -> Tensor:
    """3x3 depthwise convolution and batch norm, no activation."""
    return nn.batch_norm(nn.depthwise(x, 3, stride=stride, padding=1, name=name))


def branch(nn: Net, x: Tensor, channels: int, stride: int) -> Tensor:
    """Build the branch that both units have."""
    x = pointwise(nn, x, channels, "pw1")
    x = depthwise(nn, x, stride, "dw")
    return pointwise(nn, x, channels, "pw2")


def unit(nn: Net, x: Tensor) -> Tensor:
    """Figure 3c: half of the channels pass unchanged."""
    kept, worked = nn.split(x, parts=2)
    worked = branch(nn, worked, x.channels // 2, stride=1)
    return nn.channel_shuffle(nn.concat(kept, worked), 2)


def downsample(nn: Net, x: Tensor, channels: int) -> Tensor:
    """Figure 3d: no split, both branches have stride 2."""
    left = pointwise(nn, depthwise(nn, x, 2, "left.dw"), channels // 2, "left.pw")
    right = branch(nn, x, channels // 2, stride=2)
    return nn.channel_shuffle(nn.concat(left, right), 2)


@network
def shufflenet_v2(
    nn: Net,
    *,
    scale: float = 1.0,
    resolution: int = 224,
    classes: int = 1000,
    softmax: bool = True,
) -> Tensor:
    """`scale` chooses the widths of table 5 ("ShuffleNet v2 1.5x")."""
    known = ", ".join(map(str, CHANNELS))
    nn.require(scale in CHANNELS, f"scale must be one of {known}, found {scale}")
    *stages, last = CHANNELS[scale]
    x = nn.input(resolution, resolution, 3)
    with nn.scope("stem"):
        x = nn.relu(nn.batch_norm(nn.conv(x, 24, 3, stride=2, padding=1)))
    x = nn.max_pool(x, 3, stride=2, padding=1)
    for stage, (units, channels) in enumerate(zip(UNITS, stages, strict=True), 2):
        for i in range(units):
            with nn.scope(f"stage{stage}.{i}"):
                x = downsample(nn, x, channels) if i == 0 else unit(nn, x)
    with nn.scope("head"):
        x = pointwise(nn, x, last, "pw")
    x = nn.global_avg_pool(x)
    x = nn.dense(x, classes)
    return nn.softmax(x) if softmax else x
