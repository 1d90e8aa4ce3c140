"""Weights and biases of layers, in float and on codes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.tflite.codes import steps_of
from mbc.frontends.tflite.translation import Translation

LARGEST_STEP = 1e24
"""Sums of it are float32."""


def filters(t: Translation, index: int, axis: int, order: Sequence[int], form: str) -> str:
    """Keep the weight of a layer with its axes in an order; one of its axes are the outputs."""
    tensor, array = t.tensor(t.number(index)), t.array(index, "weight")
    if not (array.size and t.is_of_codes()):
        return t.keep(index, t.floats(index, "weight").transpose(order), form)
    _refuse_floats(array, "weight")
    steps = steps_of(tensor, array, axis)
    name = t.keep(index, steps.weight.transpose(order), form)
    t.known.rounded += 0 if name in t.known.weights else steps.rounded
    t.known.weights[name], t.known.sums[name] = steps.scale, steps.given
    return name


def bias(t: Translation, index: int, x: int, weight: str) -> list[str]:
    """Keep the bias of a layer, if it has one: integers are steps of the sums of what it reads by
    its weight."""
    element, sums = t.known.element(t.number(x)), t.known.sums.get(weight)
    if element is None or sums is None:
        return [t.keep(index, t.floats(index, "bias"), "bias")] if t.has(index) else []
    steps = element.scale * sums
    if steps.max() > LARGEST_STEP:
        raise Unsupported(f"its sums have steps of {steps.max():g}")
    if not t.has(index):
        return []
    array = t.array(index, "bias")
    _refuse_floats(array, "bias")
    if array.shape != steps.shape:
        raise Unsupported("its bias does not fit its weight")
    numbers = (array.astype(np.float64) * steps).astype(np.float32)
    return [t.keep(index, numbers, f"bias by {element.scale} and {weight}")]


def _refuse_floats(array: np.ndarray, what: str) -> None:
    if array.dtype.kind == "f":
        raise Unsupported(f"its {what} is float, and it computes with codes")
