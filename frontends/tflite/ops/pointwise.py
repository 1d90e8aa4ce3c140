"""Arithmetic, activations, and functions of single numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mbc.frontends.lowering.builder import IMAGE
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.tflite.options import flag, real, whole
from mbc.frontends.tflite.translation import Translation, Translator, as_image


def _arithmetic(kind: str, text: str) -> Translator:
    def translate(t: Translation) -> None:
        t.finish(kind, _aligned(t, 2))

    translate.__doc__ = text
    return translate


def _function(kind: str, text: str) -> Translator:
    def translate(t: Translation) -> None:
        t.finish(kind, [t.value(0)])

    translate.__doc__ = text
    return translate


def _bounded(act: str, text: str) -> Translator:
    def translate(t: Translation) -> None:
        x = t.value(0)
        t.shapes[t.result.name] = as_image(t.result.shape)
        t.activate(act, x, t.result.name)

    translate.__doc__ = text
    return translate


def _aligned(t: Translation, count: int) -> list[str]:
    """Return the operands of arithmetic, which broadcast to the result."""
    shapes = [t.shape(index) for index in range(count)]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        shape = ()
    if shape != t.result.shape or count != len(t.operator.inputs):
        listed = " and ".join(str([*each]) for each in shapes)
        raise Unsupported(f"its operands {listed} do not give {[*t.result.shape]}")
    return [t.aligned(index, len(shape)) for index in range(count)]


def add_n(t: Translation) -> None:
    """Sum of any number of tensors."""
    t.finish("Sum", _aligned(t, len(t.operator.inputs)))


def elu(t: Translation) -> None:
    """x above 0, else exp(x) - 1."""
    t.finish("Elu", [t.value(0)], alpha=1.0)


def gelu(t: Translation) -> None:
    """x * (1 + erf(x / sqrt(2))) / 2, or its approximation by tanh."""
    approximate = "tanh" if flag(t.operator, "Approximate") else "none"
    t.finish("Gelu", [t.value(0)], approximate=approximate)


def leaky_relu(t: Translation) -> None:
    """x above 0, else alpha * x."""
    t.finish("LeakyRelu", [t.value(0)], alpha=real(t.operator, "Alpha", 0.0))


def power(t: Translation) -> None:
    """x to the power of one constant number, from -64 to 64."""
    exponent = t.floats(1, "exponent")
    if exponent.size != 1:
        raise Unsupported("its exponent is no single number")
    given = t.keep(1, exponent.reshape(()), "number")
    t.finish("Pow", [t.value(0), given])


def square(t: Translation) -> None:
    """x * x."""
    t.finish("Mul", [t.value(0), t.value(0)])


def squared_difference(t: Translation) -> None:
    """Square of the difference, with broadcasting."""
    difference = t.node("Sub", _aligned(t, 2), as_image(t.result.shape))
    t.finish("Mul", [difference, difference])


def reciprocal_root(t: Translation) -> None:
    """1 / sqrt(x)."""
    t.finish("Reciprocal", [t.node("Sqrt", [t.value(0)], as_image(t.result.shape))])


def softmax(t: Translation) -> None:
    """Softmax over the last axis, of beta * x."""
    x, beta = t.value(0), real(t.operator, "Beta", 1.0)
    rank = len(t.result.shape)
    if beta != 1:
        scaled = [x, t.listed("beta", [beta], np.float32)]
        x = t.node("Mul", scaled, as_image(t.result.shape))
    t.finish("Softmax", [x], axis=t.axis(-1, rank))


def log_softmax(t: Translation) -> None:
    """Logarithm of softmax over the last axis."""
    t.finish("LogSoftmax", [t.value(0)], axis=t.axis(-1, len(t.result.shape)))


def l2_normalization(t: Translation) -> None:
    """Quotient by the norm over the last axis, which counts as 1e-6 at least."""
    axis = t.axis(-1, len(t.result.shape))
    t.finish("LpNormalization", [t.value(0)], axis=axis, epsilon=1e-6)


def local_response_normalization(t: Translation) -> None:
    """Quotient by a power of a sum of squares over neighbouring channels, the last axis."""
    if len(t.result.shape) != len(IMAGE):
        raise Unsupported("its operand has not 4 axes")
    size = 2 * whole(t.operator, "Radius", 0) + 1
    numbers = {name: real(t.operator, name.title(), 0.0) for name in ("alpha", "beta", "bias")}
    numbers["alpha"] *= size  # which ONNX divides by
    t.finish("LRN", [t.value(0)], size=size, **numbers)


TRANSLATORS: Mapping[str, Translator] = {
    "ABS": _function("Abs", "Magnitudes."),
    "ADD": _arithmetic("Add", "Sum, with broadcasting; one operand has the shape of the result."),
    "ADD_N": add_n,
    "DIV": _arithmetic("Div", "Quotient, with broadcasting."),
    "ELU": elu,
    "EXP": _function("Exp", "exp(x)."),
    "GELU": gelu,
    "HARD_SWISH": _function("HardSwish", "x * clip(x / 6 + 1/2, 0, 1)."),
    "L2_NORMALIZATION": l2_normalization,
    "LEAKY_RELU": leaky_relu,
    "LOG": _function("Log", "Natural logarithms."),
    "LOCAL_RESPONSE_NORMALIZATION": local_response_normalization,
    "LOGISTIC": _function("Sigmoid", "1 / (1 + exp(-x))."),
    "LOG_SOFTMAX": log_softmax,
    "MAXIMUM": _arithmetic("Max", "Maximum, with broadcasting; with numbers a clip."),
    "MINIMUM": _arithmetic("Min", "Minimum, with broadcasting; with numbers a clip."),
    "MUL": _arithmetic("Mul", "Product, with broadcasting."),
    "NEG": _function("Neg", "-x."),
    "POW": power,
    "PRELU": _arithmetic("PRelu", "x above 0, else slope * x; with one slope a leaky_relu."),
    "RELU": _bounded("RELU", "max(x, 0)."),
    "RELU6": _bounded("RELU6", "min(max(x, 0), 6)."),
    "RELU_0_TO_1": _bounded("RELU_0_TO_1", "min(max(x, 0), 1)."),
    "RELU_N1_TO_1": _bounded("RELU_N1_TO_1", "min(max(x, -1), 1)."),
    "RSQRT": reciprocal_root,
    "SOFTMAX": softmax,
    "SQRT": _function("Sqrt", "Square roots."),
    "SQUARE": square,
    "SQUARED_DIFFERENCE": squared_difference,
    "SUB": _arithmetic("Sub", "Difference, with broadcasting."),
    "TANH": _function("Tanh", "Hyperbolic tangent."),
}
"""How they are translated; the first line of a text is its documentation."""
