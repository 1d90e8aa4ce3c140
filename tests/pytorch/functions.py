"""Small modules, each for one op or a way to write one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812  as everybody calls it

IMAGE = (2, 8, 6, 6)

Function = Callable[[Any], Any]


def drawn(*shape: int) -> Any:
    """Numbers from a seed."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


ACTIVATIONS: Mapping[str, Function] = {
    "clamp": lambda x: x.clamp(-0.5, 1),
    "clamp_min": lambda x: x.clamp(min=0.25),
    "clamp_max": lambda x: torch.clamp_max(x, 0.25),
    "elu": lambda x: F.elu(x, 0.5),
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "glu": lambda x: F.glu(x, 1),
    "hardsigmoid": F.hardsigmoid,
    "hardswish": F.hardswish,
    "hardswish_written_out": lambda x: x * F.relu6(x + 3) / 6,
    "hardtanh": F.hardtanh,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "relu": F.relu,
    "relu_in_place": lambda x: F.relu_(x + 0.5),
    "relu6": F.relu6,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "silu_written_out": lambda x: x * torch.sigmoid(x),
    "tanh": torch.tanh,
}

ARITHMETIC: Mapping[str, Function] = {
    "abs": torch.abs,
    "add_alpha": lambda x: torch.add(x, x.flip(1), alpha=0.5),
    "add_number": lambda x: x + 2,
    "addcmul": lambda x: torch.addcmul(x, x, x + 1, value=0.5),
    "div": lambda x: x / (x.abs() + 1),
    "exp": torch.exp,
    "log": lambda x: torch.log(x.abs() + 1),
    "maximum": lambda x: torch.maximum(x, 1 - x),
    "minimum": lambda x: torch.minimum(x, x * x),
    "mul_by_channel": lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)),
    "mul_expanded": lambda x: x * x.mean((2, 3), keepdim=True).expand_as(x),
    "neg": torch.neg,
    "pow": lambda x: (x.abs() + 1) ** 1.5,
    "reciprocal": lambda x: torch.reciprocal(x.abs() + 1),
    "rsqrt": lambda x: torch.rsqrt(x.abs() + 1),
    "rsub": lambda x: torch.rsub(x, 3, alpha=2),
    "sqrt": lambda x: torch.sqrt(x.abs()),
    "square": torch.square,
    "sub": lambda x: x - x.mean(1, keepdim=True),
}

MOVES: Mapping[str, Function] = {
    "cat": lambda x: torch.cat((x, x * 2), 1),
    "channel_shuffle": lambda x: F.channel_shuffle(x, 4),
    "channels_by_numbers": lambda x: x[:, [3, 1, 0, 2]],
    "chunk": lambda x: torch.cat(x.chunk(2, 1)[::-1], 1),
    "constant_pad": lambda x: F.pad(x, (1, 2, 0, 1), value=0.5),
    "dropout": lambda x: F.dropout(x, training=False),
    "edge_pad": lambda x: F.pad(x, (1, 2, 2, 0), mode="replicate"),
    "even_channels": lambda x: x[:, ::2],
    "flatten": lambda x: x.flatten(1),
    "narrow": lambda x: x.narrow(3, -4, 2),
    "permute": lambda x: x.permute(0, 2, 3, 1),
    "pixel_shuffle": lambda x: F.pixel_shuffle(x, 2),
    "pixel_unshuffle": lambda x: F.pixel_unshuffle(x, 2),
    "reflect_pad": lambda x: F.pad(x, (1, 2, 1, 1), mode="reflect"),
    "select": lambda x: x[:, 3] + x.select(1, -1),
    "slice": lambda x: x[:, :, 1:5:2, -3:],
    "split": lambda x: torch.cat(torch.split(x, [1, 5, 2], 1)[1:], 1),
    "stack": lambda x: torch.stack((x, x + 1), 2).flatten(1, 2),
    "to_half_and_back": lambda x: x.to(torch.float64).float() + 1,
    "transpose": lambda x: x.transpose(1, 2) * 2,
    "unbind": lambda x: x.unbind(1)[2] - x.unbind(1)[0],
    "view": lambda x: x.view(2, 2, 4, 6, 6).transpose(1, 2).reshape(2, 8, 6, 6),
}

