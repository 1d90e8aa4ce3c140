"""One numpy function per op on integers: the definition of quantised arithmetic, bit for bit.

Sums are computed in float64, which represents them exactly, and wrap as s32 does. Every other
operation is rounded to f32 (mbc/ops/quantized.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from mbc.interp.kernels import FORMULAS, tap_counts, taps, window_sum
from mbc.interp.products import activate, grouped_product
from mbc.interp.resize import resize as resize_floats
from mbc.ir.activations import Activation
from mbc.ir.elements import Q8
from mbc.ir.graph import Node
from mbc.ir.op import Op
from mbc.ops.argmax import ArgMax
from mbc.ops.broadcast import aligned
from mbc.ops.elementwise import Activate, Add, Arithmetic, Max, Min, Mul, Sub
from mbc.ops.grid import Pad
from mbc.ops.linear import Conv2d, Dense
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool
from mbc.ops.quantized import (
    Dequantize,
    Lookup,
    Quantize,
    Requantize,
    code_range,
    product_ratio,
    ratio,
)
from mbc.ops.reduce import Reduce, ReduceMax, ReduceMean, ReduceSum
from mbc.ops.resize import WEIGHT_STEPS, Resize, taps_of

Array: TypeAlias = np.ndarray
Results: TypeAlias = tuple[Array, ...]


def computes_integers(node: Node) -> bool:
    """Whether a node computes with codes: any of its types, but for indices, is no float."""
    if isinstance(node.op, ArgMax) or (node.op.moves_data_only and not isinstance(node.op, Pad)):
        return False
    types = [type for type in (*node.operand_types, node.results[0].type) if type is not None]
    return not all(type.element.is_float for type in types)


def compute_integers(node: Node, operands: tuple[Array | None, ...]) -> Results:
    """Compute the results of a node on integers."""
    return (INTEGER[type(node.op)](node, *operands),)


def codes_of(steps: Array, element: Q8, act: Activation | None = None) -> Array:
    """Convert f32 steps from the zero point to codes: rounded half to even, then clamped to the
    bounds of the activation."""
    low, high = code_range(element, act)
    codes: Array = np.clip(np.rint(steps).astype(np.float64) + element.zero, low, high)
    return codes.astype(np.uint8)


def wrapped(sums: Array) -> Array:
    """Wrap exact sums to s32 and convert them to f32."""
    return sums.astype(np.int64).astype(np.int32).astype(np.float32)


def centred(node: Node, role: str, codes: Array) -> Array:
    """Subtract the zero point of an operand from its codes, in float64."""
    return codes.astype(np.float64) - _element(node, role).zero


def _element(node: Node, role: str) -> Q8:
    type = node.type_of(role)
    assert type is not None
    assert isinstance(type.element, Q8)
    return type.element


def _result(node: Node) -> Q8:
    element = node.results[0].type.element
    assert isinstance(element, Q8)
    return element


def _scaled(node: Node, role: str, codes: Array) -> Array:
    """Convert an operand that is added to f32 steps of the result: (code - zero) * multiplier."""
    steps: Array = wrapped(centred(node, role, codes))
    return steps * ratio(_element(node, role), _result(node))


def conv2d(
    node: Node,
    x: Array,
    weight: Array,
    bias: Array | None = None,
    residual: Array | None = None,
    multiplier: Array | None = None,
    slope: None = None,
) -> Array:
    """Sum over the taps, to which padding adds nothing, and requantise."""
    op = node.op
    assert isinstance(op, Conv2d)
    kernel, filters = (weight.shape[0], weight.shape[1]), weight.astype(np.float64)
    total: Any = 0.0
    for i, j, window in taps(centred(node, "x", x), kernel, op.stride, op.pad, op.dilation):
        total = total + grouped_product(window, filters[i, j], op.groups)
    return _finished(node, total, bias, multiplier, op.act, residual)


def dense(
    node: Node,
    x: Array,
    weight: Array,
    bias: Array | None = None,
    multiplier: Array | None = None,
    slope: None = None,
) -> Array:
    """Multiply x @ weight, and requantise."""
    assert isinstance(node.op, Dense)
    product = centred(node, "x", x) @ weight.astype(np.float64)
    return _finished(node, product, bias, multiplier, node.op.act)


def _finished(
    node: Node,
    total: Array,
    bias: Array | None,
    multiplier: Array | None,
    act: Activation | None,
    residual: Array | None = None,
) -> Array:
    assert multiplier is not None
    sums = total if bias is None else total + bias
    steps: Array = wrapped(sums) * multiplier.astype(np.float32)
    if not isinstance(node.results[0].type.element, Q8):
        return activate(steps, act)
    if residual is not None:
        steps = steps + _scaled(node, "residual", residual)
    return codes_of(steps, _result(node), act)


def arithmetic(node: Node, a: Array, b: Array) -> Array:
    """Combine both operands in steps of the result, rounded once; a product of codes is exact."""
    assert isinstance(node.op, Arithmetic)
    rank = max(a.ndim, b.ndim)
    a, b = (x.reshape(aligned(x.shape, rank) or x.shape) for x in (a, b))
    if isinstance(node.op, Mul):
        steps = wrapped(centred(node, "a", a) * centred(node, "b", b)) * product_ratio(
            _element(node, "a"), _element(node, "b"), _result(node)
        )
    else:
        steps = FORMULAS[type(node.op)](_scaled(node, "a", a), _scaled(node, "b", b))
    return codes_of(steps, _result(node), node.op.act)


def activation(node: Node, x: Array) -> Array:
    """Clamp codes to those of the activation's bounds."""
    assert isinstance(node.op, Activate)
    low, high = code_range(_result(node), node.op.act)
    codes: Array = np.clip(x, low, high).astype(np.uint8)
    return codes


