"""`make mca`: what llvm-mca predicts for the GEMM core's loops over k on 64-bit ARM.

Every register tile of the example networks, compiled for a CPU and put through LLVM's model of that
CPU's pipelines, where all loads hit the first cache: cycles per multiply-add (fmla of 4 lanes), at
least 0.5 by both models.

    python -m tests.counts.mca [CPU ...]
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mbc.backends.llvm.isa import NEON
from mbc.targets.target import Target
from tests.backends.code_of_networks import routines_of
from tests.backends.code_rules import REGISTERS, Loop, is_gemm, is_k_loop, multiplying_loops

NETWORKS = ("mobilenet_v1", "mobilenet_v2", "shufflenet_v1-g3")
TRIPLE = "aarch64-unknown-linux-gnu"
CPUS = ("cortex-a55", "neoverse-n1")
OLDEST_LLVM = 16  # the first with a model of the Neoverse N1
ITERATIONS = 1000


@dataclass(frozen=True)
class Tile:
    """Rows and vectors of a register tile."""

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.height} x {self.width}"


def tile_of(loop: Loop) -> Tile:
    """From what it loads: `ld1` brings the weights of a step, all of them but a last single one."""
    fmas = sum(i.mnemonic == "fmla" for i in loop) // NEON.unroll
    weights = sum(len(REGISTERS.findall(i.operands)) for i in loop if i.mnemonic == "ld1")
    width = next(w for w in range(max(weights // NEON.unroll, 1), fmas + 1) if fmas % w == 0)
    return Tile(fmas // width, width)


@dataclass(frozen=True)
class Measured:
    """A loop through a CPU's model."""

    instructions: int
    fmas: int
    cycles: float

    @property
    def each(self) -> float:
        """Cycles per multiply-add."""
        return self.cycles / self.fmas


def find_mca() -> str:
    """The newest llvm-mca that knows the CPUs."""
    for version in range(40, OLDEST_LLVM - 1, -1):
        if found := shutil.which(f"llvm-mca-{version}"):
            return found
    raise SystemExit(f"no llvm-mca of LLVM {OLDEST_LLVM} or later; it is in Debian's llvm-19")


def measure(loop: Loop, cpu: str, mca: str) -> Measured:
    """The loop's body, many times over."""
    words = (mca, f"-mtriple={TRIPLE}", f"-mcpu={cpu}", f"-iterations={ITERATIONS}")
    body = "".join(f"{i.mnemonic} {i.operands}\n" for i in loop[:-1])
    text = subprocess.run(words, input=body, capture_output=True, check=True, text=True).stdout
    cycles = int(text.partition("Total Cycles:")[2].split()[0]) / ITERATIONS
    return Measured(len(loop), sum(i.mnemonic == "fmla" for i in loop), cycles)


def loops_of(network: str, cpu: str) -> Iterator[Loop]:
    """The loops over k of a network compiled for a CPU."""
    for routine in filter(is_gemm, routines_of(network, Target("arm64", TRIPLE, cpu, "neon"))):
        yield from filter(is_k_loop, multiplying_loops(routine))


def slowest_by_tile(cpu: str, mca: str) -> dict[Tile, Measured]:
    """For each tile the loop that takes most cycles; equal loops are put through but once."""
    bodies = {loop for network in NETWORKS for loop in loops_of(network, cpu)}
    found: dict[Tile, Measured] = {}
    for loop in bodies:
        measured = measure(loop, cpu, mca)
        found[tile_of(loop)] = max(
            measured, found.get(tile_of(loop), measured), key=lambda m: m.cycles
        )
    return found


def main(cpus: Sequence[str]) -> int:
    """Print a table of tiles for each CPU."""
    mca = find_mca()
    for cpu in cpus or CPUS:
        print(f"{cpu} by {Path(mca).name}")
        print("rows x vectors   instructions   fmla   cycles   cycles a fmla")
        for tile, m in sorted(slowest_by_tile(cpu, mca).items(), key=lambda kv: kv[1].each):
            print(f"{tile!s:14} {m.instructions:14} {m.fmas:6} {m.cycles:8.1f} {m.each:15.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
