"""What holds of generated code, by reading its assembly: full register tiles and no detours."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from mbc.backends.llvm.gemm_panels import MAX_TAIL
from mbc.backends.llvm.isa import AVX2, AVX512, AVX512_WIDE, NEON, Isa
from tests.backends.assembly import Instruction, Routine

Loop = tuple[Instruction, ...]

MULTIPLY_ADDS = ("vfmadd", "fmla")
REGISTERS = re.compile(r"\b[vqds]\d+")
CONTROL = 8  # scalar instructions of a k-loop: counters, pointers, the branch
FC_CONTROL = 20  # its weights are too far apart for an offset, and its time is their traffic
LANE_SHARE = 0.95  # of straight-line code; the last steps of a depth may not fill a vector of A


def is_gemm(routine: Routine) -> bool:
    """Whether it is a kernel made of the GEMM core: rows of windows and softmax are not."""
    name = routine.name
    return name.startswith("f32_") and "_row_" not in name and "softmax" not in name


def spills(routine: Routine) -> int:
    """Vector loads and stores on the stack."""
    return sum(i.is_vector_on_stack for i in routine.instructions)


def multiplying_loops(routine: Routine) -> list[Loop]:
    """The innermost loops that multiply and add."""
    return [
        loop
        for loop in routine.innermost_loops
        if any(i.mnemonic.startswith(MULTIPLY_ADDS) for i in loop)
    ]


def violations(routine: Routine, isa: Isa) -> Iterator[str]:
    """What is wrong with a kernel made of the GEMM core."""
    check = CHECKS[isa.name]
    control = FC_CONTROL if "_fc_" in routine.name else CONTROL
    if any(i.takes_stack_address for i in routine.instructions):
        yield f"{routine.name}: spills may be hidden behind a pointer"
    for loop in multiplying_loops(routine):
        problems = check(loop, control) if is_k_loop(loop) else check_straight(loop)
        yield from (f"{routine.name}: {problem}" for problem in problems)


def is_k_loop(loop: Loop) -> bool:
    """Whether it runs over k: it keeps its sums. Loops over rows store theirs."""
    return not any(is_vector_store(i) and not i.is_vector_on_stack for i in loop)


def is_vector_store(instruction: Instruction) -> bool:
    """On either machine: AT&T's last operand is the destination, ARM says so by name."""
    if instruction.mnemonic.startswith("v"):
        return instruction.operands.endswith(")") and "%" in instruction.operands.split(",")[0]
    written = instruction.operands.partition("[")[0]
    return instruction.mnemonic.startswith("st") and bool(REGISTERS.search(written))


@dataclass(frozen=True)
class Work:
    """What a loop over k does in so many steps."""

    steps: int
    fmas: int
    broadcasts: int
    loads: int
    scalars: int

    def __str__(self) -> str:
        return (
            f"{self.fmas} multiply-adds, {self.broadcasts} broadcasts, {self.loads} vector loads"
            f" and {self.scalars} scalar instructions in {self.steps} steps"
        )


def check_avx2(loop: Loop, control: int, lanes: int = AVX2.lanes) -> Iterator[str]:
    """h*w multiply-adds a step, h broadcasts from memory, w loads, the loop's control, and
    prefetches with their pointer. A multiply-add may load its vector, and with AVX-512 broadcast
    its element. To each broadcast or to none there another element is added, as it is broadcast.
    Of units that take several steps each has h multiply-adds in so many, and they share h
    broadcasts of as many elements."""
    fmas = [i for i in loop if i.mnemonic == "vfmadd231ps"]
    broadcasts = [i for i in loop if i.mnemonic == "vbroadcastss" and "(" in i.operands]
    several = Counter(n for i in loop if "(" in i.operands and (n := REPEATED.get(i.mnemonic)))
    loads = [i for i in loop if i.mnemonic in ("vmovups", "vmovaps") and i.operands[0] != "%"]
    prefetches = sum(i.mnemonic.startswith("prefetch") for i in loop)
    sums = sum(i.mnemonic in ("vaddps", "vsubps") and "{1to" in i.operands for i in loop)
    scalars = [i for i in loop if not i.mnemonic.startswith(("v", "prefetch"))]
    vector = (fmas, broadcasts, loads)
    known = sum(map(len, vector)) + several.total() + len(scalars) + prefetches + sums
    splats = sum("{1to" in i.operands for i in fmas)
    vectors = len(loads) - splats + sum("(" in i.operands for i in fmas)
    counts = (len(fmas), len(broadcasts) + splats, vectors, len(scalars))
    fitting = [n for n in (4, 2, 8, 16) if _is_tile(Work(n, *counts), several, lanes)]
    work = Work(fitting[0] if fitting else AVX2.unroll, *counts)
    if not fitting:
        yield f"not a full tile: {work}"
    if sums not in (0, work.broadcasts):
        yield f"{sums} elements are added to {work.broadcasts}: {work}"
    if prefetches > work.loads:
        yield f"{prefetches} prefetches, more than it loads itself: {work}"
    yield from _strangers(loop, known, work, control + (prefetches > 0))


