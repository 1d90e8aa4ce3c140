"""The language of networks: one page of Python, traced into a graph.

from mbc.frontends.dsl import Net, Tensor, network

@network
def tiny(nn: Net, *, width: int = 8) -> Tensor:
    x = nn.input(32, 32, 3)
    x = nn.relu(nn.batch_norm(nn.conv(x, width, 3, stride=2, padding="same")))
    return nn.dense(nn.global_avg_pool(x), 10)
"""

from mbc.frontends.dsl.builder import Tensor, Weight
from mbc.frontends.dsl.define import NetworkDef, Outputs, network
from mbc.frontends.dsl.load import load_network
from mbc.frontends.dsl.net import Net
from mbc.frontends.dsl.params import Parameter, ParameterValue

__all__ = [
    "Net",
    "NetworkDef",
    "Outputs",
    "Parameter",
    "ParameterValue",
    "Tensor",
    "Weight",
    "load_network",
    "network",
]
