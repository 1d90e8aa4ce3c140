"""Vector units: the facts about instruction sets that kernels depend on, as data.

A register tile of `height` rows by `width` vectors keeps height*width accumulators, the weights of
one k-step and the broadcast elements of A in registers.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, cached_property
from typing import Literal

from mbc.ir.elements import F16, F32, S8, S32, U8, Scalar
from mbc.records import dataclass
from mbc.targets.features import features_of
from mbc.targets.target import Target

LLVM_TYPES = {F32: "float", F16: "half", S8: "i8", U8: "i8", S32: "i32"}


@dataclass(frozen=True)
class Splits:
    """Vectors of a GEMM that hold few columns and several k-steps, and what they cost."""

    steps: tuple[int, ...]
    """k-steps that a multiply-add may take at a time."""
    reduction: float
    """Multiply-adds in the time that the lanes of a vector are added up for a row."""
    element: float = 1.0
    """Loads of vectors in the time that an element of A is loaded, to all lanes."""
    drag: float = 0.1
    """Share of the loads for whose time multiply-adds wait beside other loads."""


@dataclass(frozen=True)
class Isa:
    """A vector unit."""

    name: str
    """Name, the suffix of kernel functions."""
    lanes: int
    """Elements of a vector."""
    registers: int
    """Vector registers that kernels may use."""
    broadcast: Literal["memory", "lane"]
    """How an element of A reaches all lanes: "memory" loads and splats it, "lane" multiplies by one
    lane of a vector that is loaded along k."""
    word: str
    """LLVM integer type of addresses."""
    max_intrinsics: bool
    """Whether maximum and minimum, which propagate NaN, are one instruction each."""
    multi_load: int = 1
    """Most vectors that one instruction loads from consecutive addresses."""
    unroll: int = 4
    """k-steps per loop iteration of the GEMM core."""
    wide: bool = False
    """Whether products use the vectors of twice the lanes for any number of channels, since two
    units multiply them. Stores of a few of their lanes are masked."""
    strip: int = 1
    """Channel vectors that a window op processes side by side."""
    fused: bool = True
    """Whether multiply-add is one instruction, rounded once."""
    prefetch: bool = False
    """Whether weights are prefetched; measured on x86-64 only."""
    doubles: bool = False
    """Whether there are vectors of twice the lanes, used for channels that fill them."""
    splits: Splits | None = None
    """How a GEMM's columns that fill no vector may share one with several k-steps; None: never."""
    row_steps: int = 0
    """Last k-steps of a GEMM that run row by row, each row stored when finished."""
    splat_adds: bool = False
    """Whether one instruction adds a scalar in memory to all lanes."""
    register: str = "w"
    """LLVM's constraint for a vector register in inline assembly; "" if there is none."""
    dots: str = ""
    """Extension of the instruction set whose dot products of bytes kernels use; "" for none."""
    element: Scalar = F32
    """Element type of vectors, which kernels compute with."""

    @property
    def vector_bytes(self) -> int:
        """Bytes of one vector register."""
        return self.element.bytes * self.lanes

    @cached_property
    def scalar(self) -> str:
        """LLVM's type of one lane."""
        return LLVM_TYPES[self.element]

    @cached_property
    def vector(self) -> str:
        """LLVM's type of a vector register."""
        return f"<{self.lanes} x {self.scalar}>"

    @cached_property
    def widest(self) -> Isa:
        """The unit with its longest vectors."""
        return replace(self, lanes=2 * self.lanes, doubles=False) if self.doubles else self

    def filled_by(self, channels: int) -> Isa:
        """Return the unit with the longest vectors that `channels` channels fill."""
        return self if channels % self.widest.lanes else self.widest

    def of_product(self, columns: int) -> Isa:
        """Return the unit with the vectors of a product with so many columns."""
        return self.widest if self.wide else self.filled_by(columns)

    @property
    def masked(self) -> bool:
        """Whether one instruction loads or stores some lanes of a vector."""
        return self.wide and not self.doubles

    @property
    def of_dots(self) -> Isa:
        """The unit with the vectors of its dot products."""
        return self.widest if self.dots else self

    def vectors(self, channels: int) -> int:
        """Return the number of vectors that hold `channels` channels."""
        return -(-channels // self.lanes)

    def padded(self, channels: int) -> int:
        """Round channels up to whole vectors."""
        return self.vectors(channels) * self.lanes

    def tile_height(self, width: int) -> int:
        """Return the most rows of a register tile `width` vectors wide that spills no register."""
        if self.broadcast == "memory":
            taken = width + (1 if self.fused else 2)  # unfused, a product needs a register too
            return max((self.registers - taken) // width, 1)
        return max((self.registers - width) // (width + 1), 1)


AVX2 = Isa(
    "avx2",
    lanes=8,
    registers=16,
    broadcast="memory",
    word="i64",
    max_intrinsics=False,
    prefetch=True,
    splits=Splits((2, 4, 8), reduction=6.0),
    register="x",
)
# Vectors of 512 bits where channels fill them. LLVM needs two of the 32 registers itself.
AVX512 = replace(
    AVX2,
    name="avx512",
    registers=30,
    doubles=True,
    splits=None,
    row_steps=4,
    splat_adds=True,
    register="v",
)
# Where two units multiply 512 bits. Elements of A are loaded by three units, vectors by two.
AVX512_WIDE = replace(
    AVX512,
    name="avx512wide",
    wide=True,
    splits=Splits((2, 4, 8, 16), reduction=3.0, element=0.67, drag=0.05),
)
NEON = Isa(
    "neon",
    lanes=4,
    registers=32,
    broadcast="lane",
    word="i64",
    max_intrinsics=True,
    multi_load=4,
    unroll=8,
    strip=2,
    splits=Splits((4,), reduction=3.0),
)

# A32 has no fused multiply-add by lane.
NEON32 = Isa("neon32", lanes=4, registers=16, broadcast="memory", word="i32", max_intrinsics=True)
# For Cortex-A8 and A9: VMLA rounds twice.
NEON32_VFP3 = replace(NEON32, name="neon32-vfp3", fused=False)
SSE = Isa(
    "sse",
    lanes=4,
    registers=16,
    broadcast="memory",
    word="i64",
    max_intrinsics=False,
    fused=False,
    prefetch=True,
    register="x",
)

# Registers may be longer than 128 bits: all vectors have fixed length. A multiply-add can take a
# scalar operand from a floating-point register. Inline assembly takes no fixed-length vectors.
RVV128 = Isa(
    "rvv128",
    lanes=4,
    registers=32,
    broadcast="memory",
    word="i64",
    max_intrinsics=False,
    register="",
)

ISAS = {isa.name: isa for isa in (AVX512, AVX2, SSE, NEON, NEON32, NEON32_VFP3, RVV128)}
WIDE = {AVX512.name: AVX512_WIDE}
"""Units of cores that multiply the vectors of twice the lanes at full rate."""
DOTS = {
    NEON.name: ("i8mm", "dotprod"),
    AVX512.name: ("avx512vnni",),
    AVX2.name: ("avxvnni",),
}
"""Extensions with dot products of bytes, by the unit that they belong to, the fastest first."""
ALSO_BY = {"avxvnni": frozenset({"avx512vnni", "avx512vl"})}
"""Features that encode the instructions of an extension in another way."""


@cache
def isa_of(target: Target) -> Isa:
    """Return the vector unit of a target."""
    isa, core = ISAS[target.isa], target.core
    full = core.units >= 2 and core.lanes >= isa.widest.lanes
    present = features_of(target)
    known = (name for name in DOTS.get(isa.name, ()) if _has(present, name))
    dots = next(known, "")
    found = WIDE.get(isa.name, isa) if full else isa
    return replace(found, dots=dots) if dots else found


def _has(present: frozenset[str], extension: str) -> bool:
    """Whether there are the instructions of an extension."""
    return extension in present or present >= ALSO_BY.get(extension, {extension})
