"""Several builds in one program: of one file with other shapes or other weights, and of two
networks of one file. Each pair is linked together and run; a header with another build's library is
an error that names the build."""

import ctypes
import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from mbc.runtime.shared_runner import load, problems
from tests.e2e.support import TINY, done, files_of, relative_error

OTHER = (
    TINY.partition("\n\n\n")[2]
    .replace("def tiny", "def other")
    .replace("width: int = 8", "width: int = 16")
)
FILE = f"{TINY}\n\n{OTHER}"

COMPILERS = {
    "x86_64": ("gcc", ()),
    "arm64": ("aarch64-linux-gnu-gcc", ("qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu")),
}
KINDS = ("--emit", "lib,so,header")


@dataclass(frozen=True)
class Build:
    """An output folder, the network's name in C, and how it was compiled."""

    folder: Path
    net: str
    options: tuple[str, ...]

    @property
    def digest(self) -> str:
        text: str = json.loads((self.folder / "manifest.json").read_text())["build"]
        return text

    @property
    def archive(self) -> Path:
        return self.folder / f"lib{self.net}.a"

    @property
    def shared(self) -> Path:
        return self.folder / f"lib{self.net}.so"

    def answer(self) -> np.ndarray:
        """The oracle's, to inputs of 0.5."""
        size = int(next((o[11:] for o in self.options if o.startswith("resolution=")), "16"))
        np.save("x.npy", np.full((1, size, size, 3), 0.5, np.float32))
        files = ("--input", "x.npy", "--output", "y.npy")
        done("run", "nets.py", *self.options, "--backend", "oracle", *files)
        answer: np.ndarray = np.load("y.npy").ravel()
        return answer


def build(folder: str, target: str, *options: str, net: str = "nets_tiny") -> Build:
    done("compile", "nets.py", "--target", target, *options, *KINDS, "-o", folder)
    own = tuple(o for o in options if o not in ("--name", "one", "two"))
    return Build(Path(folder), net, own)


# Runs the network of one header, on inputs of 0.5: a file for each, since headers of two builds of
# one name exclude each other.
PART = """\
#include <stdio.h>
#include <stdlib.h>
#include "{folder}/{net}.h"
int run_{folder}(void);
int run_{folder}(void) {{
  float *x = malloc({NET}_INPUT_INPUT_SIZE * sizeof *x), y[{NET}_OUTPUT_OUTPUT_SIZE];
  for (int i = 0; i < {NET}_INPUT_INPUT_SIZE; i++) x[i] = 0.5f;
  const {net}_io io = {{x, y}};
  void *arena = aligned_alloc({NET}_ALIGNMENT, {net}_arena_bytes(1));
  int status = {net}_run(&io, arena, NULL);
  free(arena), free(x);
  return status || fwrite(y, sizeof y, 1, stdout) != 1;
}}
"""
MAIN = "int run_one(void), run_two(void);\nint main(void) { return run_one() || run_two(); }\n"


def parts(builds: Sequence[Build]) -> list[str]:
    """C files that run each of them, and the main that runs them in turn."""
    for each in builds:
        text = PART.format(folder=each.folder, net=each.net, NET=each.net.upper())
        Path(f"{each.folder}.c").write_text(text)
    Path("main.c").write_text(MAIN)
    return ["main.c", *(f"{each.folder}.c" for each in builds)]


