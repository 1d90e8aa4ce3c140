"""Boards as data: their cores, clocks, caches and memory, each with where the numbers are from.

A network's roofline on a board is made of two of them: the multiply-adds a second of one core, and
the bytes a second of the memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mbc.targets.architecture import Core
from mbc.targets.architectures import core_of


@dataclass(frozen=True)
class Cores:
    """Cores of one kind: LLVM's name of the CPU, how many, their clock."""

    cpu: str
    count: int
    mhz: int

    def __str__(self) -> str:
        return f"{self.count}x {self.cpu} {self.mhz / 1000:g} GHz"


@dataclass(frozen=True)
class Board:
    """A board. The first cores are the fastest, for which code is scheduled; it runs on all.

    `memory_gbs` is the memory's transfer rate times its width, in GB/s: what no program exceeds.
    """

    title: str
    cores: tuple[Cores, ...]
    memory_gbs: float
    memory: str  # what the rate is made of
    source: str

    @property
    def gmacs(self) -> float:
        """Multiply-adds of one fast core, in 10^9 a second."""
        return self.core.fma * self.cores[0].mhz / 1000

    @property
    def core(self) -> Core:
        """A fast core beside this memory, from which none gets more than it can transfer."""
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
