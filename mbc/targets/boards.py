"""Boards as data: their cores, clocks, caches and memory, each with where the numbers are from.

A network's roofline on a board is made of two of them: the multiply-adds a second of one core, and
the bytes a second of the memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class CpuModel:
    """One core. Caches are in KiB, the second level is this core's own or, without one, that of
    the cluster; `fma` counts single-precision fused multiply-adds a cycle (vectors times lanes)."""

    l1: int
    l2: int
    fma: int


# Where a CPU is not listed: 32 KiB, 512 KiB, two vector units of four lanes. Caches from Arm's
# technical reference manuals and the makers' data sheets, `fma` from Arm's software optimisation
# guides and instruction tables (throughput of FMLA on 128-bit vectors, of VFMADD on 256-bit ones).
CPU_MODELS: Mapping[str, CpuModel] = {
    "cortex-a7": CpuModel(32, 512, 2),
    "cortex-a53": CpuModel(32, 512, 4),
    "cortex-a55": CpuModel(32, 128, 4),
    "cortex-a57": CpuModel(32, 2048, 4),
    "cortex-a72": CpuModel(32, 1024, 4),
    "cortex-a73": CpuModel(32, 1024, 4),
    "cortex-a75": CpuModel(64, 256, 8),
    "cortex-a76": CpuModel(64, 512, 8),
    "cortex-a78": CpuModel(64, 512, 8),
    "cortex-a78ae": CpuModel(64, 256, 8),
    "cortex-x1": CpuModel(64, 1024, 16),
    "neoverse-n1": CpuModel(64, 1024, 8),
    "neoverse-v1": CpuModel(64, 1024, 16),
    "neoverse-n2": CpuModel(64, 1024, 8),
    "neoverse-v2": CpuModel(64, 2048, 16),
    "apple-m1": CpuModel(128, 12288, 16),
    "x86-64-v2": CpuModel(32, 256, 4),
    "haswell": CpuModel(32, 256, 16),
    "broadwell": CpuModel(32, 256, 16),
    "skylake": CpuModel(32, 256, 16),
    "skylake-avx512": CpuModel(32, 1024, 16),
    "cascadelake": CpuModel(32, 1024, 16),
    "icelake-server": CpuModel(48, 1280, 16),
    "sapphirerapids": CpuModel(48, 2048, 16),
    "znver4": CpuModel(32, 1024, 16),
    "znver5": CpuModel(48, 1024, 16),
}

UNKNOWN_CPU = CpuModel(32, 512, 8)


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
        fast = self.cores[0]
        return CPU_MODELS[fast.cpu].fma * fast.mhz / 1000


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
