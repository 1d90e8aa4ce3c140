"""Ops on codes, as engines look for them: what they read is dequantised, and what they make is
quantised, by a pair of QuantizeLinear and DequantizeLinear around each op on floats.

So a value on codes is known by the real numbers that its codes stand for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from mbc.frontends.onnx.emitters.activations import activated
from mbc.frontends.onnx.emitters.site import Emitters, Site, axis_of
from mbc.frontends.onnx.emitters.unary import KINDS as UNARY_KINDS
from mbc.frontends.onnx.writer import Writer
from mbc.interp.kernels import KERNELS
from mbc.ir.activations import KINDS as ACTIVATIONS
from mbc.ir.activations import Clip
from mbc.ir.elements import Q8
from mbc.ir.op import Activated, Op
from mbc.ops.elementwise import Activate
from mbc.ops.pool import GlobalAvgPool
from mbc.ops.quantized import (
    LARGEST_CODE,
    Dequantize,
    Lookup,
    Quantize,
    Requantize,
    code_range,
    table_codes,
)
from mbc.ops.reduce import Reduce
from mbc.ops.unary import Unary


def emitted(
    w: Writer, emit: Callable[..., str | tuple[str, ...]], op: Op, at: Site
) -> tuple[str, ...]:
    """Emit an op; results on codes are rounded to them."""
    element = at.node.results[0].type.element
    if not isinstance(element, Q8):
        return _tuple(emit(w, op, at))
    if op.moves_data_only or isinstance(op, GlobalAvgPool | Reduce):
        with w.rounding(element):
            return _tuple(emit(w, op, at))
    results = _tuple(emit(w, _without_idle_act(op, element), at))
    return tuple(w.rounded(result, element, result) for result in results)


def _tuple(made: str | tuple[str, ...]) -> tuple[str, ...]:
    return (made,) if isinstance(made, str) else made


def _without_idle_act(op: Op, element: Q8) -> Op:
    """Leave out an activation that all codes are within."""
    if isinstance(op, Activate) or not isinstance(op, Activated) or op.act is None:
        return op
    return op.with_act(None) if code_range(element, op.act) == (0, LARGEST_CODE) else op


def same(w: Writer, op: Op, at: Site) -> str:
    """Nothing: the result is rounded, or what is read is real numbers already."""
    return at.x


def lookup(w: Writer, op: Lookup, at: Site) -> str:
    """Apply the function that the table is of, if it is one of ONNX; else Gather from the table."""
    x, table, to = at.x_type.element, at.array("table"), op.to
    assert isinstance(x, Q8)
    assert to is not None
    for known in _functions() if table.ndim == 1 else ():
        if np.array_equal(table_codes(partial(_evaluated, known), x, to), table):
            return _function(w, known, at)
    return _gathered(w, x, to, at)


def _evaluated(op: Op, numbers: np.ndarray) -> np.ndarray:
    (result,) = KERNELS[type(op)](op, numbers)
    return result


def _functions() -> Iterable[Activate | Unary]:
    """Yield the functions of one number that have no parameters, or their usual ones."""
    yield from (Activate(act()) for act in ACTIVATIONS.values() if act is not Clip)
    yield from (kind() for kind in UNARY_KINDS)


def _function(w: Writer, op: Activate | Unary, at: Site) -> str:
    if isinstance(op, Activate):
        return activated(w, at.x, op.act, at.name)
    return w.node(UNARY_KINDS[type(op)], [at.x], at.name)


def _gathered(w: Writer, x: Q8, to: Q8, at: Site) -> str:
    codes, table = w.codes(at.x, x, f"{at.name}.x"), at.array("table")
    indices = w.node("Cast", [codes], f"{at.name}.index", to=w.onnx.TensorProto.INT32)
    if table.ndim > 1:
        indices = _of_channels(w, indices, at)
    numbers = (table.ravel().astype(np.float32) - to.zero) * np.float32(to.scale)
    return w.node("Gather", [at.stored(w, "table", numbers), indices], at.name)


def _of_channels(w: Writer, codes: str, at: Site) -> str:
    """Return the places of codes in a table that has a column for each channel."""
    channels = at.x_type.channels
    behind = at.x_type.rank - 1 - axis_of(at.x_type)
    places = np.arange(channels, dtype=np.int32).reshape(channels, *[1] * behind)
    count = w.constant(f"{at.name}.channels", np.int32(channels).reshape(1))
    row = w.node("Mul", [codes, count], f"{at.name}.row")
    return w.node("Add", [row, w.constant(f"{at.name}.column", places)], f"{at.name}.place")


EMITTERS: Emitters = {
    **dict.fromkeys((Quantize, Dequantize, Requantize), same),
    Lookup: lookup,
}
