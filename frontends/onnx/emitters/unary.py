"""Functions of each element."""

from __future__ import annotations

import numpy as np

from mbc.frontends.onnx.emitters.site import Emitters, Site
from mbc.frontends.onnx.writer import Writer
from mbc.ops.unary import Abs, Exp, Log, Neg, Pow, Reciprocal, Sqrt, Unary

KINDS: dict[type[Unary], str] = {
    Abs: "Abs",
    Neg: "Neg",
    Exp: "Exp",
    Log: "Log",
    Sqrt: "Sqrt",
    Reciprocal: "Reciprocal",
}
"""ONNX's op types of those without attributes."""


def unary(w: Writer, op: Unary, at: Site) -> str:
    """Emit the op of ONNX."""
    return w.node(KINDS[type(op)], [at.x], at.name)


def power(w: Writer, op: Pow, at: Site) -> str:
    """Pow by a constant."""
    exponent = w.constant(f"exponent_{op.exponent:g}", np.array(op.exponent, np.float32))
    return w.node("Pow", [at.x, exponent], at.name)


EMITTERS: Emitters = {**dict.fromkeys(KINDS, unary), Pow: power}
