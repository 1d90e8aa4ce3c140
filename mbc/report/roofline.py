"""The roofline of a board: the least time of each layer, by the multiply-adds of one core or by the
memory bandwidth, whichever takes longer (Williams, Waterman, Patterson: "Roofline", 2009).

Every operand and result counts as memory traffic once, as if there were no cache: small tensors may
be faster than the memory bound. Nothing is faster than the compute bound.
"""

from __future__ import annotations

from collections.abc import Sequence

from mbc.records import dataclass
from mbc.targets.boards import Board


@dataclass(frozen=True)
class LayerRoof:
    """Least milliseconds of a layer on one core, and what sets them: "compute" or "memory"."""

    ms: float
    bound: str


@dataclass(frozen=True)
class Roofline:
    """A board's limits, and the least time of each layer."""

    board: str
    gflops: float
    """Of one fast core."""
    memory_gbs: float
    ms: float
    """The sum over the layers."""
    layers: tuple[LayerRoof, ...]


def roofline(costs: Sequence[tuple[int, int]], board: Board) -> Roofline:
    """Compute the roofline of layers from their multiply-adds and bytes."""
    limits = board.gmacs, board.memory_gbs
    exact = (least_time(macs, traffic, *limits) for macs, traffic in costs)
    roofs = tuple(LayerRoof(round(roof.ms, 4), roof.bound) for roof in exact)
    return Roofline(
        board=board.title,
        gflops=2 * board.gmacs,
        memory_gbs=board.memory_gbs,
        ms=round(sum(roof.ms for roof in roofs), 4),
        layers=roofs,
    )


def least_time(macs: int, traffic: int, gmacs: float, memory_gbs: float) -> LayerRoof:
    """Compute the least time of a layer from 10^9 multiply-adds a second and the bandwidth."""
    compute, memory = macs / gmacs / 1e6, traffic / memory_gbs / 1e6
    return LayerRoof(max(compute, memory), "compute" if compute >= memory else "memory")
