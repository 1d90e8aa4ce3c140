"""Autoencoder: detects anomalies in the sound of machines, as MLPerf Tiny has it.

The baseline of task 2 of DCASE 2020: the more its output differs from its input, five frames of 128
mel bands, the more unusual is the sound.
"""

from mbc.frontends.dsl import Net, Tensor, network

HIDDEN = [128, 128, 128, 128, 8, 128, 128, 128, 128]


@network
def autoencoder(nn: Net, *, features: int = 640, bn_epsilon: float = 1e-3) -> Tensor:
    """Dense layers alone; batch norm and ReLU follow each but the last."""
    x = nn.input(features)
    for i, width in enumerate(HIDDEN):
        with nn.scope(f"hidden.{i}"):
            x = nn.relu(nn.batch_norm(nn.dense(x, width), epsilon=bn_epsilon))
    return nn.dense(x, features)
