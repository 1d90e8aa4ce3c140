"""Small ONNX models of functions of each element, normalisations and products of tensors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.onnx_models import Drawing


def normalised(d: Drawing) -> tuple[str, ...]:
    scales = d.weight(8), d.weight(8)
    return (
        d.op("LogSoftmax", "x", axis=1),
        d.op("LpNormalization", "x", axis=1),
        d.op("InstanceNormalization", "x", *scales, epsilon=1e-3),
        d.op("LRN", "x", size=3, alpha=0.5),
    )


def product_of_tensors(d: Drawing) -> str:
    return d.op("MatMul", "x", d.op("Relu", "x"))


def functions(d: Drawing) -> tuple[str, ...]:
    below = d.op("Exp", d.op("Neg", d.op("Abs", "x")))
    power = d.op("Pow", below, d.constant(1.5, np.float32))
    return power, *(d.op(kind, below) for kind in ("Log", "Sqrt", "Reciprocal"))


FUNCTIONS: tuple[Callable[[Drawing], tuple[str, ...]], ...] = (functions, normalised)
"""Models in which no data have to move."""
