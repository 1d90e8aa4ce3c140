"""Activations, and other functions of one value."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from mbc.frontends.lowering import IMPORTERS
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.torch.site import Site

Made: TypeAlias = str | tuple[str, ...]
Rule: TypeAlias = Callable[[Site], Made]


def same(kind: str) -> Rule:
    """Return the rule of an op that is one of ONNX's, with one operand and no attributes."""

    def rule(s: Site) -> str:
        return s.result(kind, s.value("self"))

    return documented(rule, kind)


def documented(rule: Rule, kind: str) -> Rule:
    """Give a rule the text of the one that it leads to."""
    rule.__doc__ = IMPORTERS[kind].__doc__
    return rule


def error_function(s: Site) -> str:
    """In gelu, x * (1 + erf(x / sqrt(2))) / 2, and by itself not."""
    return s.result("Erf", s.value("self"))


def clamp(s: Site) -> str:
    """Bounds, either of which may be absent."""
    low, high = s.arguments.get("min"), s.arguments.get("max")
    if isinstance(low, str) or isinstance(high, str):
        raise Unsupported("its bounds are tensors")
    return bounded(s, low, high)


def hardtanh(s: Site) -> str:
    """Bounds."""
    return bounded(s, s.arguments["min_val"], s.arguments["max_val"])


def relu6(s: Site) -> str:
    """min(max(x, 0), 6)."""
    return bounded(s, 0, 6)


def bounded(s: Site, low: float | None, high: float | None) -> str:
    """Clip, by numbers or None."""
    bounds = [
        "" if bound is None else s.number(role, bound)
        for role, bound in (("min", low), ("max", high))
    ]
    return s.result("Clip", s.value("self"), *bounds)


def elu(s: Site) -> str:
    """x above 0, else alpha * (exp(x) - 1)."""
    s.require("scale", 1)
    s.require("input_scale", 1)
    return s.result("Elu", s.value("self"), alpha=s.arguments["alpha"])


def gelu(s: Site) -> str:
    """x * (1 + erf(x / sqrt(2))) / 2, or its approximation by tanh."""
    return s.result("Gelu", s.value("self"), approximate=s.arguments["approximate"])


def hardsigmoid(s: Site) -> str:
    """clip(x / 6 + 1/2, 0, 1)."""
    return s.result("HardSigmoid", s.value("self"), alpha=1 / 6, beta=0.5)


def leaky_relu(s: Site) -> str:
    """x above 0, else negative_slope * x."""
    return s.result("LeakyRelu", s.value("self"), alpha=s.arguments["negative_slope"])


def prelu(s: Site) -> str:
    """x above 0, else weight * x."""
    slope = s.beside_channels(s.value("weight"), s.rank("self"))
    return s.result("PRelu", s.value("self"), slope)


def glu(s: Site) -> str:
    """Product of one half of an axis with the sigmoid of the other."""
    axis = s.axis("dim")
    parts = [s.draft.fresh(f"{s.results[0]}.{half}") for half in ("a", "b")]
    s.draft.shapes |= dict.fromkeys(parts, s.shape)
    s.add("Split", [s.value("self")], parts, {"axis": axis})
    return s.result("Mul", parts[0], s.step("Sigmoid", parts[1], shape=s.shape))


def softplus(s: Site) -> str:
    """log(1 + exp(beta * x)) / beta; the threshold changes no float32 that is 20 or more."""
    x, beta = s.value("self"), s.arguments["beta"]
    if s.arguments["threshold"] < 20:
        raise Unsupported(f"its threshold is {s.arguments['threshold']}, below 20")
    if beta == 1:
        return s.result("Softplus", x)
    scale = s.number("beta", beta)
    made = s.step("Softplus", s.step("Mul", x, scale, shape=s.shape), shape=s.shape)
    return s.result("Div", made, scale)


def square(s: Site) -> str:
    """x * x."""
    return s.result("Mul", s.value("self"), s.value("self"))


def power(s: Site) -> str:
    """x to the power of one number."""
    exponent = s.arguments["exponent"]
    if not isinstance(exponent, int | float):
        raise Unsupported("its exponent is no single number")
    return s.result("Pow", s.value("self"), s.number("exponent", exponent))


def reciprocal_root(s: Site) -> str:
    """1 / sqrt(x)."""
    return s.result("Reciprocal", s.step("Sqrt", s.value("self"), shape=s.shape))


RULES: dict[str, Rule] = {
    "abs": same("Abs"),
    "clamp": clamp,
    "clamp_max": clamp,
    "clamp_min": clamp,
    "elu": elu,
    "erf": error_function,
    "exp": same("Exp"),
    "gelu": gelu,
    "glu": glu,
    "hardsigmoid": hardsigmoid,
    "hardswish": same("HardSwish"),
    "hardtanh": hardtanh,
    "leaky_relu": leaky_relu,
    "log": same("Log"),
    "mish": same("Mish"),
    "neg": same("Neg"),
    "pow": power,
    "prelu": prelu,
    "_prelu_kernel": prelu,
    "reciprocal": same("Reciprocal"),
    "relu": same("Relu"),
    "relu6": relu6,
    "rsqrt": reciprocal_root,
    "selu": same("Selu"),
    "sigmoid": same("Sigmoid"),
    "silu": same("Swish"),
    "softplus": softplus,
    "sqrt": same("Sqrt"),
    "square": square,
    "tanh": same("Tanh"),
}
