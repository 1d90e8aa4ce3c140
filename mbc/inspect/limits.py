"""The limits of a target: what one core computes and reads at most, in cycles and in seconds."""

from __future__ import annotations

from typing import Literal

from mbc.inspect.nodes import NodeRecord
from mbc.records import dataclass
from mbc.report.roofline import least_time
from mbc.targets.target import Target

Clock = Literal["board", "given", "measured", "assumed"]

ASSUMED_MHZ = 1000
"""Clock for targets that are neither boards nor here: milliseconds are then millions of cycles."""


@dataclass(frozen=True)
class Limits:
    """The limits of one core, on 32-bit floats."""

    title: str
    """Name of the board, or of the CPU."""
    mhz: int
    clock: Clock
    """Origin of `mhz`: the board's data sheet, the user, this machine, or an assumption."""
    gflops: float
    """The peak of one core: two operations a multiply-add."""
    memory_gbs: float
    """GB/s between memory and the core."""
    l1_kib: int
    l2_kib: int
    l3_kib: int
    """0 if there is none."""

    @staticmethod
    def of(target: Target, mhz: int | None = None, clock: Clock = "given") -> Limits:
        """Return the limits of a target at a clock of some origin; without one, at its board's."""
        core, board = target.core, target.board
        if mhz is None:
            clock = "board" if board else "assumed"
        at = mhz or (board.cores[0].mhz if board else ASSUMED_MHZ)
        memory = board.memory_gbs if board else round(core.memory * at / 1e3, 3)
        return Limits(
            title=board.title if board else target.cpu,
            mhz=at,
            clock=clock,
            gflops=round(2 * core.fma * at / 1e3, 3),
            memory_gbs=memory,
            l1_kib=core.l1,
            l2_kib=core.l2,
            l3_kib=core.l3,
        )

    @property
    def ridge(self) -> float:
        """FLOP per byte above which a layer is bound by compute."""
        return self.gflops / self.memory_gbs

    def ms(self, cycles: float) -> float:
        """Return the time of so many cycles."""
        return cycles / self.mhz / 1e3


@dataclass(frozen=True)
class Point:
    """A node in the roofline of a core: predicted time beside the least that the limits allow."""

    flop_per_byte: float
    gflops: float | None
    """Predicted rate."""
    ms: float | None
    """Predicted time."""
    least_ms: float
    """No run is faster that reads and writes each tensor in memory once; in caches some are."""
    bound: str
    """What sets `least_ms`: "compute" or "memory"."""

    @staticmethod
    def of(node: NodeRecord, limits: Limits) -> Point:
        """Return the point of a node."""
        roof = least_time(node.macs, node.bytes, limits.gflops / 2, limits.memory_gbs)
        ms = None if node.cycles is None else limits.ms(node.cycles)
        rate = None if not ms else round(2 * node.macs / ms / 1e6, 3)
        intensity = round(2 * node.macs / max(node.bytes, 1), 3)
        return Point(intensity, rate, ms and round(ms, 6), round(roof.ms, 6), roof.bound)
