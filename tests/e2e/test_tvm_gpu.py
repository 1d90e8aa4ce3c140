"""GPU targets: what `mbc compile` writes for them, what `mbc run` computes, and the errors."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from mbc.backends.tvm import board
from mbc.backends.tvm.gpu.launch import ALIGNMENT
from mbc.backends.tvm.require import ffi
from mbc.targets.gpu import BOARD_GPUS, GPU_TARGETS, INSTEAD, Gpu
from tests.e2e.support import done, files_of, mbc, relative_error

COMMON = {"launch.json", "manifest.json", "run.py", "tiny.check.npz", "tiny.so", "tiny.weights"}
NVCC = shutil.which("nvcc")


def build(network: Path, *options: str) -> Path:
    """An output folder."""
    done("compile", network, "-o", "out", *options)
    return Path("out")


@pytest.fixture
def no_nvcc(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without CUDA's compiler."""
    monkeypatch.setattr("mbc.backends.tvm.gpu.nvcc.shutil.which", lambda name, path=None: None)
    monkeypatch.setattr("mbc.backends.tvm.gpu.nvcc.find_spec", lambda name: None)


@pytest.fixture
def fake_nvcc(tmp_path: Path) -> Path:
    """A compiler that knows sm_87 and writes down how it was called."""
    path = tmp_path / "bin" / "nvcc"
    path.parent.mkdir()
    path.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        "if '--list-gpu-code' in sys.argv:\n"
        "    print('sm_75\\nsm_87')\n"
        "else:\n"
        "    out = sys.argv[sys.argv.index('-o') + 1]\n"
        "    open(out, 'w').write(' '.join(sys.argv[1:-3]))\n"
    )
    path.chmod(0o755)
    return path


# ---- compile ---------------------------------------------------------------------------------


def test_opencl_gets_a_host_that_needs_no_tvm(tiny: Path) -> None:
    folder = build(tiny, "--target", "opencl", "--arch", "mali")
    own = {"tiny.cl", "tiny_opencl.c", "tiny_opencl.h"}
    assert files_of(folder).keys() == COMMON | own
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["backend"], manifest["target"]) == ("tvm", "opencl")
    assert manifest["gpu"] == "opencl mali"


def test_the_launch_plan_is_whole(tiny: Path) -> None:
    folder = build(tiny, "--target", "opencl")
    plan = json.loads((folder / "launch.json").read_text())
    source = (folder / "tiny.cl").read_text()
    sizes = {"arena": plan["arena_bytes"], "weights": plan["weights_bytes"]}
    assert (folder / "tiny.weights").stat().st_size == sizes["weights"] + 32, "and the SHA-256"
    for buffer in plan["buffers"]:
        assert buffer["offset"] % ALIGNMENT == 0
        end = buffer["offset"] + buffer["bytes"]
        assert end <= sizes.get(buffer["role"], buffer["bytes"])
    roles = [buffer["role"] for buffer in plan["buffers"]]
    assert roles[:2] == ["input", "output"]
    for launch in plan["launches"]:
        assert f"void {launch['kernel']}(" in source
        assert all(0 <= number < len(roles) for number in launch["buffers"])
        assert min(*launch["grid"], *launch["block"]) >= 1
    written = plan["launches"][-1]["buffers"]
    assert 1 in written, "the last kernel writes the output"


def test_cuda_gets_machine_code(tiny: Path, fake_nvcc: Path) -> None:
    folder = build(tiny, "--target", "cuda", "--arch", "sm_87", "--nvcc", str(fake_nvcc))
    assert files_of(folder).keys() == COMMON | {"tiny.cu", "tiny.ptx", "tiny.cubin"}
    for form in ("ptx", "cubin"):
        assert (folder / f"tiny.{form}").read_text() == f"-{form} -arch=sm_87 -O3"


def test_without_a_compiler_there_is_source_and_a_warning(tiny: Path, no_nvcc: None) -> None:
    outcome = done("compile", tiny, "-o", "out", "--target", "cuda")
    assert files_of(Path("out")).keys() == COMMON | {"tiny.cu"}
    assert "warning: there is no nvcc here, so tiny.cu is not compiled" in outcome.err


def test_a_jetsons_name_means_its_gpu(tiny: Path, fake_nvcc: Path) -> None:
    options = ("--backend", "tvm", "--nvcc", str(fake_nvcc))
    folder = build(tiny, "--target", "jetson-orin", *options)
    assert (folder / "tiny.ptx").read_text() == "-ptx -arch=sm_87 -O3"
    with (folder / "tiny.so").open("rb") as file:
        assert ELFFile(file)["e_machine"] == "EM_AARCH64"
    outcome = done("compile", tiny, "--target", "jetson-nano", "-o", "nano", *options)
    assert "knows no sm_53, so tiny.cu is not compiled" in outcome.err
    assert not Path("nano/tiny.ptx").exists()


