"""ResNet-8: classifies 32x32 images of CIFAR-10 (arXiv 1512.03385), as MLPerf Tiny has it."""

from mbc.frontends.dsl import Net, Tensor, network

# Output channels, stride of each residual block.
BLOCKS = [
    (16, 1),
    (32, 2),
    (64, 2),
]


def residual(nn: Net, x: Tensor, channels: int, stride: int, epsilon: float) -> Tensor:
    """Two 3x3 convolutions beside the input, or beside a 1x1 convolution of it (figure 2)."""
    y = nn.conv(x, channels, 3, stride=stride, padding="same", bias=True, name="conv1")
    y = nn.relu(nn.batch_norm(y, epsilon=epsilon))
    y = nn.conv(y, channels, 3, padding="same", bias=True, name="conv2")
    y = nn.batch_norm(y, epsilon=epsilon)
    if stride != 1:
        x = nn.conv(x, channels, 1, stride=stride, bias=True, name="shortcut")
    return nn.relu(nn.add(x, y))


@network
def resnet8(
    nn: Net,
    *,
    resolution: int = 32,
    classes: int = 10,
    bn_epsilon: float = 1e-3,
    softmax: bool = True,
) -> Tensor:
    """Convolutions have biases, as in the reference; those of shortcuts have no batch norm."""
    x = nn.input(resolution, resolution, 3)
    with nn.scope("stem"):
        x = nn.conv(x, 16, 3, padding="same", bias=True)
        x = nn.relu(nn.batch_norm(x, epsilon=bn_epsilon))
    for i, (channels, stride) in enumerate(BLOCKS):
        with nn.scope(f"blocks.{i}"):
            x = residual(nn, x, channels, stride, bn_epsilon)
    x = nn.global_avg_pool(x)
    x = nn.dense(x, classes)
    return nn.softmax(x) if softmax else x
