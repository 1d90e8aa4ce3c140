"""Whether a thread counts subnormal numbers (below 1.2e-38) as zero, as code.

CPUs take up to a hundred times longer over them than over others. x86 has a bit in MXCSR for
results (FTZ) and one for operands (DAZ), Arm one for both (FZ in FPCR or FPSCR); NEON of 32-bit Arm
flushes whatever the bit says. RISC-V has none: it always computes with them.
"""

from __future__ import annotations

from collections.abc import Mapping

from mbc.records import dataclass
from mbc.targets.target import Target


@dataclass(frozen=True)
class _Register:
    """The control register: its LLVM type, the bits for results and for operands, declarations,
    code that reads it into %was, and code that writes %next."""

    type: str
    results: int
    operands: int
    declared: str
    read: str
    write: str


_FZ = 1 << 24
_REGISTERS: Mapping[str, _Register | None] = {
    "x86_64": _Register(
        "i32",
        1 << 15,
        1 << 6,
        "declare void @llvm.x86.sse.stmxcsr(ptr)\ndeclare void @llvm.x86.sse.ldmxcsr(ptr)",
        "%word = alloca i32\n"
        "  call void @llvm.x86.sse.stmxcsr(ptr %word)\n"
        "  %was = load i32, ptr %word",
        "store i32 %next, ptr %word\n  call void @llvm.x86.sse.ldmxcsr(ptr %word)",
    ),
    "aarch64": _Register(
        "i64",
        _FZ,
        _FZ,
        "declare i64 @llvm.aarch64.get.fpcr()\ndeclare void @llvm.aarch64.set.fpcr(i64)",
        "%was = call i64 @llvm.aarch64.get.fpcr()",
        "call void @llvm.aarch64.set.fpcr(i64 %next)",
    ),
    "arm": _Register(
        "i32",
        _FZ,
        _FZ,
        "declare i32 @llvm.arm.get.fpscr()\ndeclare void @llvm.arm.set.fpscr(i32)",
        "%was = call i32 @llvm.arm.get.fpscr()",
        "call void @llvm.arm.set.fpscr(i32 %next)",
    ),
    "riscv64": None,
}

_FUNCTION = """\
{declared}

define {linkage}i32 @{net}_flush_subnormals(i32 %on) nounwind noinline {{
  {read}
  %was.results = and {type} %was, {results}
  %was.operands = and {type} %was, {operands}
  %had.results = icmp ne {type} %was.results, 0
  %had.operands = icmp ne {type} %was.operands, 0
  %had.one = xor i1 %had.results, %had.operands
  %which = select i1 %had.results, i32 2, i32 3
  %all = zext i1 %had.results to i32
  %before = select i1 %had.one, i32 %which, i32 %all
  %any = icmp ne i32 %on, 0
  %not.results = icmp ne i32 %on, 3
  %not.operands = icmp ne i32 %on, 2
  %wants.results = and i1 %any, %not.results
  %wants.operands = and i1 %any, %not.operands
  %new.results = select i1 %wants.results, {type} {results}, {type} 0
  %new.operands = select i1 %wants.operands, {type} {operands}, {type} 0
  %rest = and {type} %was, {rest}
  %some = or {type} %rest, %new.results
  %next = or {type} %some, %new.operands
  %same = icmp eq {type} %next, %was
  br i1 %same, label %done, label %change
change:
  {write}
  br label %done
done:
  ret i32 %before
}}
"""

_NEVER = """\
define {linkage}i32 @{net}_flush_subnormals(i32 %on) nounwind noinline {{
  ret i32 0
}}
"""

_FLUSHING = """\
define void @{net}_{function}_flushing({parameters}) nounwind {{
  %before = call i32 @{net}_flush_subnormals(i32 1)
  call void @{net}_{function}({parameters})
  %during = call i32 @{net}_flush_subnormals(i32 %before)
  ret void
}}
"""


def flush_ir(target: Target, net: str, linkage: str = "") -> str:
    """`int NET_flush_subnormals(int on)`: let the calling thread flush subnormal numbers, or not;
    what it did before, to be given back later. 0 is nothing, 1 all; 2 stands for results alone, 3
    for operands alone, which no call but one that restores asks for. Nothing is written that is so
    already."""
    register = _REGISTERS[target.family]
    if register is None:
        return _NEVER.format(net=net, linkage=linkage)
    rest = ~(register.results | register.operands)
    return _FUNCTION.format(net=net, linkage=linkage, rest=rest, **vars(register))


def flushing_ir(net: str, function: str, pointers: int) -> str:
    """`NET_FUNCTION_flushing`: a function of so many pointers, called with subnormal numbers
    flushed, and what was before restored; for a module that has `flush_ir`."""
    parameters = ", ".join(f"ptr %p{i}" for i in range(pointers))
    return _FLUSHING.format(net=net, function=function, parameters=parameters)