def test_without_the_backend_it_means_its_cpu(tiny: Path) -> None:
    done("compile", tiny, "--target", "jetson-orin", "-o", "out", "--emit", "obj")
    assert json.loads(Path("out/manifest.json").read_text())["backend"] == "llvm"


def test_the_source_can_be_seen(tiny: Path) -> None:
    plan = done("compile", tiny, "--target", "opencl", "--arch", "adreno", "--stop-after", "plan")
    assert 'gpu="opencl adreno"' in plan.out
    source = done("compile", tiny, "--target", "opencl", "--stop-after", "lower").out
    assert source.count("__kernel void") > 2
    Path("plan.mbc").write_text(plan.out)
    again = done("opt", "plan.mbc", "-p", "plan-memory").out
    assert again == plan.out, "the header says who plans"


@pytest.mark.slow
@pytest.mark.skipif(not NVCC, reason="there is no nvcc on PATH")
@pytest.mark.parametrize("arch", ["sm_75", "sm_87", "sm_90"])
def test_nvcc_compiles_every_kernel(tiny: Path, arch: str) -> None:
    folder = build(tiny, "--target", "cuda", "--arch", arch)
    launches = json.loads((folder / "launch.json").read_text())["launches"]
    assert (folder / "tiny.cubin").read_bytes().startswith(b"\x7fELF")
    ptx = (folder / "tiny.ptx").read_text()
    assert f".target {arch}" in ptx
    assert all(f".entry {launch['kernel']}(" in ptx for launch in launches)


# ---- run -------------------------------------------------------------------------------------


@pytest.mark.parametrize("arch", [(), ("--arch", "mali")], ids=str)
def test_run_on_an_opencl_device(tiny: Path, arch: tuple[str, ...]) -> None:
    np.save("x.npy", np.random.default_rng(0).standard_normal((1, 16, 16, 3), np.float32))
    options = ("--input", "x.npy", "--output")
    done("run", tiny, *options, "a.npy", "--target", "opencl", *arch)
    done("run", tiny, *options, "b.npy", "--backend", "oracle")
    assert relative_error(np.load("a.npy"), np.load("b.npy")) <= 1e-5


def test_the_boards_program_says_that_there_is_no_device(tiny: Path) -> None:
    folder = build(tiny, "--target", "opencl")
    np.save("x.npy", np.zeros((1, 16, 16, 3), np.float32))
    command = [sys.executable, str(folder / "run.py"), "--input", "x.npy"]
    outcome = subprocess.run(command, capture_output=True, text=True)
    assert outcome.returncode == 1
    assert "TVM finds no opencl device here" in outcome.stderr


@pytest.mark.parametrize("suffixes", [(".cubin", ".ptx"), (".ptx",)], ids=str)
def test_tvm_is_given_machine_code_for_source(tmp_path: Path, suffixes: tuple[str, ...]) -> None:
    for suffix in suffixes:
        (tmp_path / "net").with_suffix(suffix).write_bytes(suffix.encode())
    name = "tvm_callback_cuda_compile"
    before = ffi().get_global_func(name, allow_missing=True)
    try:
        board.give_machine_code(tmp_path / "net.so")
        assert ffi().get_global_func(name)("source") == suffixes[0].encode() + b"\0"
    finally:
        if before is not None:
            ffi().register_global_func(name, before, override=True)


