"""The constants of a quantised layer, computed in double precision and rounded once.

For output channel o, with the scale sx of x, largest weight code L (127, or 63 for 7 bits) and the
scale sy of the result (1 for floats):

    sw[o]         = max(max |w[:, o]| / L, |b[o]| / (sx * 2^30)), or 1 where that is 0
    weight[:, o]  = round_half_even(w[:, o] / sw[o])                          s8
    bias[o]       = round_half_even(b[o] / (sx * sw[o]))                      s32
    multiplier[o] = f32(sx * sw[o] / sy)

The second term of sw lets the bias of a channel with next to no weights fit s32. Where x are bytes,
w is w times the scale of the input channel, and the sum of weight times mean / sx over all that a
filter covers is taken off the bias before it is rounded. A model that was quantised before states
sw itself, and its multipliers are rounded as its runtimes do it:

    multiplier[o] = f32(f32(sx * sw[o]) / sy)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mbc.diag import error
from mbc.int8.quantisation import Quantisation
from mbc.ir.elements import Q8, S8, S32
from mbc.ir.graph import Constant, Node
from mbc.ir.types import TensorType
from mbc.ops.quantized import largest_sums, weight_scales
from mbc.passes.byte_inputs import Numbers
from mbc.passes.fold_affine import of_inputs
from mbc.passes.rewrite import ConstantMaker, name_of
from mbc.records import dataclass

BIAS_BITS = 30
FROM_CODES = 1e-3
"""How far from a whole number of steps a weight may be that stands for a code, for float32."""
LARGEST_STEPS = 2.0**31
"""What steps from the zero point stay below, so that every target converts them to s32."""


@dataclass(frozen=True)
class _Steps:
    """The scales of a layer, by which its constants are divided."""

    x: Q8
    to: Q8 | None
    """None where the result is f32."""
    largest: int
    """The largest code of a weight."""
    stated: np.ndarray | None = None
    """The scales of the channels of the weight; None: they follow from it."""

    numbers: Numbers | None = None
    """What bytes stand for, where x are some."""
    groups: int = 1

    def real(self, weight: np.ndarray) -> np.ndarray:
        """Return the weight by which x is multiplied, without the means."""
        w: np.ndarray = weight.astype(np.float64)
        if self.numbers is not None:
            w = w * self._of_inputs(self.numbers.scales, w)
        return w

    def _of_inputs(self, numbers: np.ndarray, weight: np.ndarray) -> np.ndarray:
        channels = np.broadcast_to(numbers.astype(np.float64), weight.shape[-2] * self.groups)
        return of_inputs(channels, weight, self.groups)

    def weights(self, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """Return the scale of each channel of the weight."""
        if self.stated is not None:
            return self.stated
        w, b = self.real(weight), bias.astype(np.float64)
        most = np.abs(w).max(axis=tuple(range(w.ndim - 1))) / self.largest
        least = np.abs(b) / (self.x.scale * 2.0**BIAS_BITS)
        scales = np.maximum(most, least)
        return np.where(scales == 0, 1.0, scales)

    def codes(self, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """Return the codes of the weight."""
        found: np.ndarray = np.rint(self.real(weight) / self.weights(weight, bias))
        return found

    def biases(self, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """Return the bias in steps of the sums."""
        scale = self.x.scale * self.weights(weight, bias)
        steps: np.ndarray = bias.astype(np.float64) / scale
        if self.numbers is not None:
            means = self._of_inputs(self.numbers.means / np.float64(self.x.scale), weight)
            steps -= (self.codes(weight, bias) * means).sum(tuple(range(weight.ndim - 1)))
        found: np.ndarray = np.rint(steps)
        return found

    def multipliers(self, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """Return the steps of the result for each step of the sums; those of a model in float32, as
        its runtimes compute them."""
        number = np.dtype(np.float64 if self.stated is None else np.float32)
        x, to = (
            np.array(scale, number) for scale in (self.x.scale, self.to.scale if self.to else 1)
        )
        found: np.ndarray = x * self.weights(weight, bias).astype(number) / to
        return found


def stated_scales(node: Node, x: Q8, quantisation: Quantisation) -> np.ndarray | str:
    """Return the scales that a model states of the weight of a layer, one a channel; or why its
    codes do not follow from them."""
    weight, bias = node.constant("weight"), node.constant("bias")
    assert weight is not None
    stated = quantisation.weights.get(weight.name)
    channels = weight.type.channels
    if stated is None or stated.size not in (1, channels):
        return "the model states no scales of its weights"
    scales = np.broadcast_to(stated.astype(np.float64).ravel(), channels)
    if weight.data is None or (bias is not None and bias.data is None):
        return scales
    codes = weight.array.astype(np.float64) / scales
    if np.abs(codes).max(initial=0.0) > quantisation.largest_weight + FROM_CODES:
        return f"its weights exceed {quantisation.largest_weight} steps of the model"
    if np.abs(codes - np.rint(codes)).max(initial=0.0) > FROM_CODES:
        return "its weights are no multiples of the scales that the model states"
    sums = None if bias is None else bias.array.astype(np.float64) / (x.scale * scales)
    if largest_sums(x, codes, sums).max(initial=0.0) >= LARGEST_STEPS:
        return "its sums may exceed 32 bits by the scales that the model states"
    return scales


def layer_constants(
    constants: ConstantMaker,
    node: Node,
    x: Q8,
    to: Q8 | None,
    quantisation: Quantisation,
    stated: np.ndarray | None = None,
    numbers: Numbers | None = None,
) -> dict[str, Constant]:
    """Make the weight, bias and multiplier of a layer, unbound where its own are; `numbers` are
    those of bytes that it reads. Raises E0552 for sums that, times the multiplier, may exceed s32.
    """
    groups = node.op.channel_groups
    steps = _Steps(x, to, quantisation.largest_weight, stated, numbers, groups)
    weight, bias = node.constant("weight"), node.constant("bias")
    assert weight is not None
    correction = quantisation.corrections.get(node.result.name)
    if numbers is not None and numbers.scales.size > 1:
        correction = None  # it is that of weights without the scales, which round otherwise
    shifted_x = numbers is not None and numbers.is_shifted
    given = [weight, *([bias] if bias else [])]
    channels = weight.type.channels
    vector, stem = TensorType((channels,)), weight.name.removesuffix(".folded")

    def shifted(b: np.ndarray | None) -> np.ndarray:
        plain = np.zeros(channels) if b is None else b.astype(np.float64)
        return plain if correction is None else plain + correction

    made = {
        "weight": constants.derive(
            f"{stem}.s8",
            TensorType(weight.type.shape, S8),
            given,
            lambda w, b=None: steps.codes(w, shifted(b)),
        ),
        "multiplier": constants.derive(
            f"{stem.removesuffix('.weight')}.multiplier",
            vector,
            given,
            lambda w, b=None: steps.multipliers(w, shifted(b)),
        ),
    }
    if bias is not None or correction is not None or shifted_x:
        name = bias.name.removesuffix(".folded") if bias else f"{stem.removesuffix('.weight')}.bias"
        type = TensorType((channels,), S32)
        made["bias"] = constants.derive(
            f"{name}.s32", type, given, lambda w, b=None: steps.biases(w, shifted(b))
        )
    _check_sums(node, x, made)
    return made


def rounded_weight(layer: Node) -> np.ndarray:
    """Return the numbers that the codes of a layer's weight stand for."""
    weight, multiplier, x = layer.constant("weight"), layer.constant("multiplier"), layer.view("x")
    assert weight is not None
    assert multiplier is not None
    source, to = x.type.element, layer.result.type.element
    assert isinstance(source, Q8)
    rounded: np.ndarray = weight.array * weight_scales(multiplier.array, source, to)
    return rounded


def _check_sums(node: Node, x: Q8, made: Mapping[str, Constant]) -> None:
    """Raise E0552 if a sum may not fit s32, or not when it is multiplied."""
    weight, multiplier, bias = made["weight"].data, made["multiplier"].data, made.get("bias")
    if weight is None or multiplier is None:
        return
    sums = largest_sums(x, weight, None if bias is None else bias.array)
    most = float(np.max(sums * np.maximum(multiplier.astype(np.float64), 1.0)))
    if most >= LARGEST_STEPS:
        refuse_sums(node, most)


def refuse_sums(node: Node, most: float) -> None:
    """Raise E0552."""
    raise error(
        "E0552",
        f"the sums of {name_of(node)} may be {most:.3g} steps of its range, 2^31 at most",
        at=node.locations[0] if node.locations else None,
        label="its range is too narrow beside what it adds up",
        helps=[
            "calibrate on samples that make use of it",
            f"or leave it in float: mbc quantize --keep-float {node.result.name}",
        ],
    )