def linked(target: str, builds: Sequence[Build], *libraries: str | Path) -> list[str]:
    """Command of the program of both."""
    compiler, emulator = COMPILERS[target]
    strict = ("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
    command = (compiler, *strict, *parts(builds), *libraries, "-o", "both")
    subprocess.run(list(map(str, command)), check=True)
    return [*emulator, "./both"]


def check_answers(command: Sequence[str], builds: Sequence[Build]) -> None:
    said = subprocess.run(command, capture_output=True, check=True).stdout
    found = np.frombuffer(said, "<f4").reshape(len(builds), -1)
    answers = [each.answer() for each in builds]
    for y, answer in zip(found, answers, strict=True):
        assert relative_error(y, answer) <= 1e-4
    assert relative_error(*answers) > 1e-2  # so that one is not taken for the other


PAIRS = {
    "shapes": (("-D", "resolution=8"), ("-D", "resolution=24")),
    "weights": (("--seed", "1"), ("--seed", "2")),
    "networks": (("--network", "tiny"), ("--network", "other")),
}


def pair(kind: str, target: str) -> tuple[Build, Build]:
    """Two builds of one file."""
    Path("nets.py").write_text(FILE)
    first, second = PAIRS[kind]
    chosen = () if kind == "networks" else ("--network", "tiny")
    nets = ("nets_tiny", "nets_other") if kind == "networks" else ("nets_tiny", "nets_tiny")
    return (
        build("one", target, *chosen, *first, net=nets[0]),
        build("two", target, *chosen, *second, net=nets[1]),
    )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MBC_CC", raising=False)
    return tmp_path


WHOLE = ("-Wl,--whole-archive", "-Wl,--no-whole-archive")


@pytest.mark.parametrize(
    ("kind", "target"), [*((kind, "x86_64") for kind in PAIRS), ("shapes", "arm64")]
)
def test_two_builds_in_one_program(kind: str, target: str, place: Path) -> None:
    builds = pair(kind, target)
    assert builds[0].digest != builds[1].digest
    archives = [each.archive for each in builds]
    for order in (archives, archives[::-1], [WHOLE[0], *archives, WHOLE[1]]):
        check_answers(linked(target, builds, *order), builds)
    shared = [each.shared for each in builds]
    paths = ("-Wl,-rpath,$ORIGIN/one", "-Wl,-rpath,$ORIGIN/two")
    check_answers(linked(target, builds, *shared, *paths), builds)
    check_mistakes(target, builds)


def check_mistakes(target: str, builds: tuple[Build, Build]) -> None:
    """Header of one build, library of the other: as an archive, as a shared library, and as one
    that is another when the program starts."""
    one, two = builds
    compiler, emulator = COMPILERS[target]
    Path("main.c").write_text("int run_one(void);\nint main(void) { return run_one(); }\n")
    wanted = rf"undefined reference to `{one.net}_run_{one.digest}'"
    for library in (two.archive, two.shared):
        command = [compiler, "main.c", "one.c", str(library), "-o", "wrong"]
        ended = subprocess.run(
            command, capture_output=True, text=True, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
        )
        assert ended.returncode != 0
        assert re.search(wanted, ended.stderr)
    command = [compiler, "main.c", "one.c", str(one.shared), "-Wl,-rpath,$ORIGIN/new", "-o", "app"]
    subprocess.run(command, check=True)
    Path("new").mkdir()
    for name, content in files_of(two.folder).items():
        Path("new", name).write_bytes(content)
    ended = subprocess.run([*emulator, "./app"], capture_output=True, text=True)
    assert ended.returncode != 0
    assert f"libnets_tiny.so.{one.digest}" in ended.stderr
    Path("new", f"libnets_tiny.so.{one.digest}").write_bytes(two.shared.read_bytes())
    ended = subprocess.run(
        [*emulator, "./app"],
        capture_output=True,
        text=True,
        env={"LD_BIND_NOW": "1", "PATH": "/usr/bin:/bin"},
    )
    assert ended.returncode != 0
    assert f"{one.net}_" in ended.stderr
    assert one.digest in ended.stderr.replace(f"libnets_tiny.so.{one.digest}", "")


def test_headers_of_two_builds_exclude_each_other(place: Path) -> None:
    Path("nets.py").write_text(FILE)
    for folder, size in (("one", "8"), ("two", "24")):
        options = ("--network", "tiny", "-D", f"resolution={size}", "--emit", "header")
        done("compile", "nets.py", *options, "-o", folder)
    twice = '#include "one/nets_tiny.h"\n#include "one/nets_tiny.h"\n'
    for text, code in ((twice, 0), (twice + '#include "two/nets_tiny.h"\n', 1)):
        Path("a.c").write_text(text)
        ended = subprocess.run(["gcc", "-fsyntax-only", "a.c"], capture_output=True, text=True)
        assert ended.returncode == code
        assert (
            "two builds of nets_tiny: give one another name (mbc compile --name)" in ended.stderr
        ) == bool(code)


def test_a_name_tells_two_builds_apart_in_one_file(place: Path) -> None:
    Path("nets.py").write_text(FILE)
    for name, size in (("small", "8"), ("large", "24")):
        options = ("--network", "tiny", "-D", f"resolution={size}", "--emit", "header")
        done("compile", "nets.py", *options, "--name", name, "-o", name)
    Path("a.c").write_text(
        '#include "small/small.h"\n#include "large/large.h"\n'
        "int sizes[SMALL_INPUT_INPUT_SIZE < LARGE_INPUT_INPUT_SIZE ? 1 : -1];\n"
        "const void *use(void) { return small_abi() ? (void *)small_run : (void *)large_run; }\n"
    )
    subprocess.run(["gcc", "-fsyntax-only", "-Wall", "-Werror", "a.c"], check=True)


# ---- the digest ------------------------------------------------------------------------------


def digest(*options: str) -> str:
    done("compile", "nets.py", "--network", "tiny", *options, "--emit", "obj", "-o", "out")
    text: str = json.loads(Path("out/manifest.json").read_text())["build"]
    return text


def test_what_the_digest_covers(place: Path) -> None:
    Path("nets.py").write_text(FILE)
    plain = digest("--target", "x86_64")
    assert re.fullmatch("[0-9a-f]{12}", plain)
    assert digest("--target", "x86_64") == plain
    others = [
        ("--target", "arm64"),
        ("--target", "x86_64", "--mcpu", "znver3"),
        ("--target", "x86_64", "--seed", "1"),
        ("--target", "x86_64", "-O0"),
        ("--target", "x86_64", "-D", "resolution=24"),
        ("--target", "x86_64", "--name", "other"),
        ("--target", "x86_64", "--weights-placement", "external"),
    ]
    digests = {plain, *(digest(*options) for options in others)}
    assert len(digests) == 1 + len(others)
    external = ("--target", "x86_64", "--weights-placement", "external")
    assert digest(*external, "--seed", "1") == digest(*external)


# ---- NET_abi -----------------------------------------------------------------------------------


def exported(path: Path) -> set[str]:
    """What a shared library defines for others."""
    with path.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".dynsym")
        assert isinstance(table, SymbolTableSection)
        return {s.name for s in table.iter_symbols() if s["st_shndx"] != "SHN_UNDEF" and s.name}


