"""Shared libraries: libNET.so or libNET.dylib, linked from objects, export only the C interface.

All other symbols are hidden or internal in the objects already. An ELF library depends on no other
library, since the program that loads it provides memcpy and memset. Only Android's loader requires
a dependency on libc.so for them; a stub of that name replaces it at link time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mbc.backends.llvm.link import assemble
from mbc.backends.llvm.toolchain import LinkTarget, Toolchain, call_tool
from mbc.files import scratch_folder


def link_shared(
    objects: Sequence[Path], out: Path, target: LinkTarget, toolchain: Toolchain, name: str = ""
) -> None:
    """Link objects into a stripped shared library. Its SONAME or install name is `name`, by default
    that of `out`."""
    if not name:
        name = f"@rpath/{out.name}" if target.object_format == "macho" else out.name
    inputs = [str(path.absolute()) for path in objects]
    with scratch_folder() as scratch:
        if target.libc:
            inputs.append(str(_stub(scratch, target, toolchain)))
        command = (*_command(name, target, toolchain), *inputs, "-o", str(out.absolute()))
        call_tool(toolchain, command, scratch)


def _command(name: str, target: LinkTarget, toolchain: Toolchain) -> tuple[str, ...]:
    if target.object_format == "macho":
        own = f"-Wl,-install_name,{name}"
        return (*toolchain.compiler(target), "-shared", "-nostdlib", "-s", own)
    pages = ("-z", f"max-page-size={target.page_bytes}")
    resolved = ("-z", "defs") if target.libc else ()
    flags = ("-soname", name, "--build-id=none", "--gc-sections", *pages, *resolved)
    if linker := toolchain.linker(target):
        return (*linker, "-shared", "-s", *flags)
    driver_flags = ",".join(("-Wl", *flags))
    return (*toolchain.compiler(target), "-shared", "-s", "-nostdlib", driver_flags)


def _stub(scratch: Path, target: LinkTarget, toolchain: Toolchain) -> Path:
    """Build a library with the name of the libc and the symbols that compiled code uses."""
    source, code, stub = scratch / "stub.s", scratch / "stub.o", scratch / target.libc
    lines = ['    .section .note.GNU-stack, "", %progbits', "    .text"]
    for name in target.libc_functions:
        lines += [f"    .globl {name}", f"    .type {name}, %function", f"{name}:", "    nop"]
    source.write_text("\n".join([*lines, ""]), "utf-8")
    assemble(source, code, target, toolchain)
    link_shared([code], stub, replace(target, libc=""), toolchain)
    return stub
