"""What an output folder holds, that it repeats to the byte, and that a C program can use it."""

import hashlib
import json
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

import mbc as api
from mbc.backends.llvm.link import link_executable
from mbc.backends.llvm.toolchain import LinkTarget, Zig
from mbc.driver.platforms import resolve
from tests.e2e.support import (
    EXAMPLES,
    done,
    files_of,
    relative_error,
    run_executable,
    shell,
    single,
)
from tests.everyday import part_of

LINK = {name: resolve(name).link_triple for name in ("arm64", "x86_64")}

# All that a user's program needs: the header, the library and memory.
CALLER = """\
#include "mobilenet_v1.h"
#include <stdio.h>

static float x[MOBILENET_V1_INPUT_INPUT_SIZE], y[MOBILENET_V1_OUTPUT_OUTPUT_SIZE];
static _Alignas(MOBILENET_V1_ALIGNMENT) unsigned char arena[MOBILENET_V1_ARENA_BYTES];

int main(void) {
  for (int i = 0; i < MOBILENET_V1_INPUT_INPUT_SIZE; i++) x[i] = (float)(i % 17) / 8 - 1;
  const mobilenet_v1_io io = {x, y};
  if (sizeof arena != mobilenet_v1_arena_bytes(1)) return 3;
  if (mobilenet_v1_run(&io, arena + 1, NULL) != 1) return 4; /* misaligned */
  for (int round = 0; round < 2; round++)
    if (mobilenet_v1_run(&io, arena, NULL)) return 5;
  return fwrite(y, sizeof *y, MOBILENET_V1_OUTPUT_OUTPUT_SIZE, stdout) !=
         MOBILENET_V1_OUTPUT_OUTPUT_SIZE;
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("target", LINK)
def test_a_c_program_with_only_the_header(target: str, tmp_path: Path) -> None:
    settings = ("-D", "alpha=0.25", "-D", "resolution=128", "-D", "softmax=false")
    network = EXAMPLES / "mobilenet_v1.py"
    done("compile", network, "--target", target, *settings, "-o", tmp_path / "out")
    source = tmp_path / "caller.c"
    source.write_text(CALLER)
    inputs = [source, tmp_path / "out" / "libmobilenet_v1.a"]
    program, link_target = tmp_path / "caller", LinkTarget(LINK[target])
    link_executable(inputs, program, link_target, Zig(), include_dirs=[tmp_path / "out"])
    y = np.frombuffer(run_executable(program, target), "<f4")
    x = (np.arange(128 * 128 * 3) % 17).astype(np.float32).reshape(1, 128, 128, 3) / 8 - 1
    params = {"alpha": 0.25, "resolution": 128, "softmax": False}
    reference = single(api.compile(network, params=params, level=0, backend="oracle"), x)
    assert relative_error(y[np.newaxis], reference) <= 1e-4


def undefined_symbols(path: Path) -> set[str]:
    """Names that an object takes from elsewhere."""
    with path.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        symbols = list(table.iter_symbols())
        return {s.name for s in symbols if s["st_shndx"] == "SHN_UNDEF" and s.name}


NAMES = ("mobilenet_v1", "mobilenet_v2", "shufflenet_v1", "shufflenet_v2")


@pytest.mark.parametrize(
    ("number", "target"),
    part_of(
        product(range(len(NAMES)), LINK),
        lambda number, target: [*LINK][number % len(LINK)] == target,
        lambda number, target: f"{NAMES[number]}-{target}",
    ),
)
def test_the_code_needs_no_runtime(number: int, target: str, tmp_path: Path) -> None:
    """Softmax included: not even a mathematical library."""
    name = NAMES[number]
    options = ("--target", target, "-D", "resolution=64", "--emit", "obj", "-o", tmp_path / "out")
    done("compile", EXAMPLES / f"{name}.py", *options, "--no-check")
    needs = undefined_symbols(tmp_path / "out" / f"{name}.o")
    build = json.loads((tmp_path / "out" / "manifest.json").read_text())["build"]
    assert needs <= {f"{name}_weights_{build}", "memcpy", "memset"}


def test_two_builds_in_different_folders_are_equal(tiny: Path, tmp_path: Path) -> None:
    builds = []
    for place in ("here", "a/place far/away"):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        (folder / "tiny.py").write_text(tiny.read_text())
        kinds = "lib,header,obj,asm,llvm,ir"
        done("compile", folder / "tiny.py", "-o", folder / "out", "--emit", kinds)
        builds.append(files_of(folder / "out"))
    assert builds[0] == builds[1]
    assert str(tmp_path).encode() not in b"".join(builds[0].values())


@pytest.mark.slow
def test_two_executables_are_equal(tiny: Path, tmp_path: Path) -> None:
    """Made by processes of their own, in different folders."""
    builds = []
    for place in ("one", "another"):
        folder = tmp_path / place
        folder.mkdir()
        (folder / "tiny.py").write_text(tiny.read_text())
        ended = shell("compile", "tiny.py", "--target", "arm64", cwd=folder)
        assert ended.returncode == 0, ended.stderr
        builds.append(files_of(folder / "build" / "tiny-arm64"))
    assert builds[0] == builds[1]
    assert set(builds[0]) == {"tiny", "tiny.h", "libtiny.a", "tiny.check.npz", "manifest.json"}


def test_the_manifest(tiny: Path) -> None:
    options = ("--target", "arm64", "--mcpu", "cortex-a72", "--mattr=+crc", "--emit", "lib,header")
    done("compile", tiny, "-D", "width=16", "--batch", "2", *options, "-o", "out")
    manifest = json.loads(Path("out/manifest.json").read_text())
    assert " ".join(manifest) == (
        "network name build parameters weights weights_sha256 backend target triple cpu features "
        "gpu macs params arena_bytes shared_bytes scratch_bytes weights_bytes inputs outputs check "
        "preprocess passes versions files"
    )
    assert manifest["network"] == "tiny"
    assert manifest["parameters"] == {"width": 16, "resolution": 16, "softmax": False, "batch": 2}
    assert manifest["weights"] == "initialised, seed 0 (no --weights given)"
    assert (manifest["target"], manifest["cpu"]) == ("arm64", "cortex-a72")
    assert manifest["features"] == ["+crc"]
    assert manifest["inputs"] == [{"name": "input", "shape": [2, 16, 16, 3], "dtype": "f32"}]
    assert manifest["outputs"] == [{"name": "output", "shape": [2, 10], "dtype": "f32"}]
    macs = 64 * (27 * 16 + 9 * 16 + 16 * 32) + 320
    assert manifest["macs"] == 2 * macs
    assert (manifest["name"], manifest["weights_sha256"]) == ("tiny", "")
    assert manifest["check"] == {"file": "tiny.check.npz", "seed": 0, "tolerance": 1e-4}
    assert manifest["passes"][-1] == "plan-memory"
    assert manifest["files"] == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in map(Path, ("out/libtiny.a", "out/tiny.check.npz", "out/tiny.h"))
    }
    header = Path("out/tiny.h").read_text()
    assert f'#define TINY_BUILD "{manifest["build"]}"\n' in header
    assert f"#define TINY_ARENA_BYTES {manifest['arena_bytes']} " in header
    assert f"#define TINY_SHARED_BYTES {manifest['shared_bytes']} " in header
    assert f"#define TINY_SCRATCH_BYTES {manifest['scratch_bytes']} " in header


def test_every_kind_of_file(tiny: Path) -> None:
    kinds = "lib,header,obj,asm,llvm,ir"
    done("compile", tiny, "-o", "out", "--target", "arm64", "--emit", kinds)
    files = files_of(Path("out"))
    assert set(files) == {
        "libtiny.a", "tiny.h", "tiny.o", "tiny.s", "tiny.ll", "tiny.mbc",
        "constants.safetensors", "tiny.check.npz", "manifest.json",
    }  # fmt: skip
    assert re.search(rb"fmla\s+v\d+\.4s", files["tiny.s"])
    assert b"define i32 @tiny_run_" in files["tiny.ll"]
    assert files["tiny.o"][:4] == b"\x7fELF"
    assert done("opt", "out/tiny.mbc").out.encode() == files["tiny.mbc"]


@pytest.mark.slow
def test_the_readmes_command_verbatim(tmp_path: Path) -> None:
    """`mbc compile mobilenet_v1.py --target arm64` in a folder like `examples`."""
    for path in EXAMPLES.glob("*.py"):
        (tmp_path / path.name).write_text(path.read_text())
    ended = shell("compile", "mobilenet_v1.py", "--target", "arm64", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "build/mobilenet_v1-arm64/" in ended.stdout
    made = {path.name for path in (tmp_path / "build" / "mobilenet_v1-arm64").iterdir()}
    assert made == {"mobilenet_v1", "mobilenet_v1.h", "libmobilenet_v1.a", "manifest.json"} | {
        "mobilenet_v1.check.npz"
    }
