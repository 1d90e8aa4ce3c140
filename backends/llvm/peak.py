"""The FMA peak of a core, measured: independent chains of vector multiply-adds in registers."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from mbc.backends.llvm.emitter import Count, Function, Parameter
from mbc.backends.llvm.isa import isa_of
from mbc.backends.llvm.jit import JitModule, aligned_bytes
from mbc.backends.llvm.lower import declarations
from mbc.backends.llvm.vectors import fma, load, store
from mbc.targets.target import Target

CHAINS, STEPS = 12, 8
TRIPS = 20_000


class PeakMeter:
    """Measures GFLOP/s (two operations a multiply-add) of one core with the target's vectors."""

    def __init__(self, target: Target) -> None:
        self.isa = isa_of(target)
        f = Function(self.isa, [Parameter("ptr", "%data")])
        factor = load(f, "%data")
        addend = load(f, "%data", self.isa.vector_bytes)

        def body(_: Count, sums: list[str]) -> Sequence[str]:
            for _step in range(STEPS):
                sums = [fma(f, total, factor, addend) for total in sums]
            return sums

        sums = f.loop(0, TRIPS, [(self.isa.vector, factor)] * CHAINS, body)
        for i, total in enumerate(sums):
            store(f, total, "%data", (2 + i) * self.isa.vector_bytes)
        text = f.text("peak", "nounwind").replace("define internal", "define")
        self._module = JitModule("\n".join([*declarations(self.isa), text]), target)
        self._run = self._module.function("peak", pointers=1)
        self._data = aligned_bytes((2 + CHAINS) * self.isa.vector_bytes)

    def measure(self) -> float:
        """GFLOP/s of one run of about a millisecond."""
        start = perf_counter()
        self._run(self._data.ctypes.data)
        seconds = perf_counter() - start
        return 2.0 * CHAINS * STEPS * TRIPS * self.isa.lanes / seconds / 1e9
