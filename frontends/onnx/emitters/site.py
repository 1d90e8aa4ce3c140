"""A node as its emitter sees it, and what emitters share.

Values of rank 4 are NHWC in mbc and NCHW in ONNX, filters HWIO and OIHW; values of any other rank
are the same in both. So the channel axis of a value of rank r is 1 where r is 4, else r-1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from mbc.frontends.onnx.writer import Writer
from mbc.ir.graph import Constant, Node
from mbc.ir.op import Op
from mbc.ir.types import TensorType
from mbc.records import dataclass

TO_NCHW, TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


@dataclass(frozen=True)
class Site:
    """A node to export, with its operands in ONNX."""

    node: Node
    """The node."""
    operands: tuple[str, ...]
    """Names of ONNX values; "" for constants and absent operands."""
    name: str
    """Prefix of the names of its ONNX nodes."""

    def operand(self, role: str) -> str:
        """Return the ONNX value of an operand; "" where there is none."""
        return self.node.op.by_role(self.operands).get(role) or ""

    @property
    def x(self) -> str:
        """ONNX value of the operand x."""
        return self.operand("x")

    @property
    def x_type(self) -> TensorType:
        """Type of the operand x."""
        return self.node.view("x").type

    def array(self, role: str) -> np.ndarray:
        """Return the data of a constant operand."""
        return self._constant(role).array

    def stored(self, w: Writer, role: str, array: np.ndarray | None = None) -> str:
        """Store a constant operand under its own name; `array` is its data in ONNX's layout if that
        differs. Returns the initializer's name."""
        constant = self._constant(role)
        return w.constant(constant.name, constant.array if array is None else array)

    def _constant(self, role: str) -> Constant:
        constant = self.node.constant(role)
        if constant is None:
            raise TypeError(f"operand '{role}' of {self.node.op.mnemonic} is not a constant")
        return constant


def axis_of(type: TensorType) -> int:
    """Return the channel axis in ONNX."""
    return 1 if type.rank == 4 else type.rank - 1


def onnx_axis(type: TensorType, axis: int) -> int:
    """Return the axis in ONNX of an axis of a type."""
    return TO_NCHW.index(axis) if type.rank == 4 else axis


def onnx_shape(type: TensorType) -> tuple[int, ...]:
    """Return the shape in ONNX: NCHW for rank 4."""
    return permuted(type.shape, TO_NCHW) if type.rank == 4 else type.shape


def permuted(items: Sequence[int], order: Sequence[int]) -> tuple[int, ...]:
    """Permute items: item i of the result is items[order[i]]."""
    return tuple(items[i] for i in order)


def transposed(w: Writer, x: str, order: Sequence[int], name: str) -> str:
    """Transpose x: axis i of the result is axis order[i]."""
    return w.node("Transpose", [x], f"{name}.transpose", perm=list(order))


def reshaped(w: Writer, x: str, shape: Sequence[int], name: str) -> str:
    """Reshape x, in row-major order."""
    return w.node("Reshape", [x, w.integers("shape", shape)], f"{name}.reshape")


Emitters: TypeAlias = Mapping[type[Op], Callable[..., str | tuple[str, ...]]]
"""Emitters of ops: from `(writer, op, site)` to the names of the results."""
