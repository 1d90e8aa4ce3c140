"""Means, sums and maxima over any axes, and products of matrices."""

from __future__ import annotations

from collections.abc import Mapping

from mbc.frontends.lowering.model import Shape
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.tflite.options import flag
from mbc.frontends.tflite.translation import Translation, Translator


def _over_axes(t: Translation, kind: str) -> None:
    shape = t.shape(0)
    axes = _axes(t, shape)
    if flag(t.operator, "KeepDims"):
        given = t.listed("axes", [t.axis(axis, len(shape)) for axis in axes])
        t.finish(kind, [t.value(0), given], keepdims=1)
    else:
        t.finish_plain(kind, [t.plain(0), t.listed("axes", axes)], keepdims=0)


def _axes(t: Translation, shape: Shape) -> list[int]:
    """Return the axes that are reduced, in the file's order."""
    axes = t.integers(1, "axes")
    if not axes or not all(-len(shape) <= axis < len(shape) for axis in axes):
        raise Unsupported("its axes do not fit its operand")
    return [axis % len(shape) for axis in axes]


def mean(t: Translation) -> None:
    """Mean over any axes; over height and width of an image it is a global pool."""
    _over_axes(t, "ReduceMean")


def sum_(t: Translation) -> None:
    """Sum over any axes."""
    _over_axes(t, "ReduceSum")


def reduce_max(t: Translation) -> None:
    """Maximum over any axes."""
    _over_axes(t, "ReduceMax")


def reduce_min(t: Translation) -> None:
    """Minimum over any axes."""
    _over_axes(t, "ReduceMin")


def arg_max(t: Translation) -> None:
    """Index of the first of the largest along an axis, int64 as int32."""
    axis = t.integer(1, "axis")
    t.finish_plain("ArgMax", [t.plain(0)], axis=axis, keepdims=0)


def batch_matmul(t: Translation) -> None:
    """Product of two computed tensors, or of one with a constant matrix; each may be transposed."""
    t.finish_plain("MatMul", [_factor(t, 0, "AdjX"), _factor(t, 1, "AdjY")])


def _factor(t: Translation, index: int, option: str) -> str:
    """Return a factor in the file's order of axes, transposed where its option says so."""
    shape = t.shape(index)
    if not flag(t.operator, option):
        return t.plain(index)
    if len(shape) < 2:
        raise Unsupported("its operand is no matrix")
    if t.is_constant(index):
        return t.keep(index, t.floats(index, "factor").swapaxes(-1, -2), "transposed")
    perm = (*range(len(shape) - 2), len(shape) - 1, len(shape) - 2)
    return t.node("Transpose", [t.plain(index)], tuple(shape[axis] for axis in perm), perm=perm)


TRANSLATORS: Mapping[str, Translator] = {
    "ARG_MAX": arg_max,
    "BATCH_MATMUL": batch_matmul,
    "MEAN": mean,
    "REDUCE_MAX": reduce_max,
    "REDUCE_MIN": reduce_min,
    "SUM": sum_,
}
"""How they are translated; the first line of a text is its documentation."""
