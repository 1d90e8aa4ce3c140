"""The limits of a core, measured: how fast it multiplies and adds, and how fast it reads memory.

The first is the rate of independent chains of vector multiply-adds in registers, of floats or by
the unit that multiplies codes, the second that of loads which go once through a stretch of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from mbc.backends.llvm.emitter import Count, Function, Parameter
from mbc.backends.llvm.integer.codes import extracted
from mbc.backends.llvm.integer.dots import Dot, dot_of
from mbc.backends.llvm.isa import Isa, isa_of
from mbc.backends.llvm.jit import JitModule, aligned_bytes
from mbc.backends.llvm.lower import declarations
from mbc.backends.llvm.vectors import fma, load, store
from mbc.int8.quantisation import Quantisation
from mbc.runtime.timing import FMA, INT8
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


def products_of_step(isa: Isa, unit: Dot) -> int:
    """Return how many products a step of `integer_chains` adds to its sums."""
    return unit.straight.products if unit.straight else isa.lanes * unit.steps


def integer_operations(isa: Isa, unit: Dot) -> int:
    """Operations, two a multiply-add, of one run of `integer_chains`."""
    return 2 * CHAINS * STEPS * TRIPS * products_of_step(isa.of_dots, unit)


def integer_chains(isa: Isa, unit: Dot) -> Function:
    """Code that multiplies integers and adds them up in registers (data). Each step multiplies the
    bits of a sum: products of what stays the same would be computed once."""
    isa = isa.of_dots
    f = Function(isa, [Parameter("ptr", "%data")])
    sums_type = f"<{isa.lanes} x i32>"
    bytes = f"<{isa.vector_bytes} x i8>" if unit.straight else unit.vector(isa)
    factors = [
        f.op(f"load {bytes}, ptr {f.offset('%data', i * isa.vector_bytes)}, align 4")
        for i in range(2)
    ]
    start = f.op(f"load {sums_type}, ptr %data, align 4")

    def body(_: Count, sums: list[str]) -> Sequence[str]:
        for _step in range(STEPS):
            sums = [_step_of(f, unit, total, factors) for total in sums]
        return sums

    sums = f.loop(0, TRIPS, [(sums_type, start)] * CHAINS, body)
    for i, total in enumerate(sums):
        f.emit(f"store {sums_type} {total}, ptr {f.offset('%data', (2 + i) * isa.vector_bytes)}")
    return f


def _step_of(f: Function, unit: Dot, total: str, factors: Sequence[str]) -> str:
    """Multiply the bits of sums, or as many of them as the unit takes at a time."""
    if unit.straight:
        return unit.straight.emit(f, total, factors)
    lanes = f.isa.lanes * unit.steps
    whole = f.isa.vector_bytes // unit.bytes
    read = f.op(f"bitcast <{f.isa.lanes} x i32> {total} to <{whole} x i{unit.bits}>")
    codes = extracted(f, read, whole, range(lanes), f"i{unit.bits}")
    return unit.multiply(f, total, codes, factors[0])


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


def chains_of(isa: Isa, unit: Dot | None) -> Function:
    """Return the chains of a unit that multiplies codes; without one those of floats."""
    return chains(isa) if unit is None else integer_chains(isa, unit)


def operations_of(isa: Isa, unit: Dot | None) -> int:
    """Return the operations of one run of these chains."""
    return peak_flops(isa) if unit is None else integer_operations(isa, unit)


class PeakMeter:
    """Measures GFLOP/s (two operations a multiply-add) of one core with the target's vectors; with
    a quantisation those of the unit that multiplies codes."""

    def __init__(self, target: Target, quantisation: Quantisation | None = None) -> None:
        isa = isa_of(target)
        unit = None if quantisation is None else dot_of(isa, quantisation.largest_weight)
        self.kind = FMA if unit is None else INT8
        self._operations = operations_of(isa, unit)
        declared = declarations(isa.widest) if unit is None else unit.declared
        text = chains_of(isa, unit).text("peak", "nounwind", linkage="")
        self._module = JitModule("\n".join([*declared, text]), target)
        self._run = self._module.function("peak", pointers=1)
        self._data = aligned_bytes(peak_bytes(isa))
        self._data.fill(0)

    def measure(self) -> float:
        """GFLOP/s of one run of about a millisecond."""
        start = perf_counter()
        self._run(self._data.ctypes.data)
        seconds = perf_counter() - start
        return self._operations / seconds / 1e9
