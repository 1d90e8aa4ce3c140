"""DS-CNN: spots twelve keywords (arXiv 1711.07128, the small one), as MLPerf Tiny has it.

The input is a second of sound: 49 frames of 10 mel-frequency cepstral coefficients.
"""

from mbc.frontends.dsl import Net, Tensor, network


def bn_relu(nn: Net, x: Tensor, epsilon: float) -> Tensor:
    """Batch norm and ReLU follow every convolution."""
    return nn.relu(nn.batch_norm(x, epsilon=epsilon))


@network
def ds_cnn(
    nn: Net,
    *,
    channels: int = 64,
    classes: int = 12,
    bn_epsilon: float = 1e-3,
    softmax: bool = True,
) -> Tensor:
    """Convolutions have biases, as in the reference, though a batch norm follows each.

    The pool is over all of 25x5, as in version 0.5; later versions leave the last row out.
    """
    x = nn.input(49, 10, 1)
    with nn.scope("stem"):
        x = nn.conv(x, channels, (10, 4), stride=2, padding="same", bias=True)
        x = bn_relu(nn, x, bn_epsilon)
    for i in range(4):
        with nn.scope(f"blocks.{i}"):
            x = bn_relu(nn, nn.depthwise(x, 3, padding="same", bias=True), bn_epsilon)
            x = bn_relu(nn, nn.pointwise(x, channels, bias=True), bn_epsilon)
    x = nn.global_avg_pool(x)
    x = nn.dense(x, classes)
    return nn.softmax(x) if softmax else x
