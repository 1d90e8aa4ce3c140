"""Reductions over axes."""

from __future__ import annotations

from mbc.frontends.onnx.emitters.site import (
    TO_NCHW,
    TO_NHWC,
    Emitters,
    Site,
    permuted,
    transposed,
)
from mbc.frontends.onnx.writer import Writer
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
    rank, result = at.x_type.rank, at.node.result.type.rank
    images = rank == 4
    axes = sorted(TO_NHWC[axis] if images else axis for axis in op.axes)
    inputs = [at.x, w.integers("axes", axes)]
    made = w.node(KINDS[type(op)], inputs, at.name, keepdims=int(op.keep))
    if op.keep:
        return made
    order = TO_NCHW if images else tuple(range(rank))
    left = [axis for axis in order if axis not in op.axes]
    wanted = sorted(left)
    if result == 4:
        wanted = [*permuted(wanted, TO_NCHW)]
    if left == wanted:
        return made
    return transposed(w, made, [left.index(axis) for axis in wanted], at.name)


EMITTERS: Emitters = dict.fromkeys(KINDS, reduction)
