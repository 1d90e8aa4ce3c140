"""The limits of a core, measured: how fast it multiplies and adds, and how fast it reads memory.

The first is the rate of independent chains of vector multiply-adds in registers, of floats or by
the unit that multiplies codes, the second that of loads which go once through a stretch of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from mbc.backends.llvm.emitter import Count, Function, Parameter
from mbc.backends.llvm.integer.dots import Dot, dot_of
from mbc.backends.llvm.isa import Isa, isa_of
from mbc.backends.llvm.jit import JitModule, aligned_bytes
from mbc.backends.llvm.lower import declarations
from mbc.backends.llvm.vectors import fma, load, store
from mbc.int8.quantisation import Quantisation
from mbc.targets.target import Target

CHAINS, STEPS = 12, 8
TRIPS = 20_000
STREAMS, BLOCK_BYTES = 8, 1024
SUM_BITS = 32
FMA, INT8 = "FMA", "int8"
"""What a peak is of."""


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


def chained_unit(isa: Isa, largest: int) -> Dot | None:
    """Return the unit that multiplies codes by weights up to `largest`, if chains of it are as fast
    as it can be: a register of sums holds as much as one of codes."""
    unit = dot_of(isa, largest)
    return unit if unit.emit is None and unit.steps * unit.bits == SUM_BITS else None


def integer_operations(isa: Isa, unit: Dot) -> int:
    """Operations, two a multiply-add, of one run of `integer_chains`."""
    return 2 * CHAINS * STEPS * TRIPS * isa.lanes * unit.steps


def integer_chains(isa: Isa, unit: Dot) -> Function:
    """Code that multiplies integers and adds them up in registers (data). Each step multiplies the
    bits of a sum: products of what stays the same would be computed once."""
    f = Function(isa, [Parameter("ptr", "%data")])
    sums_type, codes_type = f"<{isa.lanes} x i32>", unit.vector(isa)
    factor = f.op(f"load {codes_type}, ptr %data, align 4")
    start = f.op(f"load {sums_type}, ptr %data, align 4")

    def body(_: Count, sums: list[str]) -> Sequence[str]:
        for _step in range(STEPS):
            read = [f.op(f"bitcast {sums_type} {total} to {codes_type}") for total in sums]
            pairs = zip(sums, read, strict=True)
            sums = [unit.multiply(f, total, a, factor) for total, a in pairs]
        return sums

    sums = f.loop(0, TRIPS, [(sums_type, start)] * CHAINS, body)
    for i, total in enumerate(sums):
        f.emit(f"store {sums_type} {total}, ptr {f.offset('%data', (2 + i) * isa.vector_bytes)}")
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
    """Measures GFLOP/s (two operations a multiply-add) of one core with the target's vectors; with
    a quantisation those of the unit that multiplies codes, if chains of it can be measured."""

    def __init__(self, target: Target, quantisation: Quantisation | None = None) -> None:
        isa, unit = isa_of(target), None
        if quantisation is not None:
            unit = chained_unit(isa, quantisation.largest_weight)
        self.isa = isa.widest if unit is None else isa.of_dots
        self.kind = FMA if unit is None else INT8
        made = chains(isa) if unit is None else integer_chains(self.isa, unit)
        self._operations = (
            peak_flops(self.isa) if unit is None else integer_operations(self.isa, unit)
        )
        declared = declarations(self.isa) if unit is None else unit.declared
        text = made.text("peak", "nounwind", linkage="")
        self._module = JitModule("\n".join([*declared, text]), target)
        self._run = self._module.function("peak", pointers=1)
        self._data = aligned_bytes(peak_bytes(self.isa))
        self._data.fill(0)

    def measure(self) -> float:
        """GFLOP/s of one run of about a millisecond."""
        start = perf_counter()
        self._run(self._data.ctypes.data)
        seconds = perf_counter() - start
        return self._operations / seconds / 1e9