def max_pool(node: Node, x: Array) -> Array:
    """Maximum over the taps; padding is the minimum of the integer type."""
    op = node.op
    assert isinstance(op, MaxPool)
    windows = taps(x, op.kernel, op.stride, op.pad, op.dilation, np.iinfo(x.dtype).min)
    found: Array = np.max([window for _, _, window in windows], axis=0)
    return found


def avg_pool(node: Node, x: Array) -> Array:
    """Sum over the taps, times a multiplier for each number of taps that count."""
    op = node.op
    assert isinstance(op, AvgPool)
    count = tap_counts(op, x[:1, :, :, :1].astype(np.float64))
    total = window_sum(op, centred(node, "x", x))
    return codes_of(wrapped(total) * _mean_multipliers(node, count), _result(node), op.act)


def global_avg_pool(node: Node, x: Array) -> Array:
    """Sum over height and width, times one multiplier."""
    total = centred(node, "x", x).sum(axis=(1, 2))
    multiplier = ratio(_element(node, "x"), _result(node), x.shape[1] * x.shape[2])
    return codes_of(wrapped(total) * multiplier, _result(node))


def _mean_multipliers(node: Node, counts: Array) -> Array:
    source, to = _element(node, "x"), _result(node)
    step = np.vectorize(lambda count: ratio(source, to, int(count)), otypes=[np.float32])
    multipliers: Array = step(counts)
    return multipliers


def reduction(node: Node, x: Array) -> Array:
    """Sum over the axes, times one multiplier; a maximum is a code."""
    op, type = node.op, node.type_of("x")
    assert isinstance(op, Reduce)
    assert type is not None
    if isinstance(op, ReduceMax):
        found: Array = x.max(axis=op.axes, keepdims=op.keep)
        return found
    total = centred(node, "x", x).sum(axis=op.axes, keepdims=op.keep)
    terms = op.terms(type) if isinstance(op, ReduceMean) else 1
    return codes_of(
        wrapped(total) * ratio(_element(node, "x"), _result(node), terms), _result(node)
    )


def resize(node: Node, x: Array) -> Array:
    """Copy pixels, or add four of them with weights of 22 bits."""
    op = node.op
    assert isinstance(op, Resize)
    if op.mode == "nearest":
        (copied,) = resize_floats(op, x)
        return copied
    total = _between(op, _between(op, centred(node, "x", x), 2), 1)
    multiplier = ratio(_element(node, "x"), _result(node), WEIGHT_STEPS**2)
    return codes_of(wrapped(total) * multiplier, _result(node))


def _between(op: Resize, x: Array, axis: int) -> Array:
    taps = taps_of(op, x.shape[axis], op.size[axis - 1])
    weights = taps.steps.reshape([-1 if each == axis else 1 for each in range(x.ndim)])
    first, second = x.take(taps.low, axis), x.take(taps.high, axis)
    found: Array = first * (WEIGHT_STEPS - weights) + second * weights
    return found


def padded(node: Node, x: Array) -> Array:
    """Put the code of a number around x; of minus infinity it is 0."""
    op = node.op
    assert isinstance(op, Pad)
    fill = 0 if op.lowest else _element(node, "x").code(op.value)
    pads = list(zip(op.before, op.after, strict=True))
    return np.pad(x, pads, constant_values=fill)


def quantize(node: Node, x: Array) -> Array:
    """Convert x * f32(1 / scale) to codes; NaN gives the zero point, as 0 does."""
    to = _result(node)
    steps = x.astype(np.float32) * np.float32(1 / to.scale)
    return codes_of(np.where(np.isnan(steps), np.float32(0), steps), to)


def dequantize(node: Node, x: Array) -> Array:
    """Compute f32(code - zero) * scale."""
    numbers: Array = wrapped(centred(node, "x", x)) * np.float32(_element(node, "x").scale)
    return numbers


def requantize(node: Node, x: Array) -> Array:
    """Convert codes to steps of another scale, and these to codes."""
    return codes_of(_scaled(node, "x", x), _result(node))


def lookup(node: Node, x: Array, table: Array) -> Array:
    """Return the table's byte for each code, of the channel if each has a table."""
    found: Array = table[x] if table.ndim == 1 else table[x, np.arange(table.shape[1])]
    return found


INTEGER: dict[type[Op], Callable[..., Array]] = {
    Conv2d: conv2d,
    Dense: dense,
    **dict.fromkeys((Add, Sub, Mul, Min, Max), arithmetic),
    Activate: activation,
    MaxPool: max_pool,
    AvgPool: avg_pool,
    GlobalAvgPool: global_avg_pool,
    **dict.fromkeys((ReduceMean, ReduceSum, ReduceMax), reduction),
    Resize: resize,
    Pad: padded,
    Quantize: quantize,
    Dequantize: dequantize,
    Requantize: requantize,
    Lookup: lookup,
}
"""The function of each op on integers; moves are in mbc/interp/kernels.py."""
