"""`mbc verify`: what it accepts, and that it finds what is wrong with an output folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import capstone
import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from mbc.backends.llvm.lower import lower
from mbc.driver.emulation import choose_runner
from mbc.driver.instrumentation import Inspection
from mbc.driver.pipeline import compile_graph
from mbc.driver.platforms import resolve
from mbc.driver.request import Request, Silent
from mbc.runtime import reference
from mbc.runtime.abi import IoSpec
from tests.e2e.output_folders import HOST, KINDS, build, edit_manifest, errors
from tests.e2e.support import done, files_of, mbc

# ---- what is right ---------------------------------------------------------------------------


@pytest.mark.parametrize("placement", ["embed", "external"])
def test_every_artefact_for_this_machine(tiny: Path, placement: str) -> None:
    folder = build(tiny, HOST, *KINDS, "--weights-placement", placement)
    outcome = done("verify", folder)
    found = errors(outcome)
    assert set(found) == {"tiny", "libtiny.a", "libtiny.so"}
    assert all(error <= 1e-5 for error in found.values())
    assert outcome.out.count("this machine") == 3
    assert outcome.out.endswith("out: verified, every error is at most 0.0001\n")
    before = files_of(folder)
    assert (b"\0tiny.weights" in before["tiny"]) == (placement == "external")
    done("verify", folder)
    assert files_of(folder) == before


def test_artefacts_for_another_machine_run_under_qemu(tiny: Path) -> None:
    other = {"x86_64": "arm64", "arm64": "armv7"}[HOST]
    folder = build(tiny, other, *KINDS)
    outcome = done("verify", folder)
    assert set(errors(outcome)) == {"tiny", "libtiny.a"}
    assert "libtiny.so  not run" in outcome.out
    assert "qemu-a" in outcome.out


def test_as_another_cpu(tiny: Path) -> None:
    folder = build(tiny, "arm64", "--emit", "exe")
    assert "-cpu cortex-a72" in done("verify", folder, "--cpu", "rpi4").out
    assert "-cpu cortex-a76" in done("verify", folder, "--cpu", "cortex-a78").out
    assert "-cpu neoverse-n1" in done("verify", folder, "--cpu", "neoverse-n1").out
    assert "-cpu cortex-a53" in done("verify", folder, "--emulate").out
    wrong = mbc("verify", folder, "--cpu", "cortx-a77")
    assert (wrong.code, wrong.status) == ("E0502", 1)
    assert "did you mean 'cortex-a77'?" in wrong.err


def test_a_network_of_several_inputs_and_outputs(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pair.py").write_text(PAIR)
    folder = build(Path("pair.py"), HOST, *KINDS)
    outcome = done("verify", folder)
    rows = [line.split() for line in outcome.out.splitlines()[1:-1]]
    assert [row[-2] for row in rows] == ["output0", "output1"] * 3


PAIR = """
from mbc.frontends.dsl import Net, Tensor, network

@network
def pair(nn: Net) -> tuple[Tensor, Tensor]:
    a, b = nn.input(6, 6, 4), nn.input(6, 6, 4)
    x = nn.relu(nn.conv(nn.add(a, b), 8, 3, padding="same"))
    return x, nn.dense(nn.global_avg_pool(x), 5, name="fc")
