"""Arithmetic on two operands, which PyTorch broadcasts as ONNX does."""

from __future__ import annotations

import numpy as np

from mbc.frontends.torch.aten.activations import Rule, documented
from mbc.frontends.torch.site import Site


def binary(kind: str) -> Rule:
    """Return the rule of an op with two operands."""

    def rule(s: Site) -> str:
        return s.result(kind, *_operands(s))

    return documented(rule, kind)


def add(s: Site) -> str:
    """Sum; the second operand may be multiplied by alpha."""
    x, y = _operands(s)
    return s.result("Add", x, _times_alpha(s, y))


def subtract(s: Site) -> str:
    """Difference; the second operand may be multiplied by alpha."""
    x, y = _operands(s)
    return s.result("Sub", x, _times_alpha(s, y))


def subtract_from(s: Site) -> str:
    """other - alpha * self."""
    x, y = _operands(s)
    return s.result("Sub", y, _times_alpha(s, x))


def _times_alpha(s: Site, x: str) -> str:
    alpha = s.arguments.get("alpha", 1)
    if alpha == 1:
        return x
    return s.step("Mul", x, s.number("alpha", alpha), shape=s.draft.shape_of(x))


def divided(s: Site) -> str:
    """Quotient; one that is rounded is not supported."""
    if "rounding_mode" in s.arguments:
        s.require("rounding_mode", None)
    return s.result("Div", *_operands(s))


def multiplied_sum(s: Site) -> str:
    """self + value * tensor1 * tensor2."""
    product = s.step("Mul", s.value("tensor1"), s.value("tensor2"), shape=s.shape)
    if (value := s.arguments["value"]) != 1:
        product = s.step("Mul", product, s.number("value", value), shape=s.shape)
    return s.result("Add", s.value("self"), product)


def _operands(s: Site) -> tuple[str, str]:
    """Return both operands; one that is broadcast to the shape of the result, as it was before."""
    names = s.value("self"), s.value("other")
    first, second = (s.draft.expanded.get(name, name) for name in names)
    shapes = s.draft.shape_of(first), s.draft.shape_of(second)
    return (first, second) if np.broadcast_shapes(*shapes) == s.shape else names


RULES: dict[str, Rule] = {
    "add": add,
    "addcmul": multiplied_sum,
    "div": divided,
    "max.other": binary("Max"),
    "maximum": binary("Max"),
    "min.other": binary("Min"),
    "minimum": binary("Min"),
    "mul": binary("Mul"),
    "rsub": subtract_from,
    "sub": subtract,
}
