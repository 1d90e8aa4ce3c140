"""The base class of all ops: a frozen dataclass of typed attributes.

Printing, parsing, help and comparison derive from the dataclass fields; subclasses add shape
inference and cost. The ops themselves live in mbc/ops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self, TypeVar

from mbc.ir.activations import Activation
from mbc.ir.types import TensorType

T = TypeVar("T")

Axis = Literal["in", "out"]
"""The channels that an axis runs along: those that a group of the op reads, or the result's."""

AXES: tuple[tuple[Axis, ...], ...] = ((), ("in",), ("out",), ("in", "out"))


@dataclass(frozen=True)
class OperandSpec:
    """An operand of an op: its role, and all that passes and frontends know of it.

    An operand along "out" has one element, or one column of weights, for each channel of the
    result: in another order of these channels the op gives the same result in that order. A value
    along "in" is summed over, and so are the rows of the constants along ("in", "out")."""

    name: str
    """The role, unique among the operands of the op."""
    optional: bool = False
    """Whether it may be absent."""
    constant: bool = False
    """Whether it is a constant of the graph, not a value."""
    variadic: bool = False
    """Whether there may be any number of them; of the last operand alone."""
    along: Axis | tuple[Axis, ...] = ()
    """The channels that its last axes run along, the last one last; () if along none."""
    statistic: bool = False
    """Whether it is a constant that is measured in training, not learned."""

    def __post_init__(self) -> None:
        if self.axes not in AXES or (self.constant and self.axes == ("in",)):
            raise ValueError(f"operand '{self.name}' cannot be along {self.along}")

    @property
    def axes(self) -> tuple[Axis, ...]:
        """`along` as a tuple."""
        return (self.along,) if isinstance(self.along, str) else self.along

    def fan_in(self, type: TensorType) -> int:
        """The elements of a constant that belong to one channel of the result."""
        return type.elements // type.channels if "out" in self.axes else type.elements


@dataclass(frozen=True)
class Cost:
    """Work of one node for one inference: multiply-adds of convolutions and dense layers (the
    papers' count: no bias, batch norm, activation or pooling), learned parameters, bytes."""

    macs: int = 0
    params: int = 0
    bytes_read: int = 0
    bytes_written: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.macs + other.macs,
            self.params + other.params,
            self.bytes_read + other.bytes_read,
            self.bytes_written + other.bytes_written,
        )


class OpError(Exception):
    """Operands or attributes that do not fit an op: raised by `Op.infer`, turned into a
    diagnostic with the user's line by whoever knows it."""

    def __init__(self, message: str, label: str = "", help: str = "", code: str = "E0201") -> None:
        super().__init__(message)
        self.message, self.label, self.help, self.code = message, label, help, code


@dataclass(frozen=True)
class Op:
    """An operation. `operands` gives the roles in order; absent optional operands are None."""

    mnemonic: ClassVar[str]
    operands: ClassVar[tuple[OperandSpec, ...]] = (OperandSpec("x"),)
    moves_data_only: ClassVar[bool] = False
    elementwise: ClassVar[bool] = False
    """Whether an element of the result depends on those at its place alone."""
    per_channel: ClassVar[bool] = False
    """Whether channel c of the result depends on channel c of each operand alone."""
    per_pixel: ClassVar[bool] = False
    """Whether a pixel of the result depends on that pixel of each operand alone."""

    @property
    def bodies(self) -> tuple[Any, ...]:
        """The graphs (`mbc.ir.graph.Graph`) that the op runs; none unless it is a fused op."""
        return ()

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Result types for operand types; raises OpError where they do not fit."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """What text calls it: the mnemonic, or the name of an activation."""
        return self.mnemonic

    def macs(self, types: Sequence[TensorType | None]) -> int:
        """Multiply-adds, counted as the papers do."""
        return 0

    @property
    def channel_groups(self) -> int:
        """The groups that input and output channels fall into; each reads its own inputs alone."""
        return 1

    def spec(self, index: int) -> OperandSpec:
        """The spec of the operand at a position, variadic ones included."""
        return self.operands[min(index, len(self.operands) - 1)]

    def roles(self, count: int) -> tuple[str, ...]:
        """The roles of so many operands, and of absent ones; variadic ones are x, x2, x3."""
        (*_, last), names = self.operands, [spec.name for spec in self.operands]
        if last.variadic:
            names += [f"{last.name}{number}" for number in range(2, count - len(names) + 2)]
        return tuple(names)

    def by_role(self, items: Sequence[T]) -> Mapping[str, T | None]:
        """What belongs to the operands, such as their types, by role; None for absent ones."""
        roles = self.roles(len(items))
        absent = [None] * (len(roles) - len(items))
        return dict(zip(roles, [*items, *absent], strict=False))


class Activated(Op):
    """An op whose results go through an activation before they are stored: its field `act`."""

    act: Activation | None

    def with_act(self, act: Activation | None) -> Self:
        """The same op with another activation."""
        changes: dict[str, Any] = {"act": act}
        return replace(self, **changes)


def require(condition: bool, message: str, label: str = "", help: str = "") -> None:
    """Raise an OpError unless the condition holds."""
    if not condition:
        raise OpError(message, label, help)
