"""Loads and stores of several vectors of bytes by one instruction, for 64-bit Arm."""

from __future__ import annotations

from collections.abc import Sequence

from mbc.backends.llvm.emitter import Function

MOST = 4  # registers that an instruction loads or stores
BYTES = "<16 x i8>"
SIZE = 16  # of a vector
_LD1 = "llvm.aarch64.neon.ld1x{}.v16i8.p0"
_ST1 = f"llvm.aarch64.neon.st1x{MOST}.v16i8.p0"


def _several(count: int) -> str:
    return f"{{ {', '.join([BYTES] * count)} }}"


LOADS = tuple(f"declare {_several(n)} @{_LD1.format(n)}(ptr)" for n in range(2, MOST + 1))
STORES = (f"declare void @{_ST1}({', '.join([BYTES] * MOST)}, ptr)",)


def load_several(f: Function, address: str, count: int) -> list[str]:
    """Load at most `MOST` vectors of bytes by an instruction."""
    if count == 1:
        return [f.op(f"load {BYTES}, ptr {address}, align 1")]
    kind = _several(count)
    found = f.op(f"call {kind} @{_LD1.format(count)}(ptr {address})")
    return [f.op(f"extractvalue {kind} {found}, {i}") for i in range(count)]


def loaded(f: Function, address: str, count: int) -> tuple[str, list[str]]:
    """Load vectors of bytes by as few instructions as can be; returns the address after them too.

    It is hidden from LLVM, which would else add offsets that these loads lack."""
    vectors: list[str] = []
    while len(vectors) < count:
        several = min(MOST, count - len(vectors))
        vectors += load_several(f, address, several)
        (address,) = f.forgotten([f.offset(address, several * SIZE)])
    return address, vectors


def stored(f: Function, address: str, vectors: Sequence[str]) -> str:
    """Store `MOST` vectors of bytes; returns the address after them, hidden from LLVM."""
    operands = ", ".join(f"{BYTES} {vector}" for vector in vectors)
    f.emit(f"call void @{_ST1}({operands}, ptr {address})")
    (address,) = f.forgotten([f.offset(address, MOST * SIZE)])
    return address
