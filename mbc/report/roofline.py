"""How fast a layer could be on a board: as fast as one core multiplies and adds, or as the memory
delivers, whichever is slower (Williams, Waterman, Patterson: "Roofline", 2009).

Every operand and result counts as traffic of the memory once, as if no cache held anything: small
tensors may beat their memory bound. Nothing beats the compute bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mbc.targets.boards import Board


@dataclass(frozen=True)
class LayerRoof:
    """Least milliseconds of a layer on one core, and what sets them: "compute" or "memory"."""

    ms: float
    bound: str


@dataclass(frozen=True)
class Roofline:
    """A board's limits (GFLOP/s of one fast core, GB/s of the memory), and what they make of each
    layer."""

    board: str
    gflops: float
    memory_gbs: float
    ms: float
    layers: tuple[LayerRoof, ...]


def roofline(costs: Sequence[tuple[int, int]], board: Board) -> Roofline:
    """The roofs of layers, given their multiply-adds and bytes, and the sum."""
    roofs = tuple(_roof(macs, traffic, board) for macs, traffic in costs)
    return Roofline(
        board=board.title,
        gflops=2 * board.gmacs,
        memory_gbs=board.memory_gbs,
        ms=round(sum(roof.ms for roof in roofs), 4),
        layers=roofs,
    )


def _roof(macs: int, traffic: int, board: Board) -> LayerRoof:
    compute, memory = macs / board.gmacs / 1e6, traffic / board.memory_gbs / 1e6
    return LayerRoof(round(max(compute, memory), 4), "compute" if compute >= memory else "memory")
