"""Reductions over axes, and argmax."""

from __future__ import annotations

from collections.abc import Sequence

from mbc.frontends.onnx.emitters.site import (
    TO_NCHW,
    Emitters,
    Site,
    onnx_axis,
    permuted,
    transposed,
)
from mbc.frontends.onnx.writer import Writer
from mbc.ir.types import TensorType
from mbc.ops.argmax import ArgMax
from mbc.ops.reduce import Reduce, ReduceMax, ReduceMean, ReduceSum

KINDS: dict[type[Reduce], str] = {
    ReduceMean: "ReduceMean",
    ReduceMax: "ReduceMax",
    ReduceSum: "ReduceSum",
}
GLOBAL: dict[type[Reduce], str] = {ReduceMean: "GlobalAveragePool", ReduceMax: "GlobalMaxPool"}
AXES_OPSET = 18  # from which on all of them take the axes as an operand


def reduction(w: Writer, op: Reduce, at: Site) -> str:
    """Reduce over the axes; over height and width by a global pool, which engines know best."""
    kind = GLOBAL.get(type(op))
    if kind and op.is_over_images(at.x_type):
        pooled = w.node(kind, [at.x], at.name)
        return pooled if op.keep else w.node("Flatten", [pooled], f"{at.name}.flatten", axis=1)
    w.opset = max(w.opset, AXES_OPSET)
    axes = sorted(onnx_axis(at.x_type, axis) for axis in op.axes)
    inputs = [at.x, w.integers("axes", axes)]
    made = w.node(KINDS[type(op)], inputs, at.name, keepdims=int(op.keep))
    return made if op.keep else _ordered(w, made, at.x_type, op.axes, at.name)


def argmax(w: Writer, op: ArgMax, at: Site) -> str:
    """ArgMax, whose result is int64, and a Cast. What it makes of NaN is up to engines."""
    axis = onnx_axis(at.x_type, op.axis)
    found = w.node("ArgMax", [at.x], f"{at.name}.index", axis=axis, keepdims=int(op.keep))
    made = w.node("Cast", [found], at.name, to=w.onnx.TensorProto.INT32)
    return made if op.keep else _ordered(w, made, at.x_type, (op.axis,), at.name)


def _ordered(w: Writer, x: str, before: TensorType, gone: Sequence[int], name: str) -> str:
    """Put the axes that are left of a type in the order in which ONNX has those of the result."""
    order = TO_NCHW if before.rank == 4 else range(before.rank)
    left = [axis for axis in order if axis not in gone]
    wanted: Sequence[int] = sorted(left)
    if len(left) == 4:
        wanted = permuted(wanted, TO_NCHW)
    if left == [*wanted]:
        return x
    return transposed(w, x, [left.index(axis) for axis in wanted], name)


EMITTERS: Emitters = {**dict.fromkeys(KINDS, reduction), ArgMax: argmax}
