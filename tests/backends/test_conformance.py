"""The checks on what was emitted, each shown something that it must refuse.

The wrong objects are made on purpose: by zig for another CPU, ABI or system, from assembly, or by
changing bytes of a right one.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mbc.backends.llvm.shared import link_shared
from mbc.backends.llvm.toolchain import Zig
from mbc.driver.platforms import link_target, resolve
from tests.backends.wrong_code import GOOD, assembled, compiled, found, library

# ---- what is right ---------------------------------------------------------------------------

CPUS = {"x86_64": "-mcpu=x86_64_v3", "x86_64-v2": "-mcpu=x86_64_v2", "armv7": "-mcpu=cortex_a7"}


@pytest.mark.parametrize("target", ["arm64", "armv7", "x86_64", "x86_64-v2", "arm64-v8a"])
def test_right_code_passes(target: str, tmp_path: Path) -> None:
    flags = (CPUS[target],) if target in CPUS else ()
    if target == "arm64-v8a":
        flags = ("-ffixed-x18",)
    path = library(tmp_path, target, GOOD, *flags)
    assert found(tmp_path / "net.o", "object", target) == ""
    assert found(path, "shared", target) == ""


def test_right_code_for_a_mac_passes(tmp_path: Path) -> None:
    path = library(tmp_path, "macos-arm64")
    assert found(tmp_path / "net.o", "object", "macos-arm64") == ""
    assert found(path, "shared", "macos-arm64") == ""


# ---- machine and ABI -------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["arm64", "armv7", "x86_64", "riscv64"])
@pytest.mark.parametrize("other", ["arm64", "armv7", "x86_64"])
def test_another_machine(target: str, other: str, tmp_path: Path) -> None:
    text = found(compiled(tmp_path, other), "object", target)
    assert (f"not for EM_{MACHINES[target]}, " in text) == (target != other)


MACHINES = {"arm64": "AARCH64", "armv7": "ARM", "x86_64": "X86_64", "riscv64": "RISCV"}


def test_another_format(tmp_path: Path) -> None:
    path = compiled(tmp_path, "arm64")
    assert found(path, "object", "macos-arm64") == "is not a 64-bit Mach-O file"
    path.write_bytes(b"\x7fELF")
    assert "is not an ELF file" in found(path, "object", "arm64")
    path.write_bytes(b"")
    assert "is not a Mach-O file" in found(path, "object", "macos-arm64")


def test_a_float_abi_that_would_link_silently(tmp_path: Path) -> None:
    soft = compiled(tmp_path, "armv7", GOOD, "-target", "arm-linux-musleabi", "-mcpu=cortex_a7")
    text = found(soft, "object", "armv7")
    assert "passes floats in core registers, the target in vector registers" in text
    hard = compiled(tmp_path, "armv7", GOOD, "-mcpu=cortex_a9")
    text = found(hard, "object", "armeabi-v7a")
    assert "passes floats in vector registers, the target in core registers" in text


def test_an_older_eabi(tmp_path: Path) -> None:
    path = compiled(tmp_path, "armv7", GOOD, "-mcpu=cortex_a7")
    data = bytearray(path.read_bytes())
    assert data[39] == 5  # the top byte of e_flags
    data[39] = 4
    path.write_bytes(data)
    assert "is not of EABI version 5" in found(path, "object", "armv7")


def test_floats_in_core_registers_on_risc_v(tmp_path: Path) -> None:
    soft = compiled(tmp_path, "riscv64", GOOD, "-mabi=lp64")
    text = found(soft, "object", "riscv64")
    assert "is not of the ABI that passes doubles in registers (flags 0x1)" in text
    hard = compiled(tmp_path, "riscv64", GOOD)
    assert "is not of the ABI" not in found(hard, "object", "riscv64")


def test_build_attributes_beyond_the_target(tmp_path: Path) -> None:
    path = compiled(tmp_path, "armv7", GOOD, "-mcpu=cortex_a53")
    text = found(path, "object", "armv7")
    assert "TAG_CPU_ARCH is 14, more than the target's 10" in text
    assert found(path, "object", "armv7", "cortex-a53") == ""


def test_the_mode_of_floating_point_is_everybodys(tmp_path: Path) -> None:
    path = assembled(tmp_path, "arm64", "mrs x0, fpcr\nmsr fpcr, x0\nret")
    assert found(path, "object", "arm64") == ""
    path = assembled(tmp_path, "arm64", "msr tcr_el1, x0\nret")
    assert "'msr tcr_el1, x0' at 0x0 needs privilege" in found(path, "object", "arm64")


# ---- symbols, sections, segments -------------------------------------------------------------


def test_a_symbol_that_nobody_defines(tmp_path: Path) -> None:
    source = "float expf(float); float net_run(float x) { return expf(x); }"
    path = compiled(tmp_path, "arm64", source)
    wanted = "asks for the symbols expf; it may ask for memcpy, memset, net_weights"
    assert found(path, "object", "arm64") == wanted


def test_thread_local_storage(tmp_path: Path) -> None:
    source = "_Thread_local int state = 1; int net_run(void) { return state++; }"
    path = compiled(tmp_path, "x86_64", source, "-ftls-model=initial-exec")
    assert "section .tdata is thread-local" in found(path, "object", "x86_64")


def test_a_library_that_exports_more(tmp_path: Path) -> None:
    path = library(tmp_path, "arm64", GOOD + "void net_invoke(void) {}")
    own = "net_abi, net_arena_bytes, net_flush_subnormals"
    wanted = f"exports {own}, net_invoke, net_run, not {own}, net_run"
    assert found(path, "shared", "arm64") == wanted
    path = library(tmp_path, "macos-arm64", GOOD + "void net_invoke(void) {}")
    wanted = "exports _net_abi, _net_arena_bytes, _net_flush_subnormals, _net_invoke, _net_run"
    assert wanted in found(path, "shared", "macos-arm64")


def test_a_library_by_another_name(tmp_path: Path) -> None:
    for target, suffix in (("arm64", "so"), ("macos-arm64", "dylib")):
        platform = link_target(resolve(target))
        path = tmp_path / f"libother.{suffix}"
        link_shared([compiled(tmp_path, target)], path, platform, Zig())
        assert "libother" in found(path, "shared", target)
        assert f"libnet.{suffix}" in found(path, "shared", target)


def linked(folder: Path, target: str, *flags: str, source: str = GOOD) -> Path:
    """libnet.so by lld with flags of the test's choice."""
    code, path = compiled(folder, target, source, "-fno-PIC"), folder / "libnet.so"
    zig = (sys.executable, "-P", "-m", "ziglang", "ld.lld")
    command = (*zig, "-shared", "-soname", "libnet.so", *flags, str(code), "-o", str(path))
    subprocess.run(command, check=True, capture_output=True)
    return path


