"""MobileNetV1: depthwise separable convolutions (arXiv 1704.04861, table 1).

The table prints stride 2 for the last depthwise layer; its sizes and its 569M multiply-adds are
those of stride 1.
"""

from mbc.frontends.dsl import Net, Tensor, network

# Output channels and stride of each depthwise + pointwise pair.
BLOCKS = [
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
]


def bn_relu(nn: Net, x: Tensor) -> Tensor:
    """Batch norm and ReLU follow every convolution (figure 3)."""
    return nn.relu(nn.batch_norm(x))


@network
def mobilenet_v1(
    nn: Net, *, alpha: float = 1.0, resolution: int = 224, softmax: bool = True
) -> Tensor:
    """`alpha` thins all layers (section 3.3); `resolution` is that of the input (3.4)."""

    def thin(channels: int) -> int:
        return max(8, int(channels * alpha))

    x = nn.input(resolution, resolution, 3)
    with nn.scope("stem"):
        x = bn_relu(nn, nn.conv(x, thin(32), 3, stride=2, padding="same"))
    for i, (channels, stride) in enumerate(BLOCKS):
        with nn.scope(f"blocks.{i}"):
            x = bn_relu(nn, nn.depthwise(x, 3, stride=stride, padding="same"))
            x = bn_relu(nn, nn.pointwise(x, thin(channels)))
    x = nn.global_avg_pool(x)
    x = nn.dense(x, 1000, name="fc")
    return nn.softmax(x) if softmax else x
