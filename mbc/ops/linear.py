"""Ops that multiply by weights: convolution (dense, grouped, depthwise) and dense layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from mbc.ir.activations import Activation
from mbc.ir.elements import Q8
from mbc.ir.op import Activated, Op, OperandSpec, OpError, require
from mbc.ir.types import TensorType
from mbc.ops.quantized import MULTIPLIER, layer_element
from mbc.ops.window import Pad, Pair, window_output
from mbc.records import dataclass

WEIGHTED = (
    OperandSpec("x", along="in"),
    OperandSpec("weight", constant=True, along=("in", "out")),
    OperandSpec("bias", optional=True, constant=True, along="out"),
)

SLOPE = OperandSpec("slope", optional=True, constant=True, along="out")
"""What results that are not above 0 are multiplied by, before the activation: `prelu` as part of a
layer."""


def present(type: TensorType | None) -> TensorType:
    """Return the type of a required operand; raises OpError if it is missing."""
    if type is None:
        raise OpError("a required operand is missing")
    return type


def check_vectors(op: Op, types: Mapping[str, TensorType | None], channels: int) -> None:
    """Check that the constants along the result's channels are vectors of `channels` elements."""
    for spec in op.operands:
        if not spec.constant or spec.axes != ("out",):
            continue
        type = types[spec.name] if spec.optional else present(types[spec.name])
        if type is not None and type.shape != (channels,):
            raise OpError(
                f"{spec.name} does not match its channels",
                f"{spec.name} is {type}, expected [{channels}]",
            )


@dataclass(frozen=True)
class Conv2d(Activated):
    """2-D convolution: x NHWC, weight HWIO (I = input channels / groups), optional bias [O] and
    residual (shape of the result, added before slope and activation). With a slope [O], results not
    above 0 are multiplied by it. With x q8, weight s8 and bias s32, the sums times the multiplier
    f32 [O] give `to`, or f32 without it."""

    mnemonic: ClassVar[str] = "conv2d"
    operands: ClassVar[tuple[OperandSpec, ...]] = (
        *WEIGHTED,
        OperandSpec("residual", optional=True, along="out"),
        MULTIPLIER,
        SLOPE,
    )

    stride: Pair = (1, 1)
    pad: Pad = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    act: Activation | None = None
    to: Q8 | None = None

    @property
    def channel_groups(self) -> int:
        """The attribute `groups`."""
        return self.groups

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Infer [n,oh,ow,o] from [n,h,w,i] and [kh,kw,i/g,o]."""
        named = self.by_role(types)
        x, weight, residual = present(named["x"]), present(named["weight"]), named["residual"]
        require(weight.rank == 4, f"a filter has four axes (HWIO), found {weight}")
        kernel = (weight.shape[0], weight.shape[1])
        height, width = window_output(x, kernel, self.stride, self.pad, self.dilation)
        check_groups(x, weight, self.groups)
        check_vectors(self, named, weight.channels)
        element = layer_element(self, self.to, named)
        result = TensorType((x.shape[0], height, width, weight.channels), element)
        _check_residual(residual, result)
        return (result,)

    def macs(self, types: Sequence[TensorType | None]) -> int:
        """Count output elements times filter taps times input channels of a group."""
        (result,) = self.infer(types)
        kh, kw, ic, _ = present(self.by_role(types)["weight"]).shape
        return result.elements * kh * kw * ic


def _check_residual(residual: TensorType | None, result: TensorType) -> None:
    """Check that the residual has the type of the result; a quantised one may have another scale
    and zero point."""
    if residual is None or residual == result:
        return
    quantised = isinstance(residual.element, Q8) and isinstance(result.element, Q8)
    if not quantised or residual.shape != result.shape:
        raise OpError(
            "residual does not match the result", f"residual is {residual}, result {result}"
        )


def check_groups(x: TensorType, weight: TensorType, groups: int) -> None:
    """Check that groups divide the channels, and that a weight [kh,kw,i/g,o] fits its input."""
    *_, per_group, outputs = weight.shape
    require(groups >= 1, f"groups must be positive, found {groups}")
    if x.channels % groups or outputs % groups:
        raise OpError(
            f"groups do not divide the channels: {groups} groups, "
            f"{x.channels} inputs, {outputs} outputs",
            f"x has {x.channels} channels, the result {outputs}",
            "groups must divide both input and output channels",
            code="E0204",
        )
    if x.channels != per_group * groups:
        kind = "depthwise " if groups > 1 and per_group == 1 else ""
        raise OpError(
            f"{kind}weight does not match its input",
            f"x has {x.channels} channels, the weight {weight} expects {per_group * groups}",
            "groups must equal the input channels of a depthwise convolution" if kind else "",
            code="E0203",
        )


def filters_per_channel(op: Conv2d, weight: TensorType) -> int:
    """Return how many filters each channel has by itself, the multiplier of a depthwise
    convolution; 0 if filters sum over channels."""
    return weight.channels // op.groups if op.groups > 1 and weight.shape[2] == 1 else 0


def is_depthwise(op: Conv2d, weight: TensorType) -> bool:
    """Whether there is one filter a channel, and as many outputs as inputs."""
    return filters_per_channel(op, weight) == 1


def is_pointwise(op: Conv2d, weight: TensorType) -> bool:
    """Whether it is 1x1 with stride 1 and without padding; any groups."""
    return weight.shape[:2] == (1, 1) and op.stride == (1, 1) and not any(op.pad)


@dataclass(frozen=True)
class Dense(Activated):
    """Fully connected layer: x [n,i], weight [i,o], optional bias [o] and slope [o], as those of
    conv2d. Quantised as conv2d is."""

    mnemonic: ClassVar[str] = "dense"
    operands: ClassVar[tuple[OperandSpec, ...]] = (*WEIGHTED, MULTIPLIER, SLOPE)

    act: Activation | None = None
    to: Q8 | None = None

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Infer [n,o] from [n,i] and [i,o]."""
        named = self.by_role(types)
        x, weight = present(named["x"]), present(named["weight"])
        require(x.rank == 2, f"dense needs a [batch, channels] tensor, not {x}", f"x is {x}")
        require(weight.rank == 2, f"a dense weight has two axes (IO), found {weight}")
        if x.channels != weight.shape[0]:
            raise OpError(
                "dense weight does not match its input",
                f"x has {x.channels} channels, the weight {weight} expects {weight.shape[0]}",
                code="E0203",
            )
        check_vectors(self, named, weight.channels)
        return (TensorType((x.shape[0], weight.channels), layer_element(self, self.to, named)),)

    def macs(self, types: Sequence[TensorType | None]) -> int:
        """Count batch times inputs times outputs."""
        named = self.by_role(types)
        return present(named["x"]).elements * present(named["weight"]).channels
