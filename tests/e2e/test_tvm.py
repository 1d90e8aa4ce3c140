"""`--backend tvm` on CPUs: what `mbc compile` writes, what `mbc run` computes, and the errors."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

import mbc as api
from mbc.backends.tvm import require
from mbc.runtime import reference
from mbc.runtime.abi import IoSpec
from tests.e2e.support import ROOT, done, files_of, mbc, relative_error
from tests.everyday import part_of

INPUT = IoSpec("x", (1, 16, 16, 3))


@pytest.fixture
def x() -> np.ndarray:
    """What the reference outputs of `tiny` answer, in x.npy too."""
    (array,) = reference.seeded_inputs([INPUT], reference.SEED).values()
    np.save("x.npy", array)
    return array


def build(network: Path, target: str, *options: str) -> Path:
    """An output folder for TVM's runtime."""
    done("compile", network, "--backend", "tvm", "--target", target, "-o", "out", *options)
    return Path("out")


def on_board(folder: Path, *options: str | Path) -> subprocess.CompletedProcess[str]:
    """run.py where mbc is not to be found."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    command = [sys.executable, folder / "run.py", *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


# ---- compile ---------------------------------------------------------------------------------


def test_compile_writes_a_module_and_its_program(tiny: Path) -> None:
    folder = build(tiny, "native")
    names = {"manifest.json", "run.py", "tiny.check.npz", "tiny.so"}
    assert files_of(folder).keys() == names
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["backend"], manifest["gpu"]) == ("tvm", "")
    assert manifest["versions"]["apache-tvm"] == require.TVM
    assert manifest["files"].keys() == names - {"manifest.json"}
    assert not any("plan" in spec for spec in manifest["passes"]), "memory is TVM's"


@pytest.mark.parametrize(
    ("target", "machine"),
    [("arm64", "EM_AARCH64"), ("rpi5", "EM_AARCH64"), ("armv7", "EM_ARM"), ("x86_64", "EM_X86_64")],
)
def test_modules_are_for_their_target_and_name_no_library(
    tiny: Path, target: str, machine: str
) -> None:
    path = build(tiny, target) / "tiny.so"
    with path.open("rb") as file:
        elf = ELFFile(file)
        assert elf["e_machine"] == machine
        (dynamic,) = (s for s in elf.iter_sections() if isinstance(s, DynamicSection))
        assert [tag for tag in dynamic.iter_tags() if tag.entry.d_tag == "DT_NEEDED"] == []
        (table,) = (s for s in elf.iter_sections() if isinstance(s, SymbolTableSection))
        symbols = {symbol.name for symbol in table.iter_symbols()}
    assert not any(name.startswith("mbc_") for name in symbols), "our functions are hidden"
    assert "__tvm_ffi__library_bin" in symbols


@pytest.mark.parametrize("target", ["arm64", "opencl"])
def test_the_same_network_gives_the_same_bytes(tiny: Path, target: str) -> None:
    folders = [Path(name) for name in ("a", "b")]
    for folder in folders:
        done("compile", tiny, "--backend", "tvm", "--target", target, "-o", folder)
    assert files_of(folders[0]) == files_of(folders[1])


def test_without_a_folder_it_is_named_after_both(tiny: Path) -> None:
    done("compile", tiny, "--backend", "tvm")
    assert Path("build/tiny-tvm-native/tiny.so").exists()


def test_the_ir_can_be_seen(tiny: Path) -> None:
    fused = done("compile", tiny, "--backend", "tvm", "--stop-after", "fuse").out
    assert 'backend="tvm"' in fused
    assert "fused" in fused
    script = done("compile", tiny, "--backend", "tvm", "--stop-after", "lower").out
    assert "R.call_tir" in script
    Path("fused.mbc").write_text(fused)
    assert 'backend="tvm"' in done("opt", "fused.mbc").out


# ---- run -------------------------------------------------------------------------------------


def test_run_computes_what_the_oracle_does(tiny: Path, x: np.ndarray) -> None:
    results = {}
    for backend in ("tvm", "oracle"):
        done("run", tiny, "--input", "x.npy", "--output", "y.npy", "--backend", backend)
        results[backend] = np.load("y.npy")
    assert relative_error(results["tvm"], results["oracle"]) <= 1e-5


@pytest.mark.parametrize("level", ["-O0", "-O1"])
def test_every_level_runs(tiny: Path, x: np.ndarray, level: str) -> None:
    done("run", tiny, "--input", "x.npy", "--output", "a.npy", "--backend", "tvm", level)
    done("run", tiny, "--input", "x.npy", "--output", "b.npy", "--backend", "oracle")
    assert relative_error(np.load("a.npy"), np.load("b.npy")) <= 1e-5


def test_python_has_it_too(tiny: Path, x: np.ndarray) -> None:
    nets = [api.compile(tiny, backend=backend) for backend in ("tvm", "oracle")]
    found, wanted = (np.asarray(net(x)) for net in nets)
    assert relative_error(found, wanted) <= 1e-5


def test_verify_runs_the_module(tiny: Path) -> None:
    folder = build(tiny, "native")
    lines = done("verify", folder).out.splitlines()
    assert lines[1].split()[:3] == ["tiny.so", "this", "machine"]
    path, manifest = folder / "tiny.check.npz", folder / "manifest.json"
    outputs = reference.read(path, [IoSpec("output", (1, 10))])
    path.write_bytes(reference.to_bytes({"output": outputs["output"] * 1.01}))
    listed = json.loads(manifest.read_text())
    listed["files"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(listed))
    outcome = mbc("verify", folder)
    assert (outcome.status, outcome.code) == (1, "E0721")


# ---- run.py, on a board ----------------------------------------------------------------------


@pytest.mark.parametrize("threads", part_of((("1",), ("3",)), "3".__eq__))
def test_the_program_needs_no_mbc(tiny: Path, x: np.ndarray, threads: str) -> None:
    folder = build(tiny, "native")
    assert not any(line.split()[1].startswith("mbc") for line in imports(folder / "run.py"))
    options = ("--input", "x.npy", "--output", "y.npy", "--repeat", "2", "--threads", threads)
    outcome = on_board(folder, *options)
    assert outcome.returncode == 0, outcome.stderr
    summary, times = outcome.stdout.splitlines()
    assert summary.startswith("output (1, 10): min ")
    assert times.startswith("2 runs: min ")
    wanted = reference.read(folder / "tiny.check.npz", [IoSpec("output", (1, 10))])
    assert relative_error(np.load("y.npy"), wanted["output"]) <= 1e-5


def imports(path: Path) -> list[str]:
    lines = (line.strip() for line in path.read_text().splitlines())
    return [line for line in lines if line.startswith(("import ", "from "))]


def test_the_program_ranks_as_mbc_does(tiny: Path, x: np.ndarray) -> None:
    folder = build(tiny, "native", "-D", "softmax=true")
    ranking = on_board(folder, "--input", "x.npy", "--top", "4")
    ours = done("run", tiny, "-D", "softmax=true", "--input", "x.npy", "--top", "4").out
    assert [line.split()[:2] for line in ranking.stdout.splitlines()] == [
        line.split()[:2] for line in ours.splitlines()
    ]


def test_the_program_refuses_other_inputs(tiny: Path) -> None:
    folder = build(tiny, "native")
    np.save("small.npy", np.zeros((1, 8, 8, 3), np.float32))
    outcome = on_board(folder, "--input", "small.npy")
    assert outcome.returncode == 1
    assert "has shape [1, 8, 8, 3], expected [1, 16, 16, 3]" in outcome.stderr
    assert "given 0 times, not 1" in on_board(folder).stderr


# ---- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--emit", "exe"), "E0106", "--emit is for --backend llvm"),
        (("--weights-placement", "embed"), "E0106", "--weights-placement is for --backend llvm"),
        (("--target", "macos-arm64"), "E0506", "macos"),
        (("--target", "arm64-v8a"), "E0506", "android"),
        (("--stop-after", "plan"), "E0514", "no stage 'plan'"),
    ],
)
def test_what_tvm_does_not_do(tiny: Path, options: tuple[str, ...], code: str, words: str) -> None:
    outcome = mbc("compile", tiny, "--backend", "tvm", *options)
    assert outcome.code == code
    assert words in outcome.err
    assert not Path("build").exists()


def test_pinning_is_not_tvms(tiny: Path, x: np.ndarray) -> None:
    outcome = mbc("run", tiny, "--backend", "tvm", "--input", "x.npy", "--cpus", "0")
    assert outcome.code == "E0106"
    assert "--cpus" in outcome.err


def test_versions_are_checked_before_any_work(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        return "0.1.15.post2" if name == "apache-tvm-ffi" else real(name)

    monkeypatch.setattr(metadata, "version", version)
    require.tvm.cache_clear()
    outcome = mbc("compile", tiny, "--backend", "tvm")
    assert outcome.code == "E0613"
    assert "reading" not in outcome.err
    assert not Path("build").exists()
    require.tvm.cache_clear()


def test_without_the_extra_mbc_says_which(tiny: Path) -> None:
    blocked = "import sys; sys.modules['tvm'] = None; from mbc.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", blocked, "compile", str(tiny), "--backend", "tvm"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    outcome = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert outcome.returncode == 1
    assert "error[E0610]" in outcome.stderr
    assert "mbc[tvm]" in outcome.stderr


def test_a_module_that_changed_is_found(tiny: Path) -> None:
    folder = build(tiny, "native")
    shutil.copyfile(folder / "run.py", folder / "tiny.so")
    assert mbc("verify", folder).code == "E0720"
