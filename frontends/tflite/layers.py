"""Weights and biases of layers, in float and on codes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.tflite.codes import steps_of
from mbc.frontends.tflite.translation import Translation


def filters(t: Translation, index: int, axis: int, order: Sequence[int], form: str) -> str:
    """Keep the weight of a layer with its axes in an order; one of its axes are the outputs."""
    tensor, array = t.tensor(t.number(index)), t.array(index, "weight")
    if array.dtype.kind == "f" or not (array.size and t.is_of_codes()):
        return t.keep(index, t.floats(index, "weight").transpose(order), form)
    steps = steps_of(tensor, array, axis)
    name = t.keep(index, steps.weight.transpose(order), form)
    t.known.rounded += 0 if name in t.known.weights else steps.rounded
    t.known.weights[name], t.known.sums[name] = steps.scale, steps.given
    return name


def bias(t: Translation, index: int, x: int, weight: str) -> list[str]:
    """Keep the bias of a layer, if it has one: integers are steps of the sums of what it reads by
    its weight."""
    if not t.has(index):
        return []
    array, element = t.array(index, "bias"), t.known.element(t.number(x))
    if array.dtype.kind == "f" or element is None or weight not in t.known.sums:
        return [t.keep(index, t.floats(index, "bias"), "bias")]
    steps = element.scale * t.known.sums[weight]
    if array.shape != steps.shape:
        raise Unsupported("its bias does not fit its weight")
    numbers = (array.astype(np.float64) * steps).astype(np.float32)
    return [t.keep(index, numbers, f"bias by {element.scale} and {weight}")]