"""


# ---- what is wrong ---------------------------------------------------------------------------


def flip(path: Path, weights: bytes, at: int) -> None:
    """Flip the top bit but one of the exponent of a float in the weights that a file holds."""
    data = bytearray(path.read_bytes())
    start = data.index(weights[:64])
    data[start + at + 3] ^= 0x40
    path.write_bytes(data)


def packed_weights(network: Path, target: str) -> bytes:
    """The blob that artefacts hold."""
    request = Request(network, target=target)
    compiled = compile_graph(request, Inspection(), Silent(), lambda _: None)
    return lower(compiled.graph, compiled.target).weights


def largest(weights: bytes) -> int:
    """Byte offset of a float whose change shows: the largest."""
    return 4 * int(np.argmax(np.abs(np.frombuffer(weights, np.float32))))


@pytest.mark.parametrize("name", ["tiny", "libtiny.a", "libtiny.so"])
def test_a_flipped_byte_in_the_weights(tiny: Path, name: str) -> None:
    folder = build(tiny, HOST, *KINDS)
    weights = packed_weights(tiny, HOST)
    flip(folder / name, weights, largest(weights))
    outcome = mbc("verify", folder)
    assert (outcome.status, outcome.code) == (1, "E0720")
    assert f"out/{name} is not the file of the manifest: SHA-256 " in outcome.err
    edit_manifest(folder)  # whoever did it has seen to the hashes too
    outcome = mbc("verify", folder)
    assert (outcome.status, outcome.code) == (1, "E0721")
    assert f"{name} computes something else: output has a relative error of " in outcome.err
    assert errors(outcome)[name] > 1e-4
    others = {other: error for other, error in errors(outcome).items() if other != name}
    assert len(others) == 2
    assert all(error < 1e-5 for error in others.values())


def test_a_flipped_byte_in_external_weights(tiny: Path) -> None:
    folder = build(tiny, HOST, *KINDS, "--weights-placement", "external")
    weights = packed_weights(tiny, HOST)
    flip(folder / "tiny.weights", weights, largest(weights))
    edit_manifest(folder)
    outcome = mbc("verify", folder)
    assert (outcome.status, outcome.code) == (1, "E0721")
    assert all(error > 1e-4 for error in errors(outcome).values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (b"", "0 bytes, the weights of this program have "),
        (b"longer", "bytes, the weights of this program have "),
        (None, "No such file or directory"),
    ],
)
def test_weights_of_another_program(tiny: Path, change: bytes | None, message: str) -> None:
    folder = build(tiny, HOST, "--emit", "exe", "--weights-placement", "external")
    path = folder / "tiny.weights"
    if change is None:
        path.rename(folder / "elsewhere")
    else:
        path.write_bytes((path.read_bytes() if change else b"") + change)
        edit_manifest(folder)
    outcome = mbc("verify", folder)
    assert outcome.status == 1
    assert outcome.code == ("E0720" if change is None else "E0722")
    assert message in outcome.err
    assert change is None or "error[E0725]: " in outcome.err


def test_weights_of_another_build(tiny: Path) -> None:
    folder = build(tiny, HOST, "--emit", "exe", "--weights-placement", "external")
    other = ("--seed", "7", "--emit", "obj", "--weights-placement", "external")
    done("compile", tiny, "--target", HOST, "-o", "other", *other)
    (folder / "tiny.weights").write_bytes(Path("other/tiny.weights").read_bytes())
    edit_manifest(folder)
    outcome = mbc("verify", folder)
    assert outcome.code == "E0722"
    assert "error[E0725]: " in outcome.err
    assert "the weights of another build, not of this program" in outcome.err


@pytest.mark.parametrize(
    ("target", "board", "lacks"),
    [
        ("x86_64", "x86-64-v2", "avx2"),
        ("x86_64", "Westmere", "avx2"),
        ("armv7", "cortex-a9", "vfp4"),
        ("rpi5", "rpi3", "dotprod"),
        ("riscv64", "rv64", "v"),
    ],
)
def test_a_cpu_with_fewer_features(tiny: Path, target: str, board: str, lacks: str) -> None:
    """The program asks before it runs."""
    folder = build(tiny, target, "--emit", "exe")
    done("verify", folder, "--emulate")
    outcome = mbc("verify", folder, "--cpu", board)
    assert (outcome.status, outcome.code) == (1, "E0722")
    cpu = resolve(target).cpu
    assert "tiny does not run: " in outcome.err
    assert f" lacks {lacks}, which code for {target} ({cpu}) may use" in outcome.err
    assert f"= help: it was compiled for {cpu} (target " in outcome.err


def test_a_library_for_more_than_the_cpu(tiny: Path) -> None:
    """What it is verified with asks too."""
    folder = build(tiny, "x86_64", "--emit", "lib")
    outcome = mbc("verify", folder, "--cpu", "Westmere")
    assert (outcome.status, outcome.code) == (1, "E0722")
    assert "libtiny_program does not run: Westmere lacks avx2, which " in outcome.err


def test_a_cpu_that_even_the_libc_does_not_run_on(tiny: Path) -> None:
    folder = build(tiny, "armv7", "--emit", "exe")
    outcome = mbc("verify", folder, "--cpu", "arm1176")
    assert (outcome.status, outcome.code) == (1, "E0722")
    assert "tiny uses an instruction that arm1176 does not have (SIGILL)" in outcome.err


SDOT = bytes.fromhex("2094824e")  # sdot v0.4s, v1.16b, v2.16b


def test_an_executable_for_more_than_the_board_has(tiny: Path) -> None:
    """An arm64 executable with one instruction of ARMv8.2 in a folder that says Cortex-A72."""
    folder = build(tiny, "rpi4", "--emit", "exe,obj")
    with (folder / "tiny.o").open("rb") as file:
        text = ELFFile(file).get_section_by_name(".text")
        assert text is not None
        code = text.data()
    decoder = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
    at = next(at for at, _, mnemonic, _ in decoder.disasm_lite(code, 0) if mnemonic == "fmla")
    data = (folder / "tiny").read_bytes()
    place = data.index(code[at - 16 : at + 16]) + 16
    (folder / "tiny").write_bytes(data[:place] + SDOT + data[place + 4 :])
    edit_manifest(folder)
    outcome = mbc("verify", folder)
    assert (outcome.status, outcome.code) == (1, "E0722")
    assert "tiny uses an instruction that cortex-a72 does not have (SIGILL)" in outcome.err
    assert mbc("verify", folder, "--cpu", "rpi5").code == "E0721"  # runs, and is wrong


def test_a_manifest_that_claims_a_cpu_with_less(tiny: Path) -> None:
    """An executable with AVX2 in a folder that says Nehalem."""
    folder = build(tiny, "x86_64", "--emit", "exe")
    edit_manifest(folder, cpu="nehalem")
    outcome = mbc("verify", folder, "--emulate")
    assert outcome.code == "E0722"
    assert "tiny does not run: Nehalem lacks avx2, which code for x86_64 " in outcome.err


def test_a_manifest_that_claims_another_machine(tiny: Path) -> None:
    folder = build(tiny, "arm64", "--emit", "exe,so")
    edit_manifest(folder, triple="x86_64-unknown-linux-gnu", cpu="x86-64-v3")
    outcome = mbc("verify", folder)
    assert (outcome.status, outcome.code) == (1, "E0726")
    wanted = "is for EM_AARCH64, 64 bit, little-endian, not for EM_X86_64, 64 bit, little-endian"
    assert f"out/tiny {wanted}" in outcome.err
    assert f"out/libtiny.so {wanted}" in outcome.err


def test_a_library_for_another_system(tiny: Path) -> None:
    folder = build(tiny, "arm64", "--emit", "exe,so")
    edit_manifest(folder, triple="arm64-apple-macosx11.0.0")
    outcome = mbc("verify", folder)
    assert outcome.code == "E0726"
    assert "is not a 64-bit Mach-O file" in outcome.err


def test_no_reference(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is evaluated; verify says so, and still finds what is wrong with files and code."""

    def evaluate(*_: object) -> None:
        raise AssertionError("the network was evaluated")

    monkeypatch.setattr("mbc.driver.build.run_with_ties", evaluate)
    folder = build(tiny, HOST, *KINDS, "--no-check")
    manifest = json.loads((folder / "manifest.json").read_text())
    library = {"libtiny.a", "libtiny.so", f"libtiny.so.{manifest['build']}"}
    assert set(files_of(folder)) == {"tiny", *library, "tiny.h", "manifest.json"}
    assert manifest["check"] is None
    outcome = mbc("verify", folder)
    assert (outcome.status, outcome.code) == (1, "E0727")
    assert "there is nothing to compare with" in outcome.err
    assert "its files have the manifest's hashes, its code is for the target" in outcome.err
    assert "compile without --no-check" in outcome.err
    edit_manifest(folder, triple="aarch64-unknown-linux-gnu" if HOST == "x86_64" else "x86_64")
    assert mbc("verify", folder).code in ("E0726", "E0713")
    (folder / "tiny.h").write_text("")
    assert mbc("verify", folder).code == "E0720"


