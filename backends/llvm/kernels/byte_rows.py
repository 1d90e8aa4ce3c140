"""Rows of bytes as rows of floats: what a body makes of the codes of an image before its first
layer reads them, by `dequantize` and arithmetic with constants. Each of these rounds, as by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm

import numpy as np

from mbc.backends.llvm.emitter import Count, Function, float_literal
from mbc.backends.llvm.integer.codes import load_codes
from mbc.backends.llvm.kernels.base import Buffer
from mbc.backends.llvm.vectors import arithmetic, store
from mbc.ir.elements import Q8
from mbc.ir.graph import Node
from mbc.ir.types import TensorType
from mbc.ops import Fused
from mbc.ops.elementwise import Arithmetic, Mul, Sub
from mbc.ops.quantized import Dequantize
from mbc.records import dataclass

STEPS = {Sub: "fsub", Mul: "fmul"}
"""Instructions of the arithmetic that may follow."""


def numbers_of(node: Node) -> tuple[Node, ...]:
    """Return the nodes at the start of a fused body that make floats of codes; () without any."""
    nodes = node.op.body.topo() if isinstance(node.op, Fused) else []
    if not nodes or not isinstance(nodes[0].op, Dequantize):
        return ()
    count = 1
    while count < len(nodes) and _is_step(nodes[count], nodes[count - 1]):
        count += 1
    return tuple(nodes[:count])


def _is_step(node: Node, before: Node) -> bool:
    """Whether a node combines the result of the one before with numbers of its channels."""
    if type(node.op) not in STEPS or not isinstance(node.op, Arithmetic) or node.op.act is not None:
        return False
    constant, views = node.constant("b"), node.views
    known = constant is not None and constant.type.rank == 1 and constant.data is not None
    return known and [view.is_plain and view.value for view in views] == [before.result]


@dataclass(frozen=True, eq=False)
class ByteRows:
    """An image of codes whose rows become dense ones of floats."""

    source: Buffer
    """Layout of the codes."""
    steps: tuple[tuple[str, np.ndarray], ...]
    """Instructions, each with a number for every channel or one for all."""

    @staticmethod
    def of(nodes: Sequence[Node], source: Buffer) -> ByteRows:
        """Return what nodes of `numbers_of` do to an image of this layout."""
        element, steps = source.type.element, list[tuple[str, np.ndarray]]()
        assert isinstance(element, Q8)
        if element.scale != 1:
            steps.append(("fmul", np.array([element.scale], np.float32)))
        for node in nodes[1:]:
            constant = node.constant("b")
            assert constant is not None
            assert isinstance(node.op, Sub | Mul)
            steps.append((STEPS[type(node.op)], constant.array))
        return ByteRows(source, tuple(steps))

    @property
    def made(self) -> Buffer:
        """The layout of the floats."""
        return Buffer.dense(TensorType(self.source.type.shape))

    def emit_row(self, f: Function, target: str, source: str) -> None:
        """Make a row of floats."""
        channels, width = self.source.type.channels, self.source.type.shape[2]
        if self.source.pitch == channels:
            self._emit_run(f, target, source, width * channels)
            return

        def pixel(_: Count, at: list[str]) -> Sequence[str]:
            floats, codes = at
            self._emit_run(f, floats, codes, channels)
            return [f.offset(floats, 4 * channels), f.offset(codes, self.source.pitch)]

        f.loop(0, width, [("ptr", target), ("ptr", source)], pixel)

    def _emit_run(self, f: Function, target: str, source: str, count: int) -> None:
        """Make floats of dense codes, as many vectors at a time as their channels repeat after."""
        period = lcm(f.isa.lanes, *(numbers.size for _, numbers in self.steps))
        whole = count - count % period

        def turn(_: Count, at: list[str]) -> Sequence[str]:
            self._emit_part(f, at, period)
            return [f.offset(at[0], 4 * period), f.offset(at[1], period)]

        at = f.loop(0, whole, [("ptr", target), ("ptr", source)], turn, step=period)
        self._emit_part(f, at, count - whole)

    def _emit_part(self, f: Function, at: Sequence[str], count: int) -> None:
        """Make floats of some codes, from a first channel on."""
        target, source = at
        element = self.source.type.element
        assert isinstance(element, Q8)
        for first in range(0, count, f.isa.lanes):
            lanes = min(f.isa.lanes, count - first)
            some = None if lanes == f.isa.lanes else lanes
            x = load_codes(f, source, first, some, element.zero)
            for instruction, numbers in self.steps:
                x = arithmetic(f, instruction, x, _literal(f, numbers, first))
            store(f, x, target, 4 * first, some)


def _literal(f: Function, numbers: np.ndarray, first: int) -> str:
    """Return a vector of the numbers of consecutive elements, from the channel of the first on."""
    lanes = (float(numbers[(first + lane) % numbers.size]) for lane in range(f.isa.lanes))
    return f"<{', '.join(f'{f.isa.scalar} {float_literal(number)}' for number in lanes)}>"
