"""Bounds, batch norms and softmax."""

from __future__ import annotations

from math import inf, isnan, prod

import numpy as np

from mbc.frontends.lowering.builder import Builder
from mbc.frontends.lowering.model import Node
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.rules.activations import activated
from mbc.frontends.lowering.rules.attributes import axis_of, real, shortest, whole
from mbc.frontends.lowering.rules.moves import reshaped
from mbc.frontends.lowering.tracked import CHANNEL, Tracked
from mbc.ir.activations import Clip
from mbc.ops.elementwise import BatchNorm, Softmax
from mbc.ops.norm import LayerNorm


def clip(b: Builder, node: Node) -> Tracked:
    """Bounds, either of which may be absent; constants alone."""
    low, high = real(node, "min", -inf), real(node, "max", inf)
    return _clipped(b, b.input(0), _bound(b, 1, low), _bound(b, 2, high))


def _bound(b: Builder, index: int, default: float) -> float:
    array = b.optional_input(index, "bound")
    if array is None:
        return default
    if array.size != 1:
        raise Unsupported("its bound is no single number")
    return shortest(array.ravel()[0])


def _clipped(b: Builder, x: Tracked, lo: float, hi: float) -> Tracked:
    if isnan(lo) or isnan(hi):
        raise Unsupported(f"its bounds are {lo:g} and {hi:g}")
    lo = min(lo, hi)  # where they leave no range, all is the upper one
    return activated(b, x, Clip(lo, hi)) if (lo, hi) != (-inf, inf) else x


def batch_norm(b: Builder, node: Node) -> Tracked:
    """Normalisation by stored statistics; training_mode is not supported."""
    if whole(node, "training_mode", 0) or node.extra_outputs:
        helps = "export the model after model.eval()"
        raise Unsupported("it is in training mode", helps)
    if b.input(0).rank < 2:
        raise Unsupported("its input does not have channels on axis 1")
    x = along_channels(b, b.input(0), 1)
    names = ("scale", "bias", "mean", "variance")
    vectors = [b.required_input(index, name) for index, name in enumerate(names, 1)]
    constants = [b.constant(node.input(index), v) for index, v in enumerate(vectors, 1)]
    op = BatchNorm(real(node, "epsilon", 1e-5))
    return x.with_stored(b.emit(op, [x.stored, *constants]))


def softmax(b: Builder, node: Node) -> Tracked:
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


def layer_norm(b: Builder, node: Node) -> Tracked:
    """Normalisation over the last axes by their own mean and variance."""
    x, gamma = b.input(0), b.required_input(1, "scale")
    beta = b.optional_input(2, "bias")
    if b.reads_more(node):
        raise Unsupported("it also returns its mean or deviation")
    axis, shape = axis_of(node, whole(node, "axis", -1), x.rank), x.shape
    beta = np.zeros(1, np.float32) if beta is None else beta
    try:
        gamma, beta = (np.broadcast_to(v, shape[axis:]).ravel() for v in (gamma, beta))
    except ValueError:
        raise Unsupported("its scale or bias does not fit its channels") from None
    if axis != x.rank - 1:
        x = reshaped(b, x, (*shape[:axis], prod(shape[axis:])))
    x = along_channels(b, x, axis)
    pairs = zip((1, 2), ("gamma", "beta"), (gamma, beta), strict=True)
    constants = [b.constant(node.input(at) or f"{b.name}.{role}", v) for at, role, v in pairs]
    op = LayerNorm(real(node, "epsilon", 1e-5))
    return reshaped(b, x.with_stored(b.emit(op, [x.stored, *constants])), shape)