def test_too_little_memory_for_the_reference(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def evaluate(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("mbc.driver.build.run_with_ties", evaluate)
    outcome = mbc("compile", tiny, "--target", HOST, "-o", "out", "--emit", "lib")
    assert (outcome.status, outcome.code) == (1, "E0902")
    assert "to evaluate the reference" in outcome.err
    assert "--no-check leaves it out" in outcome.err
    assert not Path("out").exists()
    monkeypatch.setattr("mbc.passmgr.instruments.run_with_ties", evaluate)
    outcome = mbc("compile", tiny, "--target", HOST, "-o", "out", "--no-check", "--check-passes")
    assert (outcome.code, "for --check-passes" in outcome.err) == ("E0902", True)
    done("compile", tiny, "--target", HOST, "-o", "out", "--emit", "lib", "--no-check")


# ---- where nothing can run -------------------------------------------------------------------


def test_no_qemu(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = build(tiny, "armv7", "--emit", "exe")
    monkeypatch.setenv("PATH", "/nowhere")
    outcome = mbc("verify", folder)
    assert (outcome.status, outcome.code) == (1, "E0723")
    assert "qemu-arm, which runs code for cortex-a7 here, is not installed" in outcome.err
    assert "apt-get install qemu-user-static" in outcome.err


def test_what_cannot_run_here(tiny: Path) -> None:
    folder = build(tiny, "macos-arm64", "--emit", "exe,so")
    outcome = mbc("verify", folder)
    assert outcome.code == "E0724"
    assert "programs for macOS run on a Mac only" in outcome.err
    folder = build(tiny, "arm64-v8a", "--emit", "so")
    assert "out holds nothing that can be run here" in mbc("verify", folder).err
    folder = build(tiny, "arm64", "--emit", "obj,header")
    assert mbc("verify", folder).code == "E0724"
    folder = build(tiny, "x86_64-v4", "--emit", "exe")
    assert "qemu has no AVX-512" in mbc("verify", folder, "--emulate").err


def test_this_machine_runs_what_it_can() -> None:
    assert choose_runner(resolve("native")).native
    assert choose_runner(resolve(HOST)).native
    assert not choose_runner(resolve(HOST), emulate=True).native
    assert not choose_runner(resolve("armv7")).native
    assert str(choose_runner(resolve("rk3588"))).endswith("-cpu cortex-a76") or HOST == "arm64"


# ---- the reference ---------------------------------------------------------------------------


def test_seeded_inputs_are_the_same_for_ever() -> None:
    values = reference.uniform(4, 0)
    assert values.dtype == np.float32
    # the first numbers of SplitMix64 from the seed 0: E220A8397B1DCDAF, 6E789E6AA1B965F4, …
    heads = (0xE220A8, 0x6E789E, 0x06C45D, 0xF88BB8)
    assert values.tolist() == [head / 2**23 - 1 for head in heads]
    specs = (IoSpec("a", (100, 100)), IoSpec("b", (100, 100)))
    first, second = reference.seeded_inputs(specs, 0), reference.seeded_inputs(specs, 1)
    for array in (*first.values(), *second.values()):
        assert -1 <= array.min() < -0.999
        assert 0.999 < array.max() < 1
        assert abs(array.mean()) < 0.02
    assert not np.array_equal(first["a"], first["b"])
    assert not np.array_equal(first["a"], second["a"])