def test_text_relocations(tmp_path: Path) -> None:
    path = assembled(tmp_path, "x86_64", ".globl net_run\nmovabs $net_run, %rax\nret")
    zig = (sys.executable, "-P", "-m", "ziglang", "ld.lld", "-shared", "-soname", "libnet.so")
    command = (*zig, "-z", "notext", str(path), "-o", str(tmp_path / "libnet.so"))
    subprocess.run(command, check=True, capture_output=True)
    assert "has text relocations" in found(tmp_path / "libnet.so", "shared", "x86_64")


def test_small_pages_on_android(tmp_path: Path) -> None:
    path = linked(tmp_path, "arm64-v8a", "-z", "max-page-size=4096")
    text = found(path, "shared", "arm64-v8a")
    assert "is aligned to 4096 bytes, pages may have 16384" in text
    text = found(linked(tmp_path, "arm64", "-z", "max-page-size=16384"), "shared", "arm64")
    assert "is aligned to 16384 bytes, pages may have 65536" in text


def test_an_executable_stack(tmp_path: Path) -> None:
    path = linked(tmp_path, "x86_64", "-z", "execstack")
    assert "wants an executable stack" in found(path, "shared", "x86_64")


def test_code_that_can_be_written(tmp_path: Path) -> None:
    path = linked(tmp_path, "arm64", "--omagic")
    assert "is writable and executable" in found(path, "shared", "arm64")


def test_a_library_that_needs_another(tmp_path: Path) -> None:
    other = tmp_path / "libm.so.6"
    library(tmp_path, "arm64").rename(other)
    path = linked(tmp_path, "arm64", str(other))
    assert "needs the libraries libnet.so" in found(path, "shared", "arm64")


def test_an_executable_that_is_no_library_and_not_static(tmp_path: Path) -> None:
    path = library(tmp_path, "arm64")
    assert found(path, "object", "arm64").startswith("is of type ET_DYN, not ET_REL")
    dynamic = tmp_path / "net"
    zig = (sys.executable, "-P", "-m", "ziglang", "ld.lld", "-pie", "--entry=net_run")
    command = (*zig, "-dynamic-linker", "/lib/ld.so", str(tmp_path / "net.o"), str(path))
    subprocess.run((*command, "-o", str(dynamic)), check=True, capture_output=True)
    wanted = "is not a static executable: it needs a loader"
    assert wanted in found(dynamic, "executable", "arm64")


# ---- Mach-O ----------------------------------------------------------------------------------


def changed(path: Path, old: bytes, new: bytes) -> Path:
    """The file with the first occurrence of some bytes replaced."""
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b"\x0c\x00\x00\x01", b"\x07\x00\x00\x01", "is for CPU type 0x1000007, not for arm64"),
        (b"\x32\x00\x00\x00\x20\x00\x00\x00\x01", b"\x32\x00\x00\x00\x20\x00\x00\x00\x02",
         "is for platform 2, not for macOS (1)"),
        (b"\x1d\x00\x00\x00\x10\x00\x00\x00", b"\x26\x00\x00\x00\x10\x00\x00\x00",
         "is not signed"),
        (b"/usr/lib/libSystem", b"/usr/lib/libOtherX", "needs the libraries /usr/lib/libOtherX"),
    ],
)  # fmt: skip
def test_a_dylib_for_something_else(old: bytes, new: bytes, problem: str, tmp_path: Path) -> None:
    path = changed(library(tmp_path, "macos-arm64"), old, new)
    assert problem in found(path, "shared", "macos-arm64")


def test_a_dylib_is_no_object(tmp_path: Path) -> None:
    path = library(tmp_path, "macos-arm64")
    assert "is of Mach-O type 6, not 1" in found(path, "object", "macos-arm64")
    source = "float expf(float); float net_run(float x) { return expf(x); }"
    path = compiled(tmp_path, "macos-arm64", source)
    assert "asks for the symbols _expf" in found(path, "object", "macos-arm64")
