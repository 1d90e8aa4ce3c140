"""Code made on purpose, by zig, to be shown to the checks on what was emitted."""

from __future__ import annotations

from pathlib import Path

from mbc.backends.llvm.link import assemble
from mbc.backends.llvm.shared import link_shared
from mbc.backends.llvm.toolchain import Zig, call_tool
from mbc.driver.platforms import link_target, resolve
from mbc.targets.conformance import Contract, Kind, problems

GOOD = """
int net_run(const float *x, float *y) { for (int i = 0; i < 64; i++) y[i] += x[i]; return 0; }
unsigned long net_arena_bytes(int threads) { return 64ul * threads; }
int net_flush_subnormals(int on) { return on; }
const void *net_abi(void) { return 0; }
"""
NO_STACK = '.section .note.GNU-stack, "", %progbits\n'


def found(path: Path, kind: Kind, target: str, cpu: str | None = None) -> str:
    """All problems of a file, in one text."""
    return "\n".join(problems(path, kind, Contract(resolve(target, cpu), "net")))


def compiled(folder: Path, target: str, source: str = GOOD, *flags: str) -> Path:
    """C as an object for a target, by zig."""
    (folder / "net.c").write_text(source)
    command = (*Zig().compiler(link_target(resolve(target))), "-c", "-O2", "-fPIC")
    options = ("-fno-sanitize=all", "-fno-stack-protector", "-fno-unwind-tables")
    words = (*command, *options, *flags, str(folder / "net.c"), "-o", str(folder / "net.o"))
    call_tool(Zig(), words, folder)
    return folder / "net.o"


def assembled(folder: Path, target: str, code: str) -> Path:
    """Assembly as an object for a target."""
    (folder / "net.s").write_text(f"{NO_STACK}.text\nnet_run:\n{code}\n")
    assemble(folder / "net.s", folder / "net.o", link_target(resolve(target)), Zig())
    return folder / "net.o"


def library(folder: Path, target: str, source: str = GOOD, *flags: str) -> Path:
    """C as the shared library libnet."""
    platform = link_target(resolve(target))
    path = folder / resolve(target).shared_name("net")
    link_shared([compiled(folder, target, source, *flags)], path, platform, Zig())
    return path
