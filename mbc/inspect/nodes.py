"""Nodes of a graph as frozen records, which later passes do not change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from math import isfinite
from typing import TypeAlias

from mbc.diag import Location
from mbc.ir.elements import Q8, Scalar
from mbc.ir.graph import Constant, Node, Operand
from mbc.ir.op import Op
from mbc.ir.text.printer import attr_text, non_default, operand_text, schedule_text
from mbc.ir.types import TensorType
from mbc.ir.views import Value
from mbc.ops.cost import node_cost, op_name, origins_of
from mbc.records import dataclass
from mbc.targets.backend import Backend

Attribute: TypeAlias = "int | float | bool | str | list[Attribute]"
"""An attribute of an op as JSON has it."""


@dataclass(frozen=True)
class TypeRecord:
    """The type of a tensor."""

    text: str
    """As in IR text: `f32[1,7,7,16]`."""
    element: str
    shape: tuple[int, ...]
    bytes: int
    """Of the dense tensor."""
    scale: float | None = None
    """Of codes: the real number of a step."""
    zero: int | None = None
    """Of codes: the code of 0.0."""

    @staticmethod
    def of(type: TensorType) -> TypeRecord:
        """Record a type."""
        match type.element:
            case Q8(scale, zero):
                return TypeRecord(str(type), "q8", type.shape, type.bytes, scale, zero)
            case Scalar() as scalar:
                return TypeRecord(str(type), str(scalar), type.shape, type.bytes)


@dataclass(frozen=True)
class OperandRecord:
    """An operand of a node."""

    role: str
    """Its name among the operands: `x`, `weight`, `residual`."""
    text: str
    """As in IR text: `@w`, `%0[0:29]`."""
    values: tuple[str, ...]
    """Names of the values that it reads, in the order of channels; none for a constant."""
    constant: str | None
    """Name of the constant."""
    type: TypeRecord

    @staticmethod
    def of(role: str, operand: Operand) -> OperandRecord:
        """Record an operand."""
        constant, values = None, tuple[str, ...]()
        if isinstance(operand, Constant):
            constant = operand.name
        else:
            values = tuple(value.name for value in operand.values)
        return OperandRecord(
            role, operand_text(operand), values, constant, TypeRecord.of(operand.type)
        )


@dataclass(frozen=True)
class ValueRecord:
    """A value: a result of a node, or an input of the graph."""

    name: str
    type: TypeRecord
    origins: tuple[str, ...]
    """Values of the network as written that it accounts for."""
    is_added: bool
    """Whether a pass added it, so that its own name is no origin."""
    offset: int | None
    """Byte offset in the arena; None if it does not lie there."""
    pitch: int | None
    """Elements from pixel to pixel, if it shares its pixels with other values."""

    @staticmethod
    def of(value: Value) -> ValueRecord:
        """Record a value."""
        place = value.place
        return ValueRecord(
            value.name,
            TypeRecord.of(value.type),
            value.origins,
            value.is_added,
            None if place is None else place.offset,
            None if place is None else place.pitch,
        )


@dataclass(frozen=True)
class NodeRecord:
    """A node, as it was after a pass."""

    name: str
    """Name of its first result."""
    op: str
    """Label of the op; `fused KIND` for a fused node."""
    attributes: Mapping[str, Attribute]
    """Attributes that differ from the op's defaults."""
    operands: tuple[OperandRecord, ...]
    """Absent ones are left out."""
    results: tuple[ValueRecord, ...]
    origins: tuple[str, ...]
    """Origins of the results and of the values in the body, the node's own name last."""
    lines: tuple[Location, ...]
    """Lines of the user that made it."""
    macs: int
    params: int
    """Elements of its constants."""
    bytes_read: int
    bytes_written: int
    schedule: str | None
    """How its kernel computes it, as in IR text."""
    scratch: int | None
    """Byte offset of its kernel's scratch in the arena."""
    cycles: float | None
    """Predicted cycles of one core; None in bodies and where the backend has no kernel."""
    bound: str | None
    """What bounds the prediction: "compute" or "memory"."""
    body: tuple[NodeRecord, ...] = field(default=())
    """Nodes of a fused node's body."""

    @property
    def bytes(self) -> int:
        """Memory traffic: each operand and result once."""
        return self.bytes_read + self.bytes_written

    @property
    def constants(self) -> tuple[str, ...]:
        """Names of its constants, those in its body included."""
        inside = (name for node in self.body for name in node.constants)
        own = (operand.constant for operand in self.operands if operand.constant is not None)
        return tuple(dict.fromkeys((*inside, *own)))

    @staticmethod
    def of(node: Node, backend: Backend | None) -> NodeRecord:
        """Record a node; without a backend, as for nodes of bodies, nothing is predicted."""
        cost = node_cost(node)
        cycles, bound = (None, None) if backend is None else _predicted(node, backend)
        return NodeRecord(
            name=node.results[0].name,
            op=op_name(node),
            attributes=attributes_of(node.op),
            operands=tuple(OperandRecord.of(role, o) for role, o in node.items() if o is not None),
            results=tuple(map(ValueRecord.of, node.results)),
            origins=origins_of(node),
            lines=node.locations,
            macs=cost.macs,
            params=cost.params,
            bytes_read=cost.bytes_read,
            bytes_written=cost.bytes_written,
            schedule=None if node.schedule is None else schedule_text(node.schedule),
            scratch=node.scratch,
            cycles=cycles,
            bound=bound,
            body=tuple(NodeRecord.of(inner, None) for inner in _body(node)),
        )


def _body(node: Node) -> Iterator[Node]:
    return (inner for body in node.op.bodies for inner in body.topo())


def _predicted(node: Node, backend: Backend) -> tuple[float | None, str | None]:
    """Return what a backend predicts of a node that it has a kernel for."""
    if not backend.supports(node):
        return None, None
    found = backend.predict(node)
    return round(found.cycles, 1), found.bound or None


def attributes_of(op: Op) -> dict[str, Attribute]:
    """Return the attributes of an op that differ from the defaults; the body of a fused op is
    none."""
    if op.bodies:
        return {}
    return {item.name: _attribute(value) for item, value in non_default(op)}


def _attribute(value: object) -> Attribute:
    match value:
        case bool() | int() | str() if type(value) in (bool, int, str):
            return value
        case float() if isfinite(value):
            return value
        case tuple():
            return [_attribute(item) for item in value]
        case _:
            text: str = attr_text(value)  # type: ignore[arg-type]
            return text
