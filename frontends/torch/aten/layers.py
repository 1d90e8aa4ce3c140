"""Convolutions, dense layers, normalisations and attention."""

from __future__ import annotations

from math import prod, sqrt

import numpy as np

from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.torch.aten.activations import Made, Rule
from mbc.frontends.torch.site import Site


def conv2d(s: Site) -> str:
    """Convolution in two dimensions, with any groups, strides, dilations and padding."""
    padding = s.arguments["padding"]
    window: dict[str, object] = {"strides": s.pair("stride"), "dilations": s.pair("dilation")}
    if isinstance(padding, str):
        window["auto_pad"] = {"same": "SAME_UPPER"}.get(padding, "VALID")
    else:
        window["pads"] = s.pair("padding") * 2
    operands = s.value("input"), s.value("weight"), s.optional("bias")
    return s.result("Conv", *operands, group=s.arguments["groups"], **window)


def conv_transpose2d(s: Site) -> str:
    """Transposed convolution in two dimensions."""
    window = {
        "strides": s.pair("stride"),
        "dilations": s.pair("dilation"),
        "pads": s.pair("padding") * 2,
        "output_padding": s.pair("output_padding"),
    }
    operands = s.value("input"), s.value("weight"), s.optional("bias")
    return s.result("ConvTranspose", *operands, group=s.arguments["groups"], **window)


def convolution(s: Site) -> str:
    """Either of the two, as the core set of ops has them."""
    return conv_transpose2d(s) if s.arguments["transposed"] else conv2d(s)


def linear(s: Site) -> str:
    """Dense layer, over the last axis."""
    x, parameters = s.value("input"), (s.value("weight"), s.optional("bias"))
    shape = s.shape_of("input")
    if len(shape) == 2:
        return s.result("Gemm", x, *parameters, transB=1)
    rows = prod(shape[:-1])
    flat = s.step("Reshape", x, shape=(rows, shape[-1]))
    made = s.step("Gemm", flat, *parameters, transB=1, shape=(rows, s.shape[-1]))
    return s.result("Reshape", made)


def addmm(s: Site) -> str:
    """Product of two matrices, and a bias."""
    factors = s.value("mat1"), s.value("mat2"), s.value("self")
    return s.result("Gemm", *factors, alpha=s.arguments["alpha"], beta=s.arguments["beta"])


def matmul(s: Site) -> str:
    """Product of tensors."""
    second = next(role for role in ("mat2", "other") if role in s.arguments)
    return s.result("MatMul", s.value("self"), s.value(second))


def batch_norm(s: Site) -> Made:
    """Normalisation by stored statistics; training mode is not supported."""
    if s.arguments.get("training"):
        raise Unsupported("it is in training mode", "call model.eval() before it is exported")
    mean, variance = s.value("running_mean"), s.value("running_var")
    shape = s.draft.shape_of(mean)
    vectors = _affine(s, "weight", "bias", shape)
    return s.first(
        "BatchNormalization", s.value("input"), *vectors, mean, variance, epsilon=s.arguments["eps"]
    )


def _affine(s: Site, scale: str, offset: str, shape: tuple[int, ...]) -> tuple[str, str]:
    """Return the scale and offset of a normalisation, which may be absent."""
    gamma, beta = s.optional(scale), s.optional(offset)
    gamma = gamma or s.constant(scale, np.ones(shape, np.float32))
    return gamma, beta or s.constant(offset, np.zeros(shape, np.float32))


def layer_norm(s: Site) -> Made:
    """Normalisation over the last axes by their own mean and variance."""
    shape = tuple(s.arguments["normalized_shape"])
    vectors = _affine(s, "weight", "bias", shape)
    return s.first(
        "LayerNormalization",
        s.value("input"),
        *vectors,
        axis=-len(shape),
        epsilon=s.arguments["eps"],
    )


def instance_norm(s: Site) -> str:
    """Normalisation of each channel of an image by its own mean and variance."""
    if not s.arguments["use_input_stats"]:
        raise Unsupported("it uses stored statistics")
    vectors = _affine(s, "weight", "bias", (s.shape[1],))
    return s.result("InstanceNormalization", s.value("input"), *vectors, epsilon=s.arguments["eps"])


