"""Bounds, additions, scales and softmax."""

from __future__ import annotations

from math import inf

import numpy as np

from mbc.frontends.onnx.importer.builder import Builder
from mbc.frontends.onnx.importer.model import OnnxNode
from mbc.frontends.onnx.importer.problems import Unsupported
from mbc.frontends.onnx.importer.rules.activations import activated
from mbc.frontends.onnx.importer.rules.attributes import axis_of, real, shortest, whole
from mbc.frontends.onnx.importer.tracked import CHANNEL, Tracked
from mbc.ir.activations import Clip
from mbc.ops.elementwise import Add, BatchNorm, Softmax
from mbc.ops.norm import LayerNorm


def clip(b: Builder, node: OnnxNode) -> Tracked:
    """Bounds, either of which may be absent; constants alone."""
    return _clipped(b, b.input(0), _bound(b, 1, -inf), _bound(b, 2, inf))


def minimum(b: Builder, node: OnnxNode) -> Tracked:
    """Minimum with one constant."""
    x, bound = _with_scalar(b, node)
    return _clipped(b, x, -inf, bound)


def maximum(b: Builder, node: OnnxNode) -> Tracked:
    """Maximum with one constant."""
    x, bound = _with_scalar(b, node)
    return _clipped(b, x, bound, inf)


def _bound(b: Builder, index: int, default: float) -> float:
    array = b.optional_input(index, "bound")
    if array is None:
        return default
    if array.size != 1:
        raise Unsupported("its bound is no single number")
    return shortest(array.ravel()[0])


def _clipped(b: Builder, x: Tracked, lo: float, hi: float) -> Tracked:
    if not lo <= hi:
        raise Unsupported(f"its bounds {lo:g} and {hi:g} leave no range")
    return activated(b, x, Clip(lo, hi)) if (lo, hi) != (-inf, inf) else x


def _with_scalar(b: Builder, node: OnnxNode) -> tuple[Tracked, float]:
    """Return the computed operand of two, and the number that is the other one."""
    for index, other in ((0, 1), (1, 0)):
        array = b.constant_input(other)
        if len(node.inputs) == 2 and array is not None and array.size == 1:
            return b.input(index), shortest(array.ravel()[0])
    raise Unsupported("it is not of one tensor and one number")


def add(b: Builder, node: OnnxNode) -> Tracked:
    """Sum of tensors of equal shapes, or with a constant for each channel."""
    return _affine(b, node, sign=1) if _has_constant(b, node) else _sum(b, node)


def subtract(b: Builder, node: OnnxNode) -> Tracked:
    """Difference with a constant for each channel."""
    return _affine(b, node, sign=-1)


def multiply(b: Builder, node: OnnxNode) -> Tracked:
    """Product with a constant for each channel."""
    return _scaled(b, node, divided=False)


def divide(b: Builder, node: OnnxNode) -> Tracked:
    """Quotient by a constant for each channel."""
    return _scaled(b, node, divided=True)


def _has_constant(b: Builder, node: OnnxNode) -> bool:
    return any(b.constant_input(index) is not None for index in range(len(node.inputs)))


def _sum(b: Builder, node: OnnxNode) -> Tracked:
    total = b.input(0)
    for index in range(1, len(node.inputs)):
        total = _added(b, total, b.input(index))
    return total


def _added(b: Builder, x: Tracked, y: Tracked) -> Tracked:
    if x.shape != y.shape:
        shapes = f"{list(x.shape)} and {list(y.shape)}"
        raise Unsupported(f"it is of tensors of different shapes, such as {shapes}")
    x, y = b.settled(x), b.settled(y)
    if x.axes != y.axes or x.type != y.type or not np.array_equal(x.channels, y.channels):
        x, y = _alike(b, x, y)
    return x.with_stored(b.emit(Add(), [x.stored, y.stored]))


def _alike(b: Builder, x: Tracked, y: Tracked) -> tuple[Tracked, Tracked]:
    """Store both in the order of axes that images have."""
    order = (0, 2, 3, 1) if x.rank == 4 else tuple(range(x.rank))
    return Tracked.of(b.arranged(x, order), order), Tracked.of(b.arranged(y, order), order)


def _affine(b: Builder, node: OnnxNode, sign: int) -> Tracked:
    """x + c, x - c or c - x as a batch norm."""
    x, vector, first = _per_channel(b, node)
    if sign > 0:
        return normalised(b, x, np.ones_like(vector), vector)
    return normalised(b, x, np.full_like(vector, -1 if first else 1), vector if first else -vector)


