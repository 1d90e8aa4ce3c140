"""Weights objects, archives, executables: what is in them, that they repeat, how tools fail."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from io import BytesIO
from pathlib import Path
from typing import NoReturn

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Symbol, SymbolTableSection

from mbc.backends.llvm import link
from mbc.backends.llvm.data import data_object
from mbc.backends.llvm.toolchain import (
    LinkError,
    LinkTarget,
    Toolchain,
    UserCompiler,
    Zig,
    choose_toolchain,
)
from mbc.diag import MbcError
from mbc.driver.platforms import resolve

X86_64 = LinkTarget("x86_64-linux-musl")
AARCH64 = LinkTarget("aarch64-linux-musl")
ARM = LinkTarget("arm-linux-musleabihf")
MACHINES = {"x86_64": "EM_X86_64", "arm64": "EM_AARCH64", "armv7": "EM_ARM", "riscv64": "EM_RISCV"}

MAIN = "#include <stdio.h>\nint main(void) { return printf(__FILE__) < 0; }\n"


def stand_in_compiler(path: Path, *, machine: str = "x86_64-linux-gnu") -> UserCompiler:
    """A compiler as a user would name it, which every machine has that runs these tests."""
    # From a folder of its own, and in our cache: elsewhere zig would build another libc.
    zig = f"cd '{path.parent}' && exec '{sys.executable}' -m ziglang"
    cache = f"export ZIG_GLOBAL_CACHE_DIR='{Zig().folder()}'"
    archiver = path.with_name("their-ar")
    archiver.write_text(f'#!/bin/sh\n{zig} ar "$@"\n')
    path.write_text(
        f'#!/bin/sh\n{cache}\ncase "$1" in\n-dumpmachine) echo {machine} ;;\n'
        f"-print-prog-name=ar) echo '{archiver}' ;;\n"
        f'*) {zig} cc -target x86_64-linux-musl "$@" ;;\nesac\n'
    )
    for script in (path, archiver):
        script.chmod(0o755)
    return UserCompiler((str(path),))


# ---- weights ---------------------------------------------------------------------------------


def symbol_of(elf: ELFFile, name: str) -> Symbol:
    table = elf.get_section_by_name(".symtab")
    assert isinstance(table, SymbolTableSection)
    found = table.get_symbol_by_name(name)
    assert found is not None
    assert len(found) == 1
    return found[0]


def weights(data: bytes, path: Path) -> Path:
    path.write_bytes(data_object(data, "net_weights", resolve("x86_64")))
    return path


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 128, 129, 1027, 4096])
@pytest.mark.parametrize("name", MACHINES)
def test_weights_are_hidden_aligned_read_only_data(name: str, length: int) -> None:
    blob = (bytes(range(1, 256)) * 5)[:length]
    with BytesIO(data_object(blob, "net_weights", resolve(name))) as file:
        elf = ELFFile(file)
        assert elf["e_machine"] == MACHINES[name]
        symbol = symbol_of(elf, "net_weights")
        assert symbol["st_info"] == {"bind": "STB_GLOBAL", "type": "STT_OBJECT"}
        assert symbol["st_other"]["visibility"] == "STV_HIDDEN"
        assert symbol["st_size"] == len(blob)
        section = elf.get_section(symbol["st_shndx"])
        assert section.name == ".rodata.net_weights"
        assert section["sh_flags"] == 2  # allocated, and neither writable nor executable
        assert section["sh_addralign"] == 64
        assert section.data()[symbol["st_value"] :] == blob
        note = elf.get_section_by_name(".note.GNU-stack")
        assert note is not None
        assert note["sh_flags"] == 0  # the stack is not executable


def test_weights_for_a_mac() -> None:
    """As one who links it finds them: in a section of the segment that is not written."""
    blob = bytes(range(256)) * 4
    made = data_object(blob, "net_weights", resolve("macos-arm64"))
    assert made.count(blob) == 1
    assert b"__const\0" in made
    assert b"_net_weights\0" in made


# ---- archives and executables ----------------------------------------------------------------


def build(folder: Path, toolchain: Toolchain) -> dict[str, bytes]:
    """Weights, an archive of them and an executable, made in `folder`."""
    folder.mkdir(parents=True)
    data, library, program = folder / "w.o", folder / "libnet.a", folder / "net"
    weights(b"weights" * 100, data)
    library.write_bytes(b"!<arch>\nnot ours")
    link.archive([data], library, toolchain)
    (folder / "answer.h").write_text("static const char *where(void) { return __FILE__; }\n")
    (folder / "main.c").write_text(
        '#include <stdio.h>\n#include "answer.h"\nextern const char net_weights[];\n'
        'int main(void) { return printf("%s%s%s", __FILE__, where(), net_weights) < 0; }\n'
    )
    inputs = [folder / "main.c", library]
    link.link_executable(inputs, program, X86_64, toolchain, include_dirs=[folder])
    return {path.name: path.read_bytes() for path in (data, library, program)}


def test_two_builds_in_two_folders_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(tmp_path / "one", Zig())
    monkeypatch.chdir(tmp_path)
    second = build(Path("another/deeper"), Zig())
    assert first == second
    for name, content in first.items():
        assert os.fsencode(tmp_path) not in content, name


def test_the_executable_stands_alone(tmp_path: Path) -> None:
    build(tmp_path / "out", Zig())
    with (tmp_path / "out" / "net").open("rb") as file:
        elf = ELFFile(file)
        assert elf["e_type"] == "ET_EXEC"
        kinds = {segment["p_type"] for segment in elf.iter_segments()}
        assert not kinds & {"PT_INTERP", "PT_DYNAMIC"}
        assert elf.get_section_by_name(".symtab") is None
        assert elf.get_section_by_name(".rodata") is not None


def test_what_nothing_uses_is_left_out(tmp_path: Path) -> None:
    weights(b"unused weights", tmp_path / "w.o")
    (tmp_path / "main.c").write_text(MAIN)
    link.link_executable([tmp_path / "main.c", tmp_path / "w.o"], tmp_path / "m", X86_64, Zig())
    assert b"unused weights" not in (tmp_path / "m").read_bytes()


def test_a_compiler_of_the_user_links_as_well(tmp_path: Path) -> None:
    compiler = stand_in_compiler(tmp_path / "their cc")
    built = build(tmp_path / "out", compiler)
    assert built["libnet.a"].startswith(b"!<arch>\n")
    assert built["net"].startswith(b"\x7fELF")
    assert compiler.name == "their cc"
    assert link.is_warm(X86_64, compiler)


def test_the_archiver_of_gcc(tmp_path: Path) -> None:
    data = weights(b"weights", tmp_path / 'a"b.o')
    link.archive([data], tmp_path / "lib.a", UserCompiler(("gcc",)))
    assert b"weights" in (tmp_path / "lib.a").read_bytes()


# ---- which toolchain -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cc", "environ", "toolchain"),
    [
        (None, {}, Zig()),
        (None, {"MBC_CC": ""}, Zig()),
        (None, {"MBC_CC": "gcc -m64"}, UserCompiler(("gcc", "-m64"))),
        ("'my cc' -v", {"MBC_CC": "gcc"}, UserCompiler(("my cc", "-v"))),
    ],
)
def test_choose_toolchain(cc: str | None, environ: dict[str, str], toolchain: Toolchain) -> None:
    assert choose_toolchain(cc, environ) == toolchain


@pytest.mark.parametrize(
    ("machine", "target", "fits"),
    [
        ("aarch64-linux-gnu", AARCH64, True),
        ("arm64-apple-darwin", AARCH64, True),
        ("armv7l-unknown-linux-gnueabihf", ARM, True),
        ("aarch64-linux-gnu", ARM, False),
        ("x86_64-linux-gnu", AARCH64, False),
    ],
)
def test_a_compiler_must_be_for_the_target(
    machine: str, target: LinkTarget, fits: bool, tmp_path: Path
) -> None:
    compiler = stand_in_compiler(tmp_path / "cc", machine=machine)
    if fits:
        assert compiler.compiler(target) == compiler.command
        return
    with pytest.raises(MbcError, match=f"E0603: cc compiles for {machine}, .* {target.arch}"):
        compiler.compiler(target)


# ---- cold and warm ---------------------------------------------------------------------------


def test_only_the_first_link_is_cold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[Sequence[str]] = []
    monkeypatch.setattr(
        link, "call_tool", lambda toolchain, command, scratch: commands.append(command)
    )
    zig, said = Zig(tmp_path / "cache"), list[str]()
    assert not link.is_warm(X86_64, zig)
    link.warm_up(X86_64, zig, said.append)
    assert said == ["building the C library for x86_64-linux-musl: about a minute, once"]
    assert link.is_warm(X86_64, zig)
    assert not link.is_warm(AARCH64, zig)
    link.warm_up(X86_64, zig, said.append)
    link.link_executable([tmp_path / "main.c"], tmp_path / "m", X86_64, zig, progress=said.append)
    assert len(commands) == 2
    assert len(said) == 1


def test_a_link_that_fails_warms_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> str:
        raise LinkError(["cc"], 1, "")

    monkeypatch.setattr(link, "call_tool", fail)
    with pytest.raises(LinkError):
        link.warm_up(X86_64, Zig(tmp_path))
    assert not link.is_warm(X86_64, Zig(tmp_path))


def test_zig_runs_in_a_folder_that_does_not_matter(tmp_path: Path) -> None:
    zig = Zig()
    assert zig.working_folder(tmp_path) == tmp_path
    assert Path(zig.environment(tmp_path)["ZIG_LOCAL_CACHE_DIR"]).parent == tmp_path


def test_a_local_cache_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call has a folder of its own in it, which is removed."""
    local = tmp_path / "local"
    monkeypatch.setenv("ZIG_LOCAL_CACHE_DIR", str(local))
    seen: list[Path] = []

    def run(command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> object:
        seen.append(Path(env["ZIG_LOCAL_CACHE_DIR"]))
        seen[-1].mkdir()
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("mbc.backends.llvm.toolchain.run_tool", run)
    link.warm_up(X86_64, Zig(tmp_path / "zig"))
    link.warm_up(ARM, Zig(tmp_path / "zig"))
    assert [path.parent for path in seen] == [local, local]
    assert seen[0] != seen[1]
    assert list(local.iterdir()) == []
    monkeypatch.setenv("ZIG_LOCAL_CACHE_DIR", "/dev/null/local")
    with pytest.raises(MbcError, match="E0604: zig's cache /dev/null/local cannot be written: "):
        link.warm_up(AARCH64, Zig(tmp_path / "zig"))


# ---- failures --------------------------------------------------------------------------------


def test_what_the_compiler_says_is_in_the_message(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text("int main(void) { return nonsense; }\n")
    with pytest.raises(LinkError, match=r"E0602: (.|\n)*undeclared identifier") as caught:
        link.link_executable([tmp_path / "main.c"], tmp_path / "m", X86_64, Zig())
    assert "undeclared identifier 'nonsense'" in caught.value.stderr
    assert caught.value.command[-1] == str(tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_message_ends_with_what_was_said_last() -> None:
    said = "\n".join(f"line {n}" for n in range(100))
    message = LinkError(["cc", "a b.c"], 1, said).diagnostics[0].message
    assert message.startswith("a tool failed with exit code 1: cc 'a b.c'\n")
    assert message.endswith("\n  line 99")
    assert "line 80" not in message


def test_a_missing_compiler(tmp_path: Path) -> None:
    compiler = choose_toolchain("/nowhere/cc --option")
    with pytest.raises(MbcError, match="E0601: there is no compiler '/nowhere/cc'"):
        link.archive([], tmp_path / "lib.a", compiler)


def test_an_open_quote_in_the_compiler() -> None:
    with pytest.raises(MbcError, match=r"E0601: .* cannot be understood: No closing quotation"):
        choose_toolchain("'cc")


def test_without_ziglang(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(name: str) -> NoReturn:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("mbc.backends.llvm.toolchain.metadata.distribution", missing)
    with pytest.raises(MbcError, match="E0601: ziglang is not installed"):
        link.archive([], tmp_path / "lib.a", Zig())


@pytest.mark.parametrize("cache", ["/dev/null/zig", "/proc/zig"])
def test_a_cache_that_cannot_be_written(cache: str, tmp_path: Path) -> None:
    with pytest.raises(MbcError, match=f"E0604: zig's cache {cache} cannot be written: "):
        link.warm_up(X86_64, Zig(Path(cache)))


def test_main_c_is_part_of_the_package() -> None:
    assert link.MAIN_C.is_file()
