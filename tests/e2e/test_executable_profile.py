"""`--profile` of executables: what `mbc profile` measures, on the board."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mbc.backends.llvm.link import MAIN_SOURCES
from mbc.backends.llvm.toolchain import LinkTarget, Zig
from mbc.runtime.abi import IoSpec, NetSpec
from mbc.runtime.header import c_header
from mbc.runtime.program import main_config
from mbc.runtime.timing import TimedLayer, TimedPeak, Timing, timing_config
from tests.e2e.support import EMULATORS, TINY, done, run_executable
from tests.everyday import part_of

NET = NetSpec(
    "net", (IoSpec("x", (4,)),), (IoSpec("y", (4,)),), 64, 64, weights_bytes=0, shared_bytes=64
)
LAYER = TimedLayer('a"\\%d', ('a"',), "conv2d", (1, 2), "int8", 7, 64)
PEAKS = (TimedPeak("FMA", "peak", 1000), TimedPeak("int8", "peak_int8", 2000))
TIMING = Timing({"network": "100 %", "macs": 7}, 7, (LAYER,), PEAKS, peak_bytes=128)
ARM_MAX = ("qemu-aarch64-static", "-cpu", "max")
STRICT = ("-O2", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wpedantic", "-Werror")


@pytest.fixture(scope="module", params=["x86_64", "arm64", "arm64 external"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small network for a target, in a folder of the target's name."""
    target, _, external = str(request.param).partition(" ")
    base = tmp_path_factory.mktemp("profile")
    (base / "tiny.py").write_text(TINY)
    placement = ("--weights-placement", external) if external else ()
    words = ("--target", target, "--emit", "exe,lib", *placement, "-o", base / target)
    done("compile", base / "tiny.py", *words)
    x = np.random.default_rng(3).standard_normal((1, 16, 16, 3), np.float32)
    np.save(base / "x.npy", x)
    return base / target


def profile(built: Path, *options: str | Path) -> dict[str, Any]:
    """What the program writes."""
    out = built.parent / "out.json"
    words = ("--input", built.parent / "x.npy", "--profile", out, *options)
    assert run_executable(built / "tiny", built.name, *words) == b""
    data: dict[str, Any] = json.loads(out.read_text())
    return data


def test_it_is_the_json_of_mbc_profile(built: Path) -> None:
    data = profile(built)
    source = built.parent / "tiny.py"
    ours = json.loads(done("profile", source, "--rounds", "1", "--json").out)
    assert list(data) == list(ours)
    assert [list(layer) for layer in data["layers"]] == [list(layer) for layer in ours["layers"]]
    assert (data["network"], data["parameters"]) == (ours["network"], ours["parameters"])
    assert (data["target"], data["threads"], data["rounds"]) == (built.name, 1, 20)
    report = json.loads(done("report", source, "--target", built.name, "--json").out)
    for key in ("name", "op", "shape", "macs", "bytes", "intensity"):
        expected = [layer[key] for layer in report["layers"]]
        assert [layer[key] for layer in data["layers"]] == expected


def test_the_figures_go_together(built: Path) -> None:
    data = profile(built)
    assert 0 < data["ms_min"] <= data["ms_median"]
    assert data["ms_kernels"] == pytest.approx(sum(x["ms"] for x in data["layers"]), abs=1e-3)
    assert data["peak_gflops"] > 0
    assert data["memory_gbs"] > 0
    for layer in data["layers"]:
        assert 0 < layer["ms_min"] <= layer["ms"]
        fractions = {
            "compute": layer["gflops"] / data["peak_gflops"],
            "memory": layer["gbs"] / data["memory_gbs"],
        }
        bound, fraction = max(fractions.items(), key=lambda item: item[1])
        if abs(fractions["compute"] - fractions["memory"]) > 0.05 * fraction:
            assert layer["bound"] == bound
        assert layer["roof_fraction"] == pytest.approx(fraction, rel=0.1, abs=2e-3)