def test_verify_runs_the_kernels(tiny: Path) -> None:
    folder = build(tiny, "--target", "opencl", "--arch", "adreno")
    rows = done("verify", folder).out.splitlines()
    assert [row.split()[0] for row in rows[1:3]] == ["tiny.so", "launch.json"]
    assert float(rows[2].split()[-1]) <= 1e-5
    weights, manifest = folder / "tiny.weights", folder / "manifest.json"
    damaged = np.fromfile(weights, np.float32)
    damaged[: damaged.size // 2] *= 1.01
    damaged.tofile(weights)
    _rewrite(manifest, "tiny.weights")
    assert mbc("verify", folder).code == "E0721"


def test_verify_refuses_other_launch_plans(tiny: Path) -> None:
    folder = build(tiny, "--target", "opencl")
    path = folder / "launch.json"
    plan = json.loads(path.read_text())
    plan["launches"][0]["buffers"][0] = len(plan["buffers"])
    path.write_text(json.dumps(plan))
    _rewrite(folder / "manifest.json", "launch.json")
    assert mbc("verify", folder).code == "E0713"


def test_verify_needs_machine_code_for_cuda(tiny: Path, no_nvcc: None) -> None:
    folder = build(tiny, "--target", "cuda")
    outcome = mbc("verify", folder)
    assert outcome.code == "E0724"
    assert "nvcc" in outcome.err


def _rewrite(manifest: Path, name: str) -> None:
    """Give a file's hash as it is now."""
    listed = json.loads(manifest.read_text())
    listed["files"][name] = hashlib.sha256((manifest.parent / name).read_bytes()).hexdigest()
    manifest.write_text(json.dumps(listed))


# ---- other commands --------------------------------------------------------------------------


def test_targets_lists_gpus() -> None:
    listed = done("targets").out
    for gpu in GPU_TARGETS:
        assert gpu.description in listed
    assert "jetson-orin" in done("targets", "cuda").out
    assert "mali, adreno" in done("targets", "opencl").out


def test_opt_takes_a_gpu(tiny: Path) -> None:
    plain = done("compile", tiny, "--stop-after", "fuse").out
    Path("net.mbc").write_text(plain)
    text = done("opt", "net.mbc", "--target", "cuda", "-p", "plan-memory").out
    assert 'gpu="cuda sm_75"' in text
    assert 'backend="tvm"' in text
    assert "mattr" not in text


# ---- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", INSTEAD)
def test_what_tvm_cannot_build_has_a_substitute(tiny: Path, name: str) -> None:
    outcome = mbc("compile", tiny, "--target", name)
    assert outcome.code == "E0506"
    assert INSTEAD[name] in outcome.err


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--target", "cuda", "--arch", "sm_88"), "E0507", "cuda has sm_53, "),
        (("--target", "opencl", "--arch", "sm_87"), "E0507", "opencl has mali, adreno"),
        (("--target", "cuda", "--backend", "llvm"), "E0106", "no kernels for GPUs"),
        (("--target", "cuda", "--mcpu", "znver4"), "E0106", "takes --arch"),
        (("--arch", "mali"), "E0106", "--arch is for GPUs"),
        (("--target", "opencl", "--nvcc", "nvcc"), "E0106", "--nvcc is for --target cuda"),
        (("--nvcc", "nvcc"), "E0106", "--nvcc is for --target cuda"),
        (("--target", "cuda", "--nvcc", "no-such-nvcc"), "E0601", "no nvcc 'no-such-nvcc'"),
        (("--target", "opencl", "--emit", "exe"), "E0106", "--emit"),
    ],
)
def test_what_does_not_fit(tiny: Path, options: tuple[str, ...], code: str, words: str) -> None:
    outcome = mbc("compile", tiny, *options)
    assert outcome.code == code
    assert words in outcome.err
    assert not Path("build").exists()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--target", "opencl", "--threads", "2"), "E0106", "a GPU has its own"),
        (("--target", "opencl", "--backend", "oracle"), "E0106", "no kernels for GPUs"),
        (("--nvcc", "nvcc"), "E0106", "--nvcc is for --target cuda"),
    ],
)
def test_what_run_refuses(tiny: Path, options: tuple[str, ...], code: str, words: str) -> None:
    np.save("x.npy", np.zeros((1, 16, 16, 3), np.float32))
    outcome = mbc("run", tiny, "--input", "x.npy", *options)
    assert outcome.code == code
    assert words in outcome.err


def test_reports_are_about_cpus(tiny: Path) -> None:
    outcome = mbc("report", tiny, "--target", "cuda")
    assert outcome.code == "E0106"
    assert "cuda means a GPU" in outcome.err
    assert "opencl" in mbc("compile", tiny, "--target", "opencls").err


def test_running_on_cuda_takes_a_compiler(tiny: Path, no_nvcc: None) -> None:
    np.save("x.npy", np.zeros((1, 16, 16, 3), np.float32))
    outcome = mbc("run", tiny, "--input", "x.npy", "--target", "cuda")
    assert outcome.code == "E0601"
    assert "nvidia-cuda-nvcc" in outcome.err


def test_a_compiler_that_fails_is_quoted(tiny: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken-nvcc"
    broken.write_text("#!/bin/sh\necho no licence >&2\nexit 3\n")
    broken.chmod(0o755)
    outcome = mbc("compile", tiny, "--target", "cuda", "--nvcc", broken)
    assert outcome.code == "E0602"
    assert "no licence" in outcome.err
    assert not Path("build").exists()


def test_boards_gpus_are_of_known_kinds() -> None:
    known = {Gpu(target.api, arch) for target in GPU_TARGETS for arch in target.arches}
    assert set(BOARD_GPUS.values()) <= known
