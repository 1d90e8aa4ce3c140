"""Functions of each element."""

from __future__ import annotations

from mbc.backends.tvm.legal.expressions import Emit, Emitters, Expr
from mbc.backends.tvm.require import tvm
from mbc.ops.unary import Abs, Exp, Log, Neg, Pow, Reciprocal, Sqrt


def _reciprocal(emit: Emit, op: Reciprocal, x: Expr) -> tuple[Expr, ...]:
    return (emit(tvm().relax.op.divide(tvm().relax.const(1.0, "float32"), x)),)


def _power(emit: Emit, op: Pow, x: Expr) -> tuple[Expr, ...]:
    """By pow, which gives a number for minus infinity: log gives NaN there."""
    relax = tvm().relax
    result = emit(relax.op.power(x, relax.const(op.exponent, "float32")))
    if op.exponent.is_integer():
        return (result,)
    below = emit(relax.op.less(x, relax.const(0.0, "float32")))
    return (emit(relax.op.where(below, emit(relax.op.log(x)), result)),)


EMITTERS: Emitters = {
    Abs: lambda emit, op, x: (emit(tvm().relax.op.abs(x)),),
    Neg: lambda emit, op, x: (emit(tvm().relax.op.negative(x)),),
    Exp: lambda emit, op, x: (emit(tvm().relax.op.exp(x)),),
    Log: lambda emit, op, x: (emit(tvm().relax.op.log(x)),),
    Sqrt: lambda emit, op, x: (emit(tvm().relax.op.sqrt(x)),),
    Reciprocal: _reciprocal,
    Pow: _power,
}
