"""Code generation by LLVM: from IR text to objects and assembly for a target."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

import llvmlite.binding as llvm

from mbc.backends.llvm.interface import library_ir, plain_name_ir
from mbc.backends.llvm.lower import LoweredNet
from mbc.targets.target import Target

CODEGEN_LEVEL = 2  # levels 1 to 3 give equal speed, level 0 is three times slower


@cache
def _initialise() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


class _Loops:
    """A counter of running code generators: loop strength reduction (LSR) is off while there is
    one."""

    def __init__(self) -> None:
        self._lock, self._users = Lock(), 0

    @contextmanager
    def as_emitted(self) -> Iterator[None]:
        """Switch LSR off, so that loops are compiled as emitted."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            self._users += change
            if self._users == max(change, 0):
                llvm.set_option("mbc", f"-disable-lsr={str(change > 0).lower()}")


LOOPS = _Loops()
"""LSR off: kernels have few pointers, and offsets that instructions can encode. LSR took half of
the time of code generation, and added instructions. LLVM's option is process-wide, and other
libraries in the process may use LLVM too."""


def target_machine(target: Target, *, jit: bool = False) -> Any:
    """Create LLVM's code generator for a target. Linked objects take small, position-independent
    code; llvmlite's default is the large code model, meant for JIT code."""
    _initialise()
    options: dict[str, Any] = {"cpu": target.cpu, "features": target.feature_string}
    if target.abi:
        options["abiname"] = target.abi
    options |= {"jit": True} if jit else {"codemodel": "small", "reloc": "pic"}
    return llvm.Target.from_triple(target.triple).create_target_machine(
        opt=CODEGEN_LEVEL, **options
    )


def parse(ir: str, target: Target) -> Any:
    """Parse and verify a module."""
    _initialise()
    module = llvm.parse_assembly(f'target triple = "{target.triple}"\n{ir}')
    module.verify()
    return module


def object_code(ir: str, target: Target) -> bytes:
    """Compile a module to an object file."""
    machine, module = target_machine(target), parse(ir, target)
    with LOOPS.as_emitted():
        data: bytes = machine.emit_object(module)
    return data


def assembly_text(ir: str, target: Target) -> str:
    """Compile a module to assembly."""
    machine, module = target_machine(target), parse(ir, target)
    with LOOPS.as_emitted():
        text: str = machine.emit_assembly(module)
    return text


def emit_object(lowered: LoweredNet) -> bytes:
    """Compile the library's object file, without weights."""
    return object_code(library_ir(lowered), lowered.target)


def emit_plain_name(lowered: LoweredNet) -> bytes:
    """Compile the object that only shared libraries contain (`plain_name_ir`)."""
    return object_code(plain_name_ir(lowered.spec), lowered.target)


def emit_assembly(lowered: LoweredNet) -> str:
    """Compile the library's assembly text, without weights."""
    return assembly_text(library_ir(lowered), lowered.target)
