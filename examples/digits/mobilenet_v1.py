"""MobileNetV1 for the handwritten digits: the blocks of arXiv 1704.04861, fewer and thinner."""

from mbc.frontends.dsl import Net, Tensor, network

# Output channels and stride of each depthwise + pointwise pair; 16x16 becomes 4x4.
BLOCKS = [
    (32, 1),
    (48, 2),
    (48, 1),
    (96, 2),
    (96, 1),
    (128, 1),
]


def bn_relu(nn: Net, x: Tensor) -> Tensor:
    """Batch norm and ReLU follow every convolution (figure 3)."""
    return nn.relu(nn.batch_norm(x))


@network
def mobilenet_v1(nn: Net, *, softmax: bool = True) -> Tensor:
    """Score the ten digits in a grey 32x32 image."""
    x = nn.input(32, 32, 1)
    with nn.scope("stem"):
        x = bn_relu(nn, nn.conv(x, 16, 3, stride=2, padding="same"))
    for i, (channels, stride) in enumerate(BLOCKS):
        with nn.scope(f"blocks.{i}"):
            x = bn_relu(nn, nn.depthwise(x, 3, stride=stride, padding="same"))
            x = bn_relu(nn, nn.pointwise(x, channels))
    x = nn.dense(nn.global_avg_pool(x), 10)
    return nn.softmax(x) if softmax else x