def group_norm(s: Site) -> str:
    """Normalisation of groups of channels, as arithmetic; of single ones an instance norm."""
    groups, shape = int(s.arguments["num_groups"]), s.shape
    channels = shape[1]
    vectors = _affine(s, "weight", "bias", (channels,))
    x, epsilon = s.value("input"), s.arguments["eps"]
    if groups == channels and len(shape) == 4:
        return s.result("InstanceNormalization", x, *vectors, epsilon=epsilon)
    cut = shape if groups == 1 else (shape[0], groups, channels // groups, *shape[2:])
    axes = tuple(range(1 if groups == 1 else 2, len(cut)))
    normal = _normalised(s, _cast(s, x, cut), cut, axes, epsilon)
    gamma, beta = (s.beside_channels(vector, len(shape)) for vector in vectors)
    scaled = s.step("Mul", _cast(s, normal, shape), gamma, shape=shape)
    return s.result("Add", scaled, beta)


def _cast(s: Site, x: str, shape: tuple[int, ...]) -> str:
    """Return a value in another shape."""
    return x if s.draft.shape_of(x) == shape else s.step("Reshape", x, shape=shape)


def _normalised(s: Site, x: str, shape: tuple[int, ...], axes: tuple[int, ...], eps: float) -> str:
    """Subtract the mean over axes, and divide by the deviation."""
    one = tuple(1 if axis in axes else extent for axis, extent in enumerate(shape))
    mean = s.step("ReduceMean", x, axes=axes, keepdims=1, shape=one)
    centred = s.step("Sub", x, mean, shape=shape)
    squares = s.step("Mul", centred, centred, shape=shape)
    variance = s.step("ReduceMean", squares, axes=axes, keepdims=1, shape=one)
    deviation = s.step("Sqrt", s.step("Add", variance, s.number("eps", eps), shape=one), shape=one)
    return s.step("Div", centred, deviation, shape=shape)


def attention(s: Site) -> str:
    """softmax(query * key^T * scale + attn_mask) * value."""
    s.require("is_causal", False)
    s.require("dropout_p", 0)
    s.require("enable_gqa", False)
    query, key, value = (s.value(role) for role in ("query", "key", "value"))
    shape, rank = s.shape_of("query"), s.rank("query")
    length = s.shape_of("key")[-2]
    scale = s.arguments["scale"]
    factor = s.number("scale", 1 / sqrt(shape[-1]) if scale is None else scale)
    scaled = s.step("Mul", query, factor, shape=shape)
    swapped = (*range(rank - 2), rank - 1, rank - 2)
    turned = s.step("Transpose", key, perm=swapped)
    scores = s.step("MatMul", scaled, turned, shape=(*shape[:-1], length))
    if mask := s.optional("attn_mask"):
        scores = s.step("Add", scores, mask, shape=(*shape[:-1], length))
    return s.result("MatMul", s.step("Softmax", scores, axis=-1), value)


def softmax(s: Site) -> str:
    """Softmax over one axis."""
    return s.result("Softmax", s.value("self"), axis=s.axis("dim"))


def log_softmax(s: Site) -> str:
    """Logarithm of softmax over one axis."""
    return s.result("LogSoftmax", s.value("self"), axis=s.axis("dim"))


RULES: dict[str, Rule] = {
    "_log_softmax": log_softmax,
    "_native_batch_norm_legit_no_training": batch_norm,
    "_softmax": softmax,
    "addmm": addmm,
    "batch_norm": batch_norm,
    "bmm": matmul,
    "conv2d": conv2d,
    "conv_transpose2d": conv_transpose2d,
    "convolution": convolution,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
    "layer_norm": layer_norm,
    "linear": linear,
    "log_softmax": log_softmax,
    "matmul": matmul,
    "mm": matmul,
    "native_layer_norm": layer_norm,
    "scaled_dot_product_attention": attention,
    "softmax": softmax,
}