MACHINES = {
    "x86_64": ("--target", "x86_64"),
    "plain": ("--target", "arm64"),
    "dotprod": ("--target", "arm64", "--mcpu", "cortex-a76"),
    "i8mm": ("--target", "arm64", "--mcpu", "cortex-a76", "--mattr", "+i8mm"),
    "armv7": ("--target", "armv7"),
    "riscv64": ("--target", "riscv64"),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "machine", part_of(zip(MACHINES), lambda machine: machine in ("plain", "armv7"), str)
)
def test_peaks_of_a_network_on_codes(machine: str, tmp_path: Path) -> None:
    """The share of each layer is one of its own peak, on the kinds of machines that multiply codes
    in different ways."""
    (tmp_path / "tiny.py").write_text(TINY)
    ranges, out = tmp_path / "tiny.q", tmp_path / "out"
    random = ("--random", "--samples", "2", "--keep-float", "fc")
    done("quantize", tmp_path / "tiny.py", *random, "-o", ranges)
    words = ("--quantize", ranges, "--emit", "exe", "--no-check", "-o", out)
    done("compile", tmp_path / "tiny.py", *MACHINES[machine], *words)
    np.save(tmp_path / "x.npy", np.ones((1, 16, 16, 3), np.float32))
    family = {"plain": "arm64", "dotprod": "arm64", "i8mm": "arm64"}.get(machine, machine)
    emulator = EMULATORS[family] if machine not in ("dotprod", "i8mm") else ARM_MAX
    options = ("--input", tmp_path / "x.npy", "--profile", "/dev/stdout", "--bench", "1")
    command = [str(word) for word in (*emulator, out / "tiny", *options)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    data = json.loads(ended.stdout.partition("\n")[2])
    peaks = {layer["name"]: layer["peak"] for layer in data["layers"]}
    assert peaks["fc"] == "FMA"
    assert peaks["input.quantize"] is None
    assert sorted(data["peaks"]) == ["FMA", "int8"]
    assert (data["peak"], data["peak_gflops"]) == next(iter(data["peaks"].items()))
    for layer in data["layers"]:
        if layer["peak"]:
            rate = layer["peak_fraction"] * data["peaks"][layer["peak"]]
            assert rate == pytest.approx(layer["gflops"], rel=0.1, abs=0.02)


def test_threads_and_rounds(built: Path) -> None:
    out, alone = built.parent / "y.npy", built.parent / "alone.npy"
    words = ("--input", built.parent / "x.npy", "--output")
    run_executable(built / "tiny", built.name, *words, alone)
    data = profile(built, "--threads", "2", "--output", out)
    assert data["threads"] == 2
    np.testing.assert_array_equal(np.load(out), np.load(alone))
    bench = ("--bench", "3", "--profile", "/dev/stdout")
    printed = run_executable(built / "tiny", built.name, *words, out, *bench).decode()
    first, _, text = printed.partition("\n")
    assert first.endswith("3 runs, 1 thread")
    assert json.loads(text)["rounds"] == 3


def test_a_file_that_cannot_be_written(built: Path) -> None:
    program = (*EMULATORS[built.name], built / "tiny", "--input", built.parent / "x.npy")
    command = [str(word) for word in (*program, "--profile", "no/such/folder/out.json")]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "error[E0703]: no/such/folder/out.json: No such file or directory\n"


def test_libraries_do_without(built: Path) -> None:
    assert b"tiny_invoke" in (built / "libtiny.a").read_bytes()
    assert b"tiny_profile" not in (built / "libtiny.a").read_bytes()


@pytest.mark.parametrize("external", [b"", bytes(32)], ids=["embedded", "external"])
def test_the_c_compiles_without_warnings(external: bytes, tmp_path: Path) -> None:
    spec = replace(NET, weights_sha256=external)
    (tmp_path / "net.h").write_text(c_header(spec))
    (tmp_path / "mbc_net.h").write_text(main_config(spec) + timing_config(spec, TIMING))
    zig = Zig()
    for machine in ("x86_64", "arm"):
        compiler = zig.compiler(LinkTarget(f"{machine}-linux-musl{'eabihf' * (machine == 'arm')}"))
        words = (*compiler, *STRICT, "-std=c11", "-c", str(MAIN_SOURCES[0]), f"-I{tmp_path}")
        environment = {**os.environ, **zig.environment(tmp_path)}
        ended = subprocess.run(
            [*words, "-o", "main.o"], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert ended.stderr == ""
        assert ended.returncode == 0


def test_names_survive_json_in_c() -> None:
    """The name of a layer has everything that either escapes."""
    text = timing_config(NET, TIMING)
    assert r'"\"name\":\"a\\\"\\\\%d\",\"origins\":[\"a\\\"\"],\"op\":\"conv2d\",' in text
    assert r"\"network\":\"100 %%\",\n" in text
