"""Boards as data: their cores, clocks, caches and memory, with the source of the numbers.

Two of them make a network's roofline on a board: the multiply-adds a second of one core, and the
bytes a second of the memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mbc.records import dataclass
from mbc.targets.architecture import Core
from mbc.targets.architectures import core_of


@dataclass(frozen=True)
class Cores:
    """Cores of one kind."""

    cpu: str
    """LLVM's name of the CPU."""
    count: int
    """Number of cores."""
    mhz: int
    """Clock, MHz."""

    def __str__(self) -> str:
        return f"{self.count}x {self.cpu} {self.mhz / 1000:g} GHz"


@dataclass(frozen=True)
class Board:
    """A board."""

    title: str
    """Name of the product."""
    cores: tuple[Cores, ...]
    """Fastest cores first: code is scheduled for these, and runs on all."""
    memory_gbs: float
    """Peak memory bandwidth, GB/s: transfer rate times width."""
    memory: str
    """Kind, transfer rate and width of the memory."""
    source: str
    """Source of the numbers."""

    @property
    def gmacs(self) -> float:
        """Multiply-adds of one fast core, in 10^9 a second."""
        return self.core.fma * self.cores[0].mhz / 1000

    @property
    def core(self) -> Core:
        """The fastest core, its memory transfers limited to the board's bandwidth."""
        core = core_of(self.cores[0].cpu)
        return replace(core, memory=min(core.memory, self.memory_gbs * 1000 / self.cores[0].mhz))


_PI_PAGES = "Raspberry Pi Ltd: processor documentation and product briefs"

BOARDS: Mapping[str, Board] = {
    "rpi-zero2w": Board(
        "Raspberry Pi Zero 2 W",
        (Cores("cortex-a53", 4, 1000),),
        3.6,
        "LPDDR2, 900 MT/s, 32 bit",
        _PI_PAGES,
    ),
    "rpi3": Board(
        "Raspberry Pi 3 Model B",
        (Cores("cortex-a53", 4, 1200),),
        3.6,
        "LPDDR2, 900 MT/s, 32 bit",
        _PI_PAGES,
    ),
    "rpi4": Board(
        "Raspberry Pi 4 Model B",
        (Cores("cortex-a72", 4, 1500),),
        8.0,
        "LPDDR4, effectively 2000 MT/s, 32 bit",
        f"{_PI_PAGES}; announcement of Raspberry Pi 5, which compares the two",
    ),
    "rpi5": Board(
        "Raspberry Pi 5",
        (Cores("cortex-a76", 4, 2400),),
        17.1,
        "LPDDR4X, 4267 MT/s, 32 bit",
        f"{_PI_PAGES}; announcement of Raspberry Pi 5",
    ),
    "jetson-nano": Board(
        "NVIDIA Jetson Nano",
        (Cores("cortex-a57", 4, 1430),),
        25.6,
        "LPDDR4, 3200 MT/s, 64 bit",
        "NVIDIA: Jetson Nano module data sheet",
    ),
    "jetson-orin": Board(
        "NVIDIA Jetson Orin Nano 8 GB",
        (Cores("cortex-a78ae", 6, 1500),),
        68.0,
        "LPDDR5, 4266 MT/s, 128 bit",
        "NVIDIA: Jetson Orin Nano series data sheet",
    ),
    "rk3399": Board(
        "Rockchip RK3399 boards",
        (Cores("cortex-a72", 2, 1800), Cores("cortex-a53", 4, 1400)),
        12.8,
        "LPDDR4, 1600 MT/s, 2 x 32 bit",
        "Rockchip: RK3399 data sheet; boards may run their memory slower",
    ),
    "rk3588": Board(
        "Rockchip RK3588 boards",
        (Cores("cortex-a76", 4, 2400), Cores("cortex-a55", 4, 1800)),
        34.1,
        "LPDDR4X, 4267 MT/s, 4 x 16 bit",
        "Rockchip: RK3588 data sheet; boards may run their memory slower",
    ),
}
