"""Small networks in Python that use every layer; their loops are over tuples, so that no change of
a number makes a program that never ends."""

from tests.e2e.support import TINY
from tests.hostile.cases.case import HEAD

LAYERS = f"""{HEAD}
@network
def layers(nn: Net) -> Tensor:
    x = nn.input(12, 10, 6, name="image")
    y = nn.conv(x, 8, (3, 5), stride=(2, 1), padding=(1, 0, 2, 2), dilation=1, bias=True)
    y = nn.relu6(nn.batch_norm(y, epsilon=0.001, name="norm"))
    y = nn.concat(nn.max_pool(y, 2), nn.avg_pool(y, 2, stride=2, padding=0, count_pad=True))
    a, b = nn.split(y, parts=2)
    c, d = nn.split(nn.add(a, b), sizes=(3, 5))
    y = nn.transpose(nn.concat(d, c), (0, 2, 1, 3))
    y = nn.reshape(y, (1, -1, 8))
    return nn.softmax(nn.dense(nn.reshape(y, (1, 240)), 7, bias=False, name="last"))
"""

UNITS = """from typing import Literal

from mbc.frontends.dsl import Net, Tensor, network

CHANNELS = {1: 8, 2: 12, 4: 16}


def unit(nn: Net, x: Tensor, channels: int, groups: int, stride: int) -> Tensor:
    nn.require(channels % groups == 0, f"{channels} channels in {groups} groups", "take others")
    y = nn.relu(nn.batch_norm(nn.pointwise(x, channels, groups=groups, name="reduce")))
    y = nn.channel_shuffle(y, groups)
    y = nn.batch_norm(nn.depthwise(y, 3, stride=stride, padding=1, name="dw"))
    y = nn.pointwise(y, x.channels, groups=groups, name="expand", bias=True)
    if stride == 1:
        return nn.relu(nn.add(x, y))
    return nn.concat(nn.avg_pool(x, 3, stride=2, padding=1, count_pad=True), nn.relu(y))


@network
def units(
    nn: Net, *, groups: Literal[1, 2, 4] = 2, resolution: int = 16, wide: bool = False
) -> dict[str, Tensor]:
    x = nn.input(resolution, resolution, 4 if wide else 8)
    for number, stride in enumerate((2, 1, 1), 2):
        with nn.scope(f"stage{number}"):
            x = unit(nn, x, CHANNELS[groups], groups, stride)
    return {"features": x, "scores": nn.dense(nn.global_avg_pool(x), 10)}
"""

PAIR = f"""{HEAD}
def block(nn, x, expand=3):
    y = nn.relu6(nn.pointwise(x, expand * x.shape[-1]))
    y = nn.relu6(nn.depthwise(y, kernel=3, padding="same", dilation=2))
    return nn.add(x, nn.pointwise(y, x.channels))

@network
def pair(nn: Net, *, alpha: float = 1.0, name: str = "a"):
    a, b = nn.input(6, 6, 4), nn.input(6, 6, 4)
    x = nn.relu(nn.conv(nn.add(a, b), int(8 * alpha), 3, padding="same", name=name))
    return x, block(nn, block(nn, x))
"""

NETWORKS = (TINY, LAYERS, UNITS, PAIR)
