"""Vector units: what the kernels need to know of an instruction set, as data.

A register tile of `height` rows by `width` vectors keeps height*width accumulators, the weights of
one k-step and the broadcast elements of A in registers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from mbc.ir.elements import F16, F32, S8, S32, U8, Scalar
from mbc.targets.target import Target

LLVM_TYPES = {F32: "float", F16: "half", S8: "i8", U8: "i8", S32: "i32"}


@dataclass(frozen=True)
class Isa:
    """`element` is what a vector has `lanes` of, and kernels compute with. `broadcast` says how an
    element of A reaches all lanes: "memory" loads and splats it, "lane" multiplies by a lane of a
    vector loaded along k."""

    name: str
    lanes: int
    registers: int
    broadcast: Literal["memory", "lane"]
    word: str  # integer type of addresses
    max_intrinsics: bool  # maximum and minimum, which hand NaN on, are one instruction each
    multi_load: int = 1  # vectors that one instruction loads from consecutive addresses
    unroll: int = 4  # k-steps of a loop of the GEMM core
    strip: int = 1  # channel vectors that a window works on side by side
    fused: bool = True  # multiply and add are one instruction, rounded once
    prefetch: bool = False  # weights are brought into the cache ahead: measured on x86-64 only
    doubles: bool = False  # there are vectors of twice the lanes, for channels that fill them
    row_steps: int = 0  # last k-steps of a GEMM that are done row by row, each stored when finished
    splat_adds: bool = False  # a scalar in memory is added to all lanes by one instruction
    register: str = "w"  # LLVM's constraint for a vector register in assembly, "" if none
    element: Scalar = F32

    @property
    def vector_bytes(self) -> int:
        """Bytes of one vector register."""
        return self.element.bytes * self.lanes

    @property
    def scalar(self) -> str:
        """LLVM's type of one lane."""
        return LLVM_TYPES[self.element]

    @property
    def vector(self) -> str:
        """LLVM's type of a vector register."""
        return f"<{self.lanes} x {self.scalar}>"

    @property
    def widest(self) -> Isa:
        """With the longest vectors that there are."""
        return replace(self, lanes=2 * self.lanes, doubles=False) if self.doubles else self

    def filled_by(self, channels: int) -> Isa:
        """With the longest vectors that so many channels fill."""
        return self if channels % self.widest.lanes else self.widest

    def vectors(self, channels: int) -> int:
        """Vectors that hold so many channels."""
        return -(-channels // self.lanes)

    def padded(self, channels: int) -> int:
        """Channels rounded up to whole vectors."""
        return self.vectors(channels) * self.lanes

    def tile_height(self, width: int) -> int:
        """Most rows of a register tile that is `width` vectors wide without spilling."""
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
    register="x",
)
# Vectors of 512 bits where channels fill them. Of its 32 registers LLVM wants some for itself.
AVX512 = replace(
    AVX2,
    name="avx512",
    registers=30,
    doubles=True,
    row_steps=4,
    splat_adds=True,
    register="v",
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
)

# A32 has no fused multiply-add by lane.
NEON32 = Isa("neon32", lanes=4, registers=16, broadcast="memory", word="i32", max_intrinsics=True)
# As on Cortex-A8 and A9: VMLA rounds twice.
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

# Registers may be longer than 128 bits: all vectors are of fixed length. A multiply-add takes its
# scalar from a register of the other kind. Assembly takes no vectors of fixed length.
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


def isa_of(target: Target) -> Isa:
    """The vector unit of a target."""
    return ISAS[target.isa]
