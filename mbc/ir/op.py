"""The base class of all ops: a frozen dataclass of typed attributes.

Printing, parsing, help and comparison derive from the dataclass fields; subclasses add shape
inference and cost. The ops themselves live in mbc/ops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, ClassVar, Literal, Self, TypeVar

from mbc.ir.activations import Activation
from mbc.ir.types import TensorType
from mbc.records import dataclass

T = TypeVar("T")

Axis = Literal["in", "out"]
"""The channels that an axis enumerates: those that one group of the op reads, or the result's."""

AXES: tuple[tuple[Axis, ...], ...] = ((), ("in",), ("out",), ("in", "out"))
"""The values that `OperandSpec.axes` may have."""


@dataclass(frozen=True)
class OperandSpec:
    """The role of an operand, and its properties that passes and frontends use.

    An operand along "out" has one element, or one column of weights, per channel of the result:
    permuting these permutes the result's channels. A value along "in" is summed over, and so are
    the rows of constants along ("in", "out")."""

    name: str
    """The role, unique among the operands of the op."""
    optional: bool = False
    """Whether it may be absent."""
    constant: bool = False
    """Whether it is a constant of the graph rather than a value."""
    either: bool = False
    """Whether it may be a constant as well as a value; one operand of the op is a value."""
    variadic: bool = False
    """Whether it may be repeated; the last operand only."""
    along: Axis | tuple[Axis, ...] = ()
    """The channels that its trailing axes enumerate, in axis order; () if none."""
    statistic: bool = False
    """Whether it is a constant that training measures rather than learns."""

    def __post_init__(self) -> None:
        if self.axes not in AXES or (self.constant and self.axes == ("in",)):
            raise ValueError(f"operand '{self.name}' cannot be along {self.along}")

    @property
    def axes(self) -> tuple[Axis, ...]:
        """`along` as a tuple."""
        return (self.along,) if isinstance(self.along, str) else self.along

    def fan_in(self, type: TensorType) -> int:
        """Return the number of a constant's elements per channel of the result."""
        return type.elements // type.channels if "out" in self.axes else type.elements


@dataclass(frozen=True)
class Cost:
    """Work of one node in one inference."""

    macs: int = 0
    """Multiply-adds of convolutions and dense layers, as papers count them: without bias, batch
    norm, activation and pooling."""
    params: int = 0
    """Learned parameters."""
    bytes_read: int = 0
    """Bytes of the operands."""
    bytes_written: int = 0
    """Bytes of the results."""

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.macs + other.macs,
            self.params + other.params,
            self.bytes_read + other.bytes_read,
            self.bytes_written + other.bytes_written,
        )


class OpError(Exception):
    """Operands or attributes that are invalid for an op.

    `Op.infer` raises it; a caller that knows the user's line turns it into a diagnostic."""

    def __init__(self, message: str, label: str = "", help: str = "", code: str = "E0201") -> None:
        super().__init__(message)
        self.message, self.label, self.help, self.code = message, label, help, code


@dataclass(frozen=True)
class Op:
    """An operation."""

    mnemonic: ClassVar[str]
    """The name in IR text."""
    operands: ClassVar[tuple[OperandSpec, ...]] = (OperandSpec("x"),)
    """The operands in order; absent optional ones are None."""
    moves_data_only: ClassVar[bool] = False
    """Whether each element of the result is a copy of one of an operand."""
    elementwise: ClassVar[bool] = False
    """Whether an element of the result depends only on those at the same position. Here and below
    an operand that is broadcast counts as if it had the shape of the result."""
    per_channel: ClassVar[bool] = False
    """Whether channel c of the result depends only on channel c of each operand."""
    per_pixel: ClassVar[bool] = False
    """Whether a pixel of the result depends only on the same pixel of each operand."""

    @property
    def bodies(self) -> tuple[Any, ...]:
        """The graphs (`mbc.ir.graph.Graph`) that the op runs; none unless it is a fused op."""
        return ()

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Infer result types from operand types; raises OpError where these are invalid."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """The name in IR text: the mnemonic, or the name of an activation."""
        return self.mnemonic

    def macs(self, types: Sequence[TensorType | None]) -> int:
        """Count multiply-adds as papers do (`Cost.macs`)."""
        return 0

    @property
    def channel_groups(self) -> int:
        """The number of channel groups; outputs of a group depend only on inputs of that group."""
        return 1

    def spec(self, index: int) -> OperandSpec:
        """Return the spec of the operand at a position, variadic ones included."""
        return self.operands[min(index, len(self.operands) - 1)]

    def specs(self, types: Sequence[TensorType | None]) -> tuple[OperandSpec, ...]:
        """Return the specs of given operands; one broadcast along channels is along none."""
        return tuple(self.spec(index) for index in range(len(types)))

    def roles(self, count: int) -> tuple[str, ...]:
        """Return the roles of `count` operands, then of absent ones; variadic: x, x2, x3."""
        kind: Any = type(self)
        return _roles(kind, count)

    def by_role(self, items: Sequence[T]) -> Mapping[str, T | None]:
        """Map roles to one item per operand, such as its type; None for absent operands."""
        roles = self.roles(len(items))
        absent = [None] * (len(roles) - len(items))
        return dict(zip(roles, [*items, *absent], strict=False))


class Activated(Op):
    """An op with a fused activation."""

    act: Activation | None
    """Applied to the results before they are stored; None for none."""

    def with_act(self, act: Activation | None) -> Self:
        """Return the op with another activation."""
        changes: dict[str, Any] = {"act": act}
        return replace(self, **changes)


@cache
def _roles(kind: type[Op], count: int) -> tuple[str, ...]:
    (*_, last), names = kind.operands, [spec.name for spec in kind.operands]
    if last.variadic:
        names += [f"{last.name}{number}" for number in range(2, count - len(names) + 2)]
    return tuple(names)


def require(condition: bool, message: str, label: str = "", help: str = "") -> None:
    """Raise an OpError unless the condition holds."""
    if not condition:
        raise OpError(message, label, help)
