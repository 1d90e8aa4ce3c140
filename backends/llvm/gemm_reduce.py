"""Sums of the lanes that hold parts of one column, at the end of a register tile."""

from __future__ import annotations

from collections.abc import Sequence

from mbc.backends.llvm.emitter import Function
from mbc.backends.llvm.gemm_units import Panel, Unit
from mbc.backends.llvm.vectors import arithmetic, shuffled


def reduced(f: Function, panel: Panel, sums: Sequence[str]) -> list[str]:
    """Return the sums of a row with the columns of each unit in its first lanes."""
    return [_reduced(f, unit, value) for unit, value in zip(panel, sums, strict=True)]


def _reduced(f: Function, unit: Unit, value: str) -> str:
    """Add neighbouring lanes, then neighbouring pairs, and so on."""
    lanes, distance = f.isa.lanes, 1
    while distance < unit.steps:
        others = [lane ^ distance for lane in range(lanes)]
        value = arithmetic(f, "fadd", value, shuffled(f, value, others))
        distance *= 2
    if unit.steps in (1, lanes):
        return value
    return shuffled(f, value, [lane * unit.steps % lanes for lane in range(lanes)])
