"""The limits of a core, measured: how fast it multiplies and adds, and how fast it reads memory.

The first is the rate of independent chains of vector multiply-adds in registers, the second that of
loads which go once through a stretch of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from mbc.backends.llvm.emitter import Count, Function, Parameter
from mbc.backends.llvm.isa import Isa, isa_of
from mbc.backends.llvm.jit import JitModule, aligned_bytes
from mbc.backends.llvm.lower import declarations
from mbc.backends.llvm.vectors import fma, load, store
from mbc.targets.target import Target

CHAINS, STEPS = 12, 8
TRIPS = 20_000
STREAMS, BLOCK_BYTES = 8, 1024


def peak_flops(isa: Isa) -> int:
    """Operations, two a multiply-add, of one run of `chains`."""
    return 2 * CHAINS * STEPS * TRIPS * isa.widest.lanes


def peak_bytes(isa: Isa) -> int:
    """Bytes of memory that `chains` reads and writes."""
    return (2 + CHAINS) * isa.widest.vector_bytes


def chains(isa: Isa) -> Function:
    """Code of about a millisecond that multiplies and adds in registers (data)."""
    isa = isa.widest
    f = Function(isa, [Parameter("ptr", "%data")])
    factor = load(f, "%data")
    addend = load(f, "%data", isa.vector_bytes)

    def body(_: Count, sums: list[str]) -> Sequence[str]:
        for _step in range(STEPS):
            sums = [fma(f, total, factor, addend) for total in sums]
        return sums

    sums = f.loop(0, TRIPS, [(isa.vector, factor)] * CHAINS, body)
    for i, total in enumerate(sums):
        store(f, total, "%data", (2 + i) * isa.vector_bytes)
    return f


def stream(isa: Isa) -> Function:
    """Code that reads the blocks from `first` to before `last` of `data`, and adds their bits to a
    vector at `sink`: nobody wants it, but without it nothing would be read."""
    word, vector = isa.word, f"<{isa.lanes} x i32>"
    pointers = [Parameter("ptr", "%data"), Parameter("ptr", "%sink")]
    f = Function(isa, [*pointers, Parameter(word, "%first"), Parameter(word, "%last")])

    def body(i: Count, sums: list[str]) -> Sequence[str]:
        offset = f.op(f"mul {word} {i}, {BLOCK_BYTES}")
        block = f.op(f"getelementptr i8, ptr %data, {word} {offset}")
        for at in range(0, BLOCK_BYTES, isa.vector_bytes):
            found = f.op(f"load {vector}, ptr {f.offset(block, at)}, align 4")
            oldest, *others = sums
            sums = [*others, f.op(f"or {vector} {oldest}, {found}")]
        return sums

    sums = f.loop("%first", "%last", [(vector, "zeroinitializer")] * STREAMS, body)
    first = f.op(f"load {vector}, ptr %sink, align 4")
    for other in sums:
        first = f.op(f"or {vector} {first}, {other}")
    f.emit(f"store {vector} {first}, ptr %sink, align 4")
    return f


class PeakMeter:
    """Measures GFLOP/s (two operations a multiply-add) of one core with the target's vectors."""

    def __init__(self, target: Target) -> None:
        self.isa = isa_of(target)
        text = chains(self.isa).text("peak", "nounwind", linkage="")
        self._module = JitModule("\n".join([*declarations(self.isa), text]), target)
        self._run = self._module.function("peak", pointers=1)
        self._data = aligned_bytes(peak_bytes(self.isa))

    def measure(self) -> float:
        """GFLOP/s of one run of about a millisecond."""
        start = perf_counter()
        self._run(self._data.ctypes.data)
        seconds = perf_counter() - start
        return peak_flops(self.isa) / seconds / 1e9
