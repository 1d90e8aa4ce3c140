"""What is computed from constants alone: shapes above all, and weights in another form.

Sizes are known before anything is computed, and limited.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import TypeAlias

import numpy as np

from mbc.diag import error
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.tflite.model import Operator
from mbc.frontends.tflite.options import flag, numbers, whole
from mbc.frontends.tflite.slices import strided

MAX_FOLDED = 2**24
"""Elements of a folded tensor."""

Arrays: TypeAlias = Sequence[np.ndarray]
Fold: TypeAlias = Callable[[Operator, Arrays], "np.ndarray | Arrays"]


def _limited(*shape: int) -> tuple[int, ...]:
    """Return a shape; E0807 if it is too large to be folded."""
    if min(shape, default=0) < 0:
        raise Unsupported(f"its result would have the shape {[*shape]}")
    if (size := prod(shape)) > MAX_FOLDED:
        label = f"mbc folds {MAX_FOLDED:,} at most"
        raise error("E0807", f"a constant would have {size:,} elements", label=label)
    return shape


def _extents(array: np.ndarray) -> tuple[int, ...]:
    return tuple(int(extent) for extent in array.ravel())


def _of_two(function: Callable[..., np.ndarray]) -> Fold:
    def fold(_: Operator, given: Arrays) -> np.ndarray:
        _limited(*np.broadcast_shapes(given[0].shape, given[1].shape))
        return function(given[0], given[1])

    return fold


def _of_one(function: Callable[..., np.ndarray]) -> Fold:
    return lambda _, given: function(given[0])


def _divided(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if x.dtype.kind == "f":
        return np.asarray(x / y)
    if not y.all():
        raise Unsupported("it divides by zero")
    return np.asarray(np.trunc(x / y))


def _joined(operator: Operator, given: Arrays) -> np.ndarray:
    axis = whole(operator, "Axis", 0)
    size = sum(array.size for array in given)
    _limited(size)
    return np.concatenate(given, axis)


def _packed(operator: Operator, given: Arrays) -> np.ndarray:
    _limited(sum(array.size for array in given))
    return np.stack(given, whole(operator, "Axis", 0))


def _unpacked(operator: Operator, given: Arrays) -> Arrays:
    return [*np.moveaxis(given[0], whole(operator, "Axis", 0), 0)]


def _reshaped(operator: Operator, given: Arrays) -> np.ndarray:
    shape = _extents(given[1]) if len(given) > 1 else numbers(operator, "NewShape", ())
    return given[0].reshape(shape)


def _squeezed(operator: Operator, given: Arrays) -> np.ndarray:
    return given[0].squeeze(numbers(operator, "SqueezeDims", ()) or None)


def _expanded(_: Operator, given: Arrays) -> np.ndarray:
    return np.expand_dims(given[0], int(given[1].ravel()[0]))


def _transposed(_: Operator, given: Arrays) -> np.ndarray:
    return given[0].transpose(_extents(given[1]))


def _filled(_: Operator, given: Arrays) -> np.ndarray:
    return np.full(_limited(*_extents(given[0])), given[1].ravel()[0])


def _counted(_: Operator, given: Arrays) -> np.ndarray:
    start, limit, step = (float(array.ravel()[0]) for array in given)
    if not step:
        raise Unsupported("its step is 0")
    (count,) = _limited(max(int(np.ceil((limit - start) / step)), 0))
    return np.asarray(start + step * np.arange(count))


def _broadcast(_: Operator, given: Arrays) -> np.ndarray:
    return np.broadcast_to(given[0], _limited(*_extents(given[1])))


def _tiled(_: Operator, given: Arrays) -> np.ndarray:
    times = _extents(given[1])
    _limited(*(e * t for e, t in zip(given[0].shape, times, strict=True)))
    return np.tile(given[0], times)


def _gathered(operator: Operator, given: Arrays) -> np.ndarray:
    if whole(operator, "BatchDims", 0):
        raise Unsupported("its batch_dims is not 0")
    axis, (x, index) = whole(operator, "Axis", 0), given
    _limited(x.size // max(x.shape[axis], 1) * index.size)
    return x.take(index, axis)


def _sliced(_: Operator, given: Arrays) -> np.ndarray:
    x, starts, sizes = given
    pairs = zip(_extents(starts), _extents(sizes), strict=True)
    return x[tuple(slice(s, None if n < 0 else s + n) for s, n in pairs)]


def _strided(operator: Operator, given: Arrays) -> np.ndarray:
    x, *bounds = given
    return x[strided(operator, x.shape, *map(_extents, bounds)).taken]


def _reduced(function: Callable[..., np.ndarray]) -> Fold:
    def fold(operator: Operator, given: Arrays) -> np.ndarray:
        keep = flag(operator, "KeepDims")
        return np.asarray(function(given[0], axis=_extents(given[1]), keepdims=keep))

    return fold


FOLDS: Mapping[str, Fold] = {
    "ABS": _of_one(np.abs),
    "ADD": _of_two(np.add),
    "BROADCAST_TO": _broadcast,
    "CAST": lambda _, given: given[0],
    "CONCATENATION": _joined,
    "DIV": _of_two(_divided),
    "EXP": _of_one(np.exp),
    "EXPAND_DIMS": _expanded,
    "FILL": _filled,
    "FLOOR": _of_one(np.floor),
    "FLOOR_DIV": _of_two(lambda x, y: np.floor(_divided(x.astype(np.float64), y))),
    "GATHER": _gathered,
    "LOG": _of_one(np.log),
    "MAXIMUM": _of_two(np.maximum),
    "MINIMUM": _of_two(np.minimum),
    "MUL": _of_two(np.multiply),
    "NEG": _of_one(np.negative),
    "PACK": _packed,
    "POW": _of_two(np.power),
    "RANGE": _counted,
    "REDUCE_MAX": _reduced(np.max),
    "REDUCE_MIN": _reduced(np.min),
    "REDUCE_PROD": _reduced(np.prod),
    "RESHAPE": _reshaped,
    "RSQRT": _of_one(lambda x: 1 / np.sqrt(x)),
    "SLICE": _sliced,
    "SQRT": _of_one(np.sqrt),
    "SQUARE": _of_one(np.square),
    "SQUEEZE": _squeezed,
    "STRIDED_SLICE": _strided,
    "SUB": _of_two(np.subtract),
    "SUM": _reduced(np.sum),
    "TILE": _tiled,
    "TRANSPOSE": _transposed,
    "UNPACK": _unpacked,
    "ZEROS_LIKE": _of_one(np.zeros_like),
}
"""Ops that are computed where all that they read is constant."""

DAMAGE = (IndexError, OverflowError, TypeError, ValueError, ZeroDivisionError)


def folded(operator: Operator, given: Arrays) -> Arrays:
    """Return the results of an operator. Raises Unsupported where its operands do not fit, and
    E0807 where a result is too large."""
    if operator.options.get("FusedActivationFunction"):
        raise Unsupported("it computes with constants alone, and applies an activation")
    try:
        with np.errstate(all="ignore"):
            found = FOLDS[operator.kind](operator, given)
    except DAMAGE as problem:
        raise Unsupported(f"it computes with constants that do not fit: {problem}") from None
    each = found if isinstance(found, list) else [found]
    return [np.asarray(one) for one in each]