POOLS: Mapping[str, Function] = {
    "adaptive_avg_pool": lambda x: F.adaptive_avg_pool2d(x, 1),
    "adaptive_avg_pool_in_parts": lambda x: F.adaptive_avg_pool2d(x, (3, 2)),
    "adaptive_max_pool": lambda x: F.adaptive_max_pool2d(x, 1),
    "amax": lambda x: x.amax((2, 3)),
    "avg_pool": lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "avg_pool_counting": lambda x: F.avg_pool2d(x, 3, 2, 1),
    "bilinear": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
    "bilinear_align_corners": lambda x: F.interpolate(
        x, size=(11, 7), mode="bilinear", align_corners=True
    ),
    "max_pool": lambda x: F.max_pool2d(x, 3, 2, 1),
    "max_pool_ceil": lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True),
    "mean": lambda x: x.mean((2, 3)),
    "nearest": lambda x: F.interpolate(x, scale_factor=2),
    "nearest_exact": lambda x: F.interpolate(x, size=(9, 9), mode="nearest-exact"),
    "norm": lambda x: x / torch.linalg.vector_norm(x, dim=1, keepdim=True).clamp_min(0.5),
    "sum": lambda x: x.sum(1, keepdim=True),
}


def _with_statistics(norm: Any) -> nn.Module:
    for tensor, low in ((norm.running_mean, -0.5), (norm.running_var, 0.5)):
        nn.init.uniform_(tensor, low, low + 1)
    return _with_affine(norm)


def _with_affine(norm: Any) -> nn.Module:
    for tensor in (norm.weight, norm.bias):
        nn.init.uniform_(tensor, 0.5, 1.5)
    made: nn.Module = norm
    return made


class Columns(nn.Linear):
    """A dense layer for each pixel."""

    def forward(self, x: Any) -> Any:
        return super().forward(x.permute(0, 2, 3, 1))


class Attention(nn.Module):
    """Self-attention over the pixels of an image."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(channels, 3 * channels)

    def forward(self, x: Any) -> Any:
        images, channels, height, width = x.shape
        rows = x.flatten(2).transpose(1, 2)
        parts = self.qkv(rows).reshape(images, height * width, 3, 2, channels // 2)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
        made = F.scaled_dot_product_attention(q, k, v)
        return made.transpose(1, 2).reshape(images, height * width, channels)


LAYERS: Mapping[str, Callable[[], nn.Module]] = {
    "attention": lambda: Attention(8),
    "batch_norm": lambda: _with_statistics(nn.BatchNorm2d(8)),
    "batch_norm_without_affine": lambda: nn.BatchNorm2d(8, affine=False),
    "conv": lambda: nn.Conv2d(8, 6, 3, 2, 1),
    "conv_depthwise": lambda: nn.Conv2d(8, 16, (3, 1), groups=8, bias=False),
    "conv_dilated": lambda: nn.Conv2d(8, 4, 3, padding="same", dilation=2),
    "conv_padded_before": lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(8, 4, 3, 2)),
    "conv_transposed": lambda: nn.ConvTranspose2d(8, 4, 3, 2, 1, output_padding=1),
    "dense": lambda: nn.Sequential(nn.Flatten(), nn.Linear(288, 5)),
    "dense_of_pixels": lambda: Columns(8, 3),
    "group_norm": lambda: _with_affine(nn.GroupNorm(1, 8)),
    "group_norm_of_channels": lambda: _with_affine(nn.GroupNorm(8, 8)),
    "instance_norm": lambda: _with_affine(nn.InstanceNorm2d(8, affine=True)),
    "layer_norm": lambda: nn.Sequential(nn.Flatten(2), _with_affine(nn.LayerNorm(36))),
    "log_softmax": lambda: nn.LogSoftmax(1),
    "prelu": lambda: nn.PReLU(8, 0.3),
    "prelu_of_one": lambda: nn.PReLU(),
    "softmax": lambda: nn.Softmax(1),
}

FUNCTIONS: Mapping[str, Mapping[str, Function]] = {
    "activations": ACTIVATIONS,
    "arithmetic": ARITHMETIC,
    "moves": MOVES,
    "pools": POOLS,
}


class Each(nn.Module):
    """Many functions and layers of one image, under their names."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        super().__init__()
        layers = {name: each for name, each in functions.items() if isinstance(each, nn.Module)}
        self.layers, self.functions = nn.ModuleDict(layers), functions

    def forward(self, x: Any) -> dict[str, Any]:
        return {name: function(x) for name, function in self.functions.items()}
