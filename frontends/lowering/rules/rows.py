"""Normalisations over channels or images."""

from __future__ import annotations

from math import prod

from mbc.frontends.lowering.builder import IMAGE, ROW, Builder
from mbc.frontends.lowering.model import Node
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.rules.attributes import axis_of, broadcast, real, whole
from mbc.frontends.lowering.rules.moves import broadcast_to, reshaped
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
    """Each channel of an image by its own mean and variance."""
    x, shape = b.input(0), b.input(0).shape
    if x.rank < ROW:
        raise Unsupported(f"it reads {x.rank} axes, where an image has 4")
    if x.rank > len(IMAGE):
        x = reshaped(b, x, (*shape[:3], prod(shape[3:])))
    vectors = [b.required_input(index, name) for index, name in ((1, "scale"), (2, "bias"))]
    constants = [b.constant(node.input(index), v) for index, v in enumerate(vectors, 1)]
    op = InstanceNorm(real(node, "epsilon", 1e-5))
    made = b.from_image(b.emit(op, [b.image(x), *constants]), x.rank)
    return reshaped(b, made, shape)


def product(b: Builder, x: Tracked, y: Tracked) -> Tracked:
    """Multiply two computed tensors; vectors are rows and columns, other axes are broadcast."""
    if not x.rank or not y.rank:
        raise Unsupported("it multiplies single numbers")
    row, column = x.rank == 1, y.rank == 1
    x = reshaped(b, x, (1, *x.shape)) if row else x
    y = reshaped(b, y, (*y.shape, 1)) if column else y
    leading = broadcast(x.shape[:-2], y.shape[:-2])
    wide = [broadcast_to(b, each, (*leading, *each.shape[-2:])) for each in (x, y)]
    stored = [b.arranged(each, range(each.rank)) for each in wide]
    made = Tracked.of(b.emit(MatMul(), stored), range(len(leading) + 2))
    own = made.shape[len(leading) :]
    return reshaped(b, made, (*leading, *own[: 1 - row], *own[1 : 2 - column]))