REPEATED = {
    "vbroadcastsd": 2,
    "vbroadcastf128": 4,
    "vbroadcastf32x4": 4,
    "vbroadcastf64x2": 4,
    "vbroadcastf64x4": 8,
    "vbroadcastf32x8": 8,
}
"""Elements of A that an instruction loads and repeats."""


def _is_tile(work: Work, several: Mapping[int, int], lanes: int) -> bool:
    """Whether so many instructions are those of a full tile: rows by vectors, each loaded once,
    and each row's elements of A, once for all units that take them alike."""
    kinds = {1: work.broadcasts} if work.broadcasts else {}
    kinds |= several
    if any(count * kind % work.steps for kind, count in kinds.items()):
        return False
    heights = {count * kind // work.steps for kind, count in kinds.items()} or {*range(1, 31)}
    if len(heights) > 1 and kinds:
        return False
    whole = work.steps // lanes if work.steps % lanes == 0 else 0  # loads of A of a row
    return any(work.fmas == h * (work.loads - own * h) for h in heights for own in {0, whole})


def check_neon(loop: Loop, control: int) -> Iterator[str]:
    """h*w multiply-adds by lane a step, w vectors of weights; every fourth, h vectors of A, and h
    multiply-adds by these for each unit that takes four steps."""
    fmas = [i for i in loop if i.mnemonic == "fmla"]
    loads = [i for i in loop if i.mnemonic.startswith("ld") and REGISTERS.search(i.operands)]
    scalars = [i for i in loop if not REGISTERS.search(i.operands)]
    vectors = sum(len(REGISTERS.findall(i.operands)) for i in loads)
    work = Work(NEON.unroll, len(fmas), 0, vectors, len(scalars))
    by_lane = sum(map(is_by_lane, fmas))
    if not any(
        by_lane == work.steps * h * w
        and 4 * (work.fmas - by_lane) == work.steps * h * units
        and 4 * work.loads == work.steps * (4 * w + units + h)
        for h in range(1, NEON.registers)
        for w in range(1, NEON.registers)
        for units in range(MAX_TAIL + 1)
    ):
        whole = by_lane < work.fmas
        yield f"{'multiplies by whole vectors' if whole else 'not a full tile'}: {work}"
    yield from _strangers(loop, len(fmas) + len(loads) + len(scalars), work, control)


CHECKS: Mapping[str, Callable[[Loop, int], Iterator[str]]] = {
    AVX2.name: check_avx2,
    AVX512.name: check_avx2,
    AVX512_WIDE.name: partial(check_avx2, lanes=AVX512_WIDE.widest.lanes),
    NEON.name: check_neon,
}


def _strangers(loop: Loop, known: int, work: Work, control: int) -> Iterator[str]:
    if any(i.is_vector_on_stack for i in loop):
        yield f"spills in the loop over k: {work}"
    if len(loop) != known:
        yield f"{len(loop) - known} vector instructions that do no part of it: {work}"
    if work.scalars > control:
        yield f"{work.scalars} scalar instructions, at most {control}: {work}"


def is_by_lane(fmla: Instruction) -> bool:
    """Whether it multiplies by one lane of a vector."""
    return fmla.operands.endswith("]")


def check_straight(loop: Loop) -> Iterator[str]:
    """Loops over rows whose steps are unrolled multiply by lane as well."""
    fmas = [i for i in loop if i.mnemonic == "fmla"]
    by_lane = sum(map(is_by_lane, fmas))
    if by_lane < LANE_SHARE * len(fmas):
        yield f"only {by_lane} of {len(fmas)} multiply-adds are by lane"