@pytest.mark.parametrize("external", [False, True], ids=["embedded", "external"])
def test_a_library_describes_itself(external: bool, place: Path) -> None:
    Path("nets.py").write_text(FILE)
    placement = ("--weights-placement", "external") if external else ()
    made = build("out", "x86_64", "--network", "tiny", *placement)
    manifest = json.loads((made.folder / "manifest.json").read_text())
    functions = ("run", "arena_bytes", "flush_subnormals", "abi")
    names = {f"nets_tiny_{each}_{made.digest}" for each in functions}
    assert exported(made.shared) == names | {"nets_tiny_abi"}
    abi = load(made.shared, "nets_tiny")
    for size in ("arena_bytes", "shared_bytes", "scratch_bytes", "weights_bytes"):
        assert getattr(abi, size) == manifest[size]
    assert (abi.version, abi.size, abi.alignment) == (1, ctypes.sizeof(abi), 64)
    assert bool(abi.external_weights) == external
    assert abi.arena_bytes_for(3) == abi.shared_bytes + 3 * abi.scratch_bytes
    tensors = [np.zeros((1, 16, 16, 3), np.float32), np.zeros((1, 10), np.float32)]
    assert (abi.inputs[0].name, abi.outputs[0].name) == (b"input", b"output")
    assert (abi.inputs[0].scale, abi.inputs[0].zero_point) == (1, 0)
    assert problems(abi, "nets_tiny", made.digest, tensors) == []
    assert len(problems(abi, "other", "0", [tensors[0][:, :8], tensors[1]])) == 4
    assert "verified" in done("verify", "out").out
