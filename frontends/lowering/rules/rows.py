"""Normalisations over channels or images."""

from __future__ import annotations

from mbc.frontends.lowering.builder import IMAGE, Builder
from mbc.frontends.lowering.model import Node
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.rules.attributes import axis_of, real, whole
from mbc.frontends.lowering.rules.pointwise import along_channels
from mbc.frontends.lowering.tracked import Tracked
from mbc.ops.matmul import MatMul
from mbc.ops.rows import InstanceNorm, L2Normalize, LogSoftmax, Lrn


def _over_channels(b: Builder, node: Node) -> Tracked:
    """Return x with the axis of the node as its channels."""
    x = b.input(0)
    return along_channels(b, x, axis_of(node, whole(node, "axis", -1), x.rank))


def log_softmax(b: Builder, node: Node) -> Tracked:
    """Logarithm of softmax over one axis."""
    x = _over_channels(b, node)
    return x.with_stored(b.emit(LogSoftmax(), [x.stored]))


def lp_normalization(b: Builder, node: Node) -> Tracked:
    """Quotient by the norm of p = 2 over one axis."""
    if whole(node, "p", 2) != 2:
        raise Unsupported("its p is not 2")
    x = _over_channels(b, node)
    op = L2Normalize(real(node, "epsilon", 1e-12))  # ONNX has none
    return x.with_stored(b.emit(op, [x.stored]))


def lrn(b: Builder, node: Node) -> Tracked:
    """Quotient by a power of a sum of squares over neighbouring channels."""
    x = b.input(0)
    x = along_channels(b, x, axis_of(node, 1, x.rank))
    numbers = (real(node, *each) for each in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0)))
    return x.with_stored(b.emit(Lrn(whole(node, "size", 0), *numbers), [x.stored]))


def instance_norm(b: Builder, node: Node) -> Tracked:
    """Of images: each channel by its own mean and variance."""
    x = b.image(b.input(0))
    vectors = [b.required_input(index, name) for index, name in ((1, "scale"), (2, "bias"))]
    constants = [b.constant(node.input(index), v) for index, v in enumerate(vectors, 1)]
    op = InstanceNorm(real(node, "epsilon", 1e-5))
    return Tracked.of(b.emit(op, [x, *constants]), IMAGE)


def product(b: Builder, node: Node) -> Tracked:
    """Multiply two computed tensors, whose axes before the last two are the same."""
    factors = [b.input(index) for index in (0, 1)]
    stored = [b.arranged(x, tuple(range(x.rank))) for x in factors]
    return Tracked.of(b.emit(MatMul(), stored), tuple(range(factors[0].rank)))