def _scaled(b: Builder, node: OnnxNode, *, divided: bool) -> Tracked:
    """x * c or x / c as a batch norm."""
    x, vector, first = _per_channel(b, node)
    if divided and (first or not vector.all()):
        raise Unsupported("it divides by a computed tensor, or by 0")
    scale = np.float32(1) / vector if divided else vector
    return normalised(b, x, scale.astype(np.float32), np.zeros_like(scale))


def _per_channel(b: Builder, node: OnnxNode) -> tuple[Tracked, np.ndarray, bool]:
    """Return the computed operand, the constant one as a vector of its channels, and whether the
    constant comes first."""
    if len(node.inputs) != 2 or not _has_constant(b, node):
        raise Unsupported("both operands are computed")
    first = b.constant_input(0) is not None
    x, array = b.settled(b.input(int(first))), b.required_input(int(not first), "operand")
    axis = next((axis for axis, factors in enumerate(x.axes) if CHANNEL in factors), None)
    shape = (1,) * (x.rank - array.ndim) + array.shape
    if len(shape) != x.rank or any(e > 1 and at != axis for at, e in enumerate(shape)):
        raise Unsupported(f"its constant of shape {list(array.shape)} is not one number a channel")
    if array.size not in (1, x.type.channels):
        raise Unsupported("its constant is not one number a channel")
    vector = np.broadcast_to(array.ravel(), (x.type.channels,)).astype(np.float32)
    return x, vector, first


def normalised(b: Builder, x: Tracked, scale: np.ndarray, shift: np.ndarray) -> Tracked:
    """scale * x + shift, for each channel of a settled value."""
    roles = {"gamma": scale, "beta": shift, "mean": 0 * scale, "variance": scale**0}
    vectors = [b.constant(f"{b.name}.{role}", array) for role, array in roles.items()]
    return x.with_stored(b.emit(BatchNorm(0.0), [x.stored, *vectors]))


def batch_norm(b: Builder, node: OnnxNode) -> Tracked:
    """Normalisation by stored statistics; training_mode is not supported."""
    if whole(node, "training_mode", 0) or node.extra_outputs:
        helps = "export the model after model.eval()"
        raise Unsupported("it is in training mode", helps)
    x = b.settled(b.input(0))
    if x.rank < 2 or any(CHANNEL in f for axis, f in enumerate(x.axes) if axis != 1):
        raise Unsupported("its input does not have channels on axis 1")
    if any(f != CHANNEL for f in x.axes[1]):
        raise Unsupported("its input does not have channels on axis 1")
    names = ("scale", "bias", "mean", "variance")
    vectors = [b.required_input(index, name) for index, name in enumerate(names, 1)]
    constants = [b.constant(node.input(index), v) for index, v in enumerate(vectors, 1)]
    op = BatchNorm(real(node, "epsilon", 1e-5))
    return x.with_stored(b.emit(op, [x.stored, *constants]))


def softmax(b: Builder, node: OnnxNode) -> Tracked:
    """Softmax over one axis; that of the channels moves no data."""
    x = b.input(0)
    x = along_channels(b, x, axis_of(node, whole(node, "axis", -1), x.rank))
    return x.with_stored(b.emit(Softmax(), [x.stored]))


def along_channels(b: Builder, x: Tracked, axis: int) -> Tracked:
    """Return x with an axis as the stored channels, all of them; moves data only if it is not."""
    x, others = b.settled(x), [at for at in range(x.rank) if at != axis]
    if {*x.axes[axis]} - {CHANNEL} or any(CHANNEL in x.axes[at] for at in others):
        order = (*others, axis)
        return Tracked.of(b.arranged(x, order), order)
    return x


def layer_norm(b: Builder, node: OnnxNode) -> Tracked:
    """Normalisation over the last axis by its own mean and variance."""
    x, gamma = b.input(0), b.required_input(1, "scale")
    beta = b.optional_input(2, "bias")
    beta = np.zeros_like(gamma) if beta is None else beta
    if node.extra_outputs:
        raise Unsupported("it also returns its mean or deviation")
    if axis_of(node, whole(node, "axis", -1), x.rank) != x.rank - 1:
        raise Unsupported("it normalises several axes")
    x = along_channels(b, x, x.rank - 1)
    pairs = zip((1, 2), ("gamma", "beta"), (gamma, beta), strict=True)
    constants = [
        b.constant(node.input(at) or f"{b.name}.{role}", np.broadcast_to(v, x.type.channels))
        for at, role, v in pairs
    ]
    op = LayerNorm(real(node, "epsilon", 1e-5))
    return x.with_stored(b.emit(op, [x.stored, *constants]))
