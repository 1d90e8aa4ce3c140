"""The twin of a network: a PyTorch module built from mbc's graph.

So a network is written once, and the trained network is the compiled one. PyTorch's tensors are
NCHW, its filters OIHW, its dense weights OI; the graph's are NHWC, HWIO and IO.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from mbc.ir.activations import Clip
from mbc.ir.graph import Constant, Graph, Node
from mbc.ops import (
    Activate,
    Add,
    AvgPool,
    BatchNorm,
    ChannelShuffle,
    Concat,
    Conv2d,
    Dense,
    GlobalAvgPool,
    MaxPool,
)
from mbc.ops.window import Pad

Layer: TypeAlias = Callable[..., Tensor]


class Twin:
    """Computes the same as the graph, one layer a node: scores [n,k] from [n,c,h,w]."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.layers = [(node, layer(node)) for node in graph.topo()]
        self.learned = nn.ModuleList(x for _, x in self.layers if isinstance(x, nn.Module))

    def __call__(self, x: Tensor) -> Tensor:
        known = {self.graph.inputs[0]: x}
        for node, compute in self.layers:
            operands = [known[value] for view in node.views for value in view.values]
            known[node.result] = compute(*operands)
        return known[self.graph.outputs[0].values[0]]

    def bind_weights(self) -> None:
        """Bind the graph's constants to the learned parameters."""
        for node, compute in self.layers:
            learned = learned_by(compute)
            for role, constant in node.items():
                if isinstance(constant, Constant):
                    data = learned[role].detach().numpy()
                    constant.data = np.ascontiguousarray(data, np.float32)


def layer(node: Node) -> Layer:
    """Make the layer for a node; raises NotImplementedError for ops that no network here has."""
    match node.op:
        case Conv2d() as op:
            return _conv(node, op)
        case Dense():
            inputs, outputs = _filter_shape(node)
            return nn.Linear(inputs, outputs, bias=node["bias"] is not None)
        case BatchNorm(epsilon=epsilon):
            return nn.BatchNorm2d(node.result.type.channels, eps=epsilon)
        case Activate(act=Clip(lo=lo, hi=hi)):
            return lambda x: torch.clamp(x, lo, hi)
        case MaxPool(kernel=kernel, stride=stride, pad=pad, dilation=dilation):
            return nn.MaxPool2d(kernel, stride, _symmetric(pad), dilation)
        case AvgPool(kernel=kernel, stride=stride, pad=pad, count_pad=count_pad, overhang=(0, 0)):
            return nn.AvgPool2d(kernel, stride, _symmetric(pad), count_include_pad=count_pad)
        case GlobalAvgPool():
            return lambda x: x.mean(dim=(2, 3))
        case ChannelShuffle(groups=groups):
            return nn.ChannelShuffle(groups)
        case Add():
            return torch.add
        case Concat():
            return lambda *parts: torch.cat(parts, dim=1)
    raise NotImplementedError(f"{node.op.mnemonic} has no twin")


def _conv(node: Node, op: Conv2d) -> nn.Module:
    """Make padding and convolution as two layers: TensorFlow's padding may be asymmetric."""
    kh, kw, per_group, outputs = _filter_shape(node)
    top, bottom, left, right = op.pad
    conv = nn.Conv2d(
        per_group * op.groups,
        outputs,
        (kh, kw),
        op.stride,
        dilation=op.dilation,
        groups=op.groups,
        bias=node["bias"] is not None,
    )
    return nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), conv)


def _filter_shape(node: Node) -> tuple[int, ...]:
    weight = node.constant("weight")
    if weight is None:
        raise ValueError(f"{node.op.mnemonic} has no weight")
    return weight.type.shape


def _symmetric(pad: Pad) -> tuple[int, int]:
    top, bottom, left, right = pad
    if (top, left) != (bottom, right):
        raise NotImplementedError(f"a pool with padding {pad} has no twin")
    return top, left


def learned_by(compute: Layer) -> dict[str, Tensor]:
    """Return a layer's learned parameters in the layout of its node's constants, by role."""
    match compute:
        case nn.Sequential():
            return learned_by(compute[1])
        case nn.Conv2d(weight=weight, bias=bias):
            return {"weight": weight.permute(2, 3, 1, 0), "bias": bias}
        case nn.Linear(weight=weight, bias=bias):
            return {"weight": weight.t(), "bias": bias}
        case nn.BatchNorm2d(weight=weight, bias=bias, running_mean=mean, running_var=variance):
            return {"gamma": weight, "beta": bias, "mean": mean, "variance": variance}
    return {}
