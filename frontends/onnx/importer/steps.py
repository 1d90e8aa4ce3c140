"""The scales of constants that stand for codes, from DequantizeLinear to the ops that read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from mbc.frontends.lowering.model import Node
from mbc.ir.elements import SMALLEST_SCALE
from mbc.records import dataclass

MOST = 127
"""The largest code of a weight; the least is its negative."""


@dataclass(frozen=True, eq=False)
class Scaled:
    """By what a constant is quantised."""

    scales: np.ndarray
    """One, or one for each index along an axis."""
    axis: int

    @staticmethod
    def of(scale: np.ndarray, axis: int, shape: tuple[int, ...]) -> Scaled | None:
        """Return the scales of a constant; None for those of blocks, and for what is no scale."""
        with np.errstate(over="ignore"):
            scale = scale.astype(np.float32)
        if not (np.isfinite(scale).all() and (scale >= SMALLEST_SCALE).all()):
            return None
        if scale.size == 1:
            return Scaled(scale.reshape(1), 0)
        if scale.ndim != 1 or not -len(shape) <= axis < len(shape):
            return None
        return Scaled(scale, axis % len(shape)) if scale.size == shape[axis] else None

    def moved(self, node: Any) -> Scaled | None:
        """Return the scales of what a node makes of the constant; None if they do not follow."""
        if node.op_type == "Identity" or (node.op_type == "Transpose" and self.scales.size == 1):
            return self
        perm = next((list(a.ints) for a in node.attribute if a.name == "perm"), None)
        if node.op_type != "Transpose" or perm is None:
            return self if node.op_type == "Reshape" and self.scales.size == 1 else None
        return Scaled(self.scales, perm.index(self.axis))

    def along(self, rank: int) -> np.ndarray:
        """Return the scales as they are broadcast to the constant."""
        shape = [-1 if axis == self.axis else 1 for axis in range(rank)]
        return self.scales.reshape(shape if self.scales.size > 1 else ())


def of_layers(
    nodes: Iterable[Node], scaled: Mapping[str, Scaled], constants: Mapping[str, np.ndarray]
) -> dict[str, Scaled]:
    """Return the scales of the weights of layers, along the axis of their output channels."""
    found, others = dict[str, Scaled](), set[str]()
    for node in nodes:
        axis, name = _output_axis(node, constants), node.input(1)
        if axis is None or name not in scaled or name not in constants:
            continue
        scales = scaled[name].scales
        fits = (scales.size == 1 or scaled[name].axis == axis) and axis < constants[name].ndim
        if not fits or found.setdefault(name, Scaled(scales, axis)).axis != axis:
            others.add(name)
    return {name: each for name, each in found.items() if name not in others}


def _output_axis(node: Node, constants: Mapping[str, np.ndarray]) -> int | None:
    """Return the axis of a layer's weight that its output channels run along."""
    if node.kind == "Conv":
        return 0
    if node.kind == "Gemm":
        return 0 if node.attributes.get("transB", 0) else 1
    weight = constants.get(node.input(1))
    return 1 if node.kind == "MatMul" and weight is not None and weight.ndim == 2 else None


@dataclass(frozen=True, eq=False)
class Fitted:
    """A weight as it is with codes from -127 to 127."""

    weight: np.ndarray
    scales: np.ndarray
    lowest: int
    """How many of its codes were -128, and are -127."""
    wide: int
    """How many output channels reached farther, and are rounded to 127 steps of a larger scale."""

    @staticmethod
    def of(weight: np.ndarray, scaled: Scaled) -> Fitted:
        """Fit a weight that stands for codes of these scales."""
        others = tuple(axis for axis in range(weight.ndim) if axis != scaled.axis)
        with np.errstate(all="ignore"):
            codes = np.rint(weight / scaled.along(weight.ndim).astype(np.float64))
        if not np.isfinite(codes).all():
            return Fitted(weight, scaled.scales, 0, 0)
        lowest = codes == -MOST - 1
        codes[lowest] = -MOST
        reach = np.abs(codes).max(axis=others, initial=0)
        wide = reach > MOST
        if not wide.any() and not lowest.any():
            return Fitted(weight, scaled.scales, 0, 0)
        shape = [-1 if axis == scaled.axis else 1 for axis in range(weight.ndim)]
        given = np.broadcast_to(scaled.scales.astype(np.float64), reach.shape)
        scales = np.where(wide, given * reach / MOST, given).astype(np.float32)
        steps = np.rint(codes * (given / scales).reshape(shape))
        made = (steps * scales.astype(np.float64).reshape(shape)).astype(np.float32)
        own = scaled.scales if not wide.any() else scales
        return Fitted(made, own, int(lowest.sum()), int(wide.sum()))


def fitted(
    constants: Mapping[str, np.ndarray],
    weights: Mapping[str, Scaled],
    note: Callable[[str], None],
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the constants and the scales of weights, with codes from -127 to 127."""
    found = {name: Fitted.of(constants[name], each) for name, each in weights.items()}
    if lowest := sum(each.lowest for each in found.values()):
        note(f"the code -128 of {lowest:,} weights becomes -127, the least that mbc has")
    if wide := [name for name, each in found.items() if each.wide]:
        count = sum(found[name].wide for name in wide)
        note(
            f"weights of {count:,} channels are more than 127 steps from their zero point, and "
            f"are rounded to 127 larger ones, first in {wide[0]!r}"
        )
    changed = {name: each.weight for name, each in found.items()}
    return {**constants, **changed}, {name: each.scales for name, each in found.items()}
