"""Products of codes and weights: rows of A, converted for the dot unit, times packed panels.

A task converts the A of some rows, all groups, in one go, to scratch: what lies in runs, several
tensors or patches becomes rows without gaps. Rows of codes that the unit reads as they are and that
have no gaps are not copied. Then panels of weights go over these rows, a register
tile at a time. Panels are [bias s32][multiplier f32][weights: k-steps of a unit, vector, lane, k].
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from mbc.alignment import round_up
from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.gemm import FEW_TASKS
from mbc.backends.llvm.gemm_panels import RowBlocks
from mbc.backends.llvm.gemm_share import Share
from mbc.backends.llvm.integer.codes import Finish, Scaled
from mbc.backends.llvm.integer.dots import LOADED, Dot, dot_of
from mbc.backends.llvm.isa import Isa
from mbc.ops.quantized import LARGEST_WEIGHT
from mbc.records import dataclass

NEAR_BYTES = 32 * 1024  # of converted rows at most, which stay in the second cache
FEW_BYTES = 16 * 1024  # of converted rows at least, since weights are read again each turn


@dataclass(frozen=True)
class Product:
    """The schedule of a product."""

    isa: Isa
    """The vector unit."""
    rows: int
    """Rows of A and of the result: pixels."""
    groups: int
    """Groups of channels."""
    depth: int
    """k: terms of a sum."""
    columns: int
    """Columns of a group."""
    out_pitch: int
    """Bytes from row to row of the result."""
    room: int
    """Elements of a row of the result that may be overwritten."""
    finish: Finish
    """How sums become elements of the result."""
    residual: Scaled | None = None
    """What is added, if something is."""
    residual_pitch: int = 0
    """Bytes from row to row of it."""
    largest: int = LARGEST_WEIGHT
    """What no weight is above."""
    direct: int = 0
    """Bytes from row to row of A where it is multiplied as it lies; 0 where it is converted."""
    near: int = NEAR_BYTES
    """Bytes of converted rows that turns must not exceed."""

    @cached_property
    def dot(self) -> Dot:
        """The unit that multiplies."""
        return dot_of(self.isa, self.largest, self.depth)

    @property
    def steps(self) -> int:
        """Multiplications of a sum along k."""
        return -(-self.depth // self.dot.steps)

    @property
    def group_a(self) -> int:
        """Bytes of a converted row of a group."""
        return self.steps * self.dot.steps * self.dot.bytes

    @property
    def row_bytes(self) -> int:
        """Bytes of a converted row."""
        return self.groups * self.group_a

    @property
    def a_pitch(self) -> int:
        """Bytes from row to row of what is multiplied."""
        return self.direct or self.row_bytes

    @property
    def vectors(self) -> int:
        """Vectors of a group's columns."""
        return self.isa.vectors(self.columns)

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Vectors of each panel of a group, the widest first."""
        return self.dot.widths(self.rows, self.vectors, self.steps)

    @cached_property
    def blocks(self) -> RowBlocks:
        """Rows of the register tiles."""
        return RowBlocks.balanced(self.rows, self.dot.height(self.isa, self.widths[0]))

    def packed_bytes(self, width: int) -> int:
        """Return the bytes of a panel, whole cache lines."""
        each = 2 * self.isa.vector_bytes + self.steps * self.dot.vector_bytes(self.isa)
        return round_up(width * each)

    @property
    def group_bytes(self) -> int:
        """Packed bytes of a group."""
        return sum(map(self.packed_bytes, self.widths))

    @property
    def by_panels(self) -> bool:
        """Whether tasks are panels: where row blocks are few, and fewer than panels. Each range of
        tasks then converts all rows."""
        return self.groups == 1 and self.blocks.count < min(FEW_TASKS, len(self.widths))

    @property
    def tasks(self) -> int:
        """Number of tasks."""
        return len(self.widths) if self.by_panels else min(64, self.blocks.count)

    @property
    def share(self) -> Share:
        """The share of the work that a call does."""
        tasks = 1 if self.by_panels else self.tasks
        return Share("%begin", "%end", tasks, self.by_panels)

    @property
    def turn(self) -> int:
        """Row blocks whose A is converted at a time."""
        if self.by_panels:
            return self.blocks.count
        near = min(self.near, max(FEW_BYTES, self.groups * self.group_bytes))
        return max(1, min(near // (self.row_bytes * self.blocks.tall), self.blocks.count))

    @property
    def scratch_bytes(self) -> int:
        """Scratch of a thread: converted rows, and what loads of whole vectors reach beyond."""
        if self.direct:
            return 0
        return round_up(self.turn * self.blocks.tall * self.row_bytes + LOADED)

    def lanes(self, first: int) -> int | None:
        """Return the lanes that are stored of the vector at a column; None for all."""
        left = self.columns - first
        exact = self.groups > 1 or self.room < self.isa.padded(self.columns)
        return left if exact and left < self.isa.lanes else None


def pack(
    product: Product, weight: np.ndarray, bias: np.ndarray, multiplier: np.ndarray, zero: int
) -> np.ndarray:
    """Pack the panels of all groups as bytes. `weight` is [groups, k, columns], k in the order of
    the converted rows; `bias` and `multiplier` are [groups, columns]; `zero` is the zero point of
    A, which the bias makes up for where units do not subtract it."""
    if missing := product.dot.subtracted(zero) - zero:
        bias = bias + missing * weight.astype(np.int64).sum(axis=1)
    bias = bias.astype(np.int64).astype(np.int32)
    panels = list[np.ndarray]()
    for group in range(product.groups):
        start = 0
        for width in product.widths:
            stop = start + width * product.isa.lanes
            own = (weight[group, :, start:stop], bias[group, start:stop])
            panels.append(_panel(product, width, *own, multiplier[group, start:stop]))
            start = stop
    return np.concatenate(panels)


def _panel(
    product: Product, width: int, weight: np.ndarray, bias: np.ndarray, multiplier: np.ndarray
) -> np.ndarray:
    dot, columns = product.dot, width * product.isa.lanes
    missing = columns - weight.shape[1]
    heads = [np.pad(head, (0, missing)) for head in (bias, multiplier.astype(np.float32))]
    depth = product.steps * dot.steps
    whole = np.pad(weight, ((0, depth - weight.shape[0]), (0, missing)))
    steps = whole.reshape(product.steps, dot.steps, columns).swapaxes(1, 2)
    if dot.order:
        steps = dot.order(whole)
    parts = [*heads, np.ascontiguousarray(steps, {8: np.int8, 16: np.int16}[dot.bits])]
    flat = np.concatenate([np.frombuffer(part.tobytes(), np.uint8) for part in parts])
    return np.pad(flat, (0, product.packed_bytes(width) - flat.size))


@dataclass(frozen=True)
class Places:
    """Addresses of a piece of the work."""

    a: str
    """Converted rows, or those of A as they lie."""
    weights: str
    """Packed weights."""
    out: str
    """The result."""
    residual: str | None = None
    """The residual."""

    @property
    def values(self) -> list[str]:
        """As a list."""
        return [self.a, self.weights, self.out, *([self.residual] if self.residual else [])]

    def of(self, values: Sequence[str]) -> Places:
        """Back from a list."""
        a, weights, out, *rest = values
        return Places(a, weights, out, rest[0] if rest else None)

    def moved(self, f: Function, a: Count, weights: Count, out: Count, residual: Count) -> Places:
        """Advance all by bytes."""
        held = None if self.residual is None else f.offset(self.residual, residual)
        return Places(
            f.offset(self.a, a), f.offset(self.weights, weights), f.offset(self.out, out), held
        )
