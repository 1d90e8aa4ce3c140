"""SqueezeNet 1.1: fire modules, no batch norm (arXiv 1602.07360).

The changes of 1.1 are those of github.com/forresti/SqueezeNet, SqueezeNet_v1.1, and of torchvision.
"""

from mbc.frontends.dsl import Net, Tensor, network

# Squeezed channels, and expanded ones of each window; a max pool precedes each stage.
STAGES = [
    [(16, 64), (16, 64)],
    [(32, 128), (32, 128)],
    [(48, 192), (48, 192), (64, 256), (64, 256)],
]


def ceil_pool(nn: Net, x: Tensor) -> Tensor:
    """3x3 max pool with stride 2; the last windows may reach beyond the map by a row or column
    ("ceil mode")."""
    bottom, right = ((size - 3) % 2 for size in x.shape[1:3])
    return nn.max_pool(x, 3, stride=2, padding=(0, bottom, 0, right))


def fire(nn: Net, x: Tensor, squeezed: int, expanded: int) -> Tensor:
    """1x1 squeeze, then 1x1 and 3x3 expansions side by side (figure 1)."""
    x = nn.relu(nn.pointwise(x, squeezed, bias=True, name="squeeze"))
    small = nn.relu(nn.pointwise(x, expanded, bias=True, name="expand1x1"))
    large = nn.relu(nn.conv(x, expanded, 3, padding=1, bias=True, name="expand3x3"))
    return nn.concat(small, large)


@network
def squeezenet(
    nn: Net, *, resolution: int = 224, classes: int = 1000, softmax: bool = True
) -> Tensor:
    """Put the classifier, a convolution, before the pool."""
    x = nn.input(resolution, resolution, 3)
    with nn.scope("stem"):
        x = nn.relu(nn.conv(x, 64, 3, stride=2, bias=True))
    number = 2  # the paper counts the stem as layer 1
    for fires in STAGES:
        x = ceil_pool(nn, x)
        for squeezed, expanded in fires:
            with nn.scope(f"fire{number}"):
                x = fire(nn, x, squeezed, expanded)
            number += 1
    with nn.scope("head"):
        x = nn.relu(nn.pointwise(x, classes, bias=True))
    x = nn.global_avg_pool(x)
    return nn.softmax(x) if softmax else x
