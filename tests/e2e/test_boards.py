"""Every target of the catalogue: the four networks on its CPU, and artefacts that repeat.

Boards of the same core run the same code, byte for byte, so each kind of code is run once; a test
sees to it that none is left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from mbc.backends.llvm.codegen import emit_object
from mbc.backends.llvm.lower import lower
from mbc.diag import MbcError
from mbc.driver.emulation import choose_runner
from mbc.driver.instrumentation import Inspection
from mbc.driver.pipeline import compile_graph
from mbc.driver.platforms import program_target, resolve
from mbc.driver.producers.llvm_files import EMITTERS
from mbc.driver.request import Request, Silent
from mbc.targets.architectures.aarch64 import AARCH64
from mbc.targets.boards import BOARDS
from mbc.targets.catalogue import ENTRIES, NATIVE, find_entry
from mbc.targets.emulators import emulated_cpu
from mbc.targets.features import features_of
from mbc.targets.target import Target
from tests.e2e.support import EXAMPLES, ROOT, done, files_of, mbc
from tests.everyday import part_of
from tests.example_networks import EXAMPLE_NETWORKS, Example

# Small, so that they run under emulation in a second; every kind of layer is there.
NETWORKS = {
    "mobilenet_v1": ("-D", "alpha=0.25"),
    "mobilenet_v2": ("-D", "alpha=0.35"),
    "shufflenet_v1": ("-D", "scale=0.25"),
    "shufflenet_v2": ("-D", "scale=0.5"),
}
SETTINGS = ("-D", "resolution=64", "-D", "softmax=false")
LINUX = [entry.name for entry in ENTRIES if resolve(entry.name).object_format == "elf"]


def code_of(target: Target) -> tuple[str, ...]:
    """What decides about the code of a target's executables."""
    target = program_target(target)
    return (target.triple, target.cpu, target.isa, *target.features)


def kinds_of_code() -> dict[tuple[str, ...], list[str]]:
    """Targets by their code."""
    kinds: dict[tuple[str, ...], list[str]] = {}
    for name in LINUX:
        kinds.setdefault(code_of(resolve(name)), []).append(name)
    return kinds


KINDS = {", ".join(names): names[0] for names in kinds_of_code().values()}


def test_every_linux_target_is_run() -> None:
    assert sorted(name for names in KINDS for name in names.split(", ")) == sorted(LINUX)
    assert set(LINUX) == {
        "arm64", "armv7", "x86_64", "x86_64-v2", "x86_64-v4", "riscv64", "arm64-v8a", "armeabi-v7a",
        "rpi-zero2w", "rpi3", "rpi4", "rpi5", "jetson-nano", "jetson-orin", "rk3399", "rk3588",
    }  # fmt: skip


@pytest.mark.parametrize("names", [key for key in KINDS if ", " in key])
def test_targets_of_one_core_have_the_same_code(names: str, tiny: Path) -> None:
    objects = set()
    for name in names.split(", "):
        request = Request(tiny, target=name)
        compiled = compile_graph(request, Inspection(), Silent(), lambda _: None)
        objects.add(emit_object(lower(compiled.graph, compiled.target)))
    assert len(objects) == 1


def emulated_as() -> dict[str, str]:
    """qemu's CPU for each target, by the table of docs/targets.md."""
    _, _, table = (ROOT / "docs" / "targets.md").read_text().partition("| `qemu -cpu` |\n")
    rows = [line.strip("|").split("|") for line in table.split("\n\n")[0].splitlines()[1:]]
    return {
        target.strip("` "): cpu.strip("` ")
        for targets, _, cpu in rows
        for target in targets.split(",")
    }


EMULATED = emulated_as()
NOWHERE = "none has AVX-512"
ANDROID = ("arm64-v8a", "armeabi-v7a")


def test_emulators_are_documented() -> None:
    assert set(EMULATED) == set(LINUX)
    assert {name: emulated_cpu(resolve(name)) or NOWHERE for name in LINUX} == EMULATED


def runs_here(target: str) -> bool:
    """Whether this very machine does."""
    try:
        return choose_runner(resolve(target)).native
    except MbcError:
        return False


def compile_network(network: str, target: str, kinds: str, out: Path) -> None:
    """A network of the examples, small enough to be emulated."""
    options = (*NETWORKS[network], *SETTINGS, "--target", target, "--emit", kinds, "-o", out)
    done("compile", EXAMPLES / f"{network}.py", *options)


def is_everyday(names: str, network: str) -> bool:
    """Each kind of code with one of the networks, in turn."""
    return [*KINDS].index(names) % len(NETWORKS) == [*NETWORKS].index(network)


@pytest.mark.slow
@pytest.mark.parametrize(("names", "network"), part_of(product(KINDS, NETWORKS), is_everyday))
def test_networks_agree_with_the_oracle(network: str, names: str, tmp_path: Path) -> None:
    """Compiled for the target, run as its CPU; `mbc verify` compares to 1e-4."""
    target, out = KINDS[names], tmp_path / "out"
    compile_network(network, target, "exe,so" if target in ANDROID else "exe", out)
    if EMULATED[target] == NOWHERE and not runs_here(target):
        assert (
            mbc("verify", out).code == "E0724"
        )  # what was compiled has passed the checks at least
        return
    emulate = () if EMULATED[target] == NOWHERE else ("--emulate",)
    found = done("verify", out, *emulate).out
    assert f"{out}: verified, every error is at most 0.0001" in found
    assert "this machine" in found if not emulate else f"-cpu {EMULATED[target]} " in found


@pytest.mark.slow
@pytest.mark.parametrize("example", part_of(((e,) for e in EXAMPLE_NETWORKS), lambda _: False, str))
def test_examples_are_right_on_risc_v(example: Example, tmp_path: Path) -> None:
    """In their full width, on small images; everyday runs try a narrow one, with the targets."""
    options = [word for key, value in example.parameters for word in ("-D", f"{key}={value}")]
    network, out = EXAMPLES / f"{example.name}.py", tmp_path / "out"
    done("compile", network, *options, *SETTINGS, "--target", "riscv64", "--emit", "exe", "-o", out)
    assert "verified, every error is at most 0.0001" in done("verify", out, "--emulate").out


@pytest.mark.slow
@pytest.mark.parametrize("network", part_of(zip(NETWORKS), "shufflenet_v2".__eq__, str))
def test_networks_compile_for_a_mac(network: str, tmp_path: Path) -> None:
    """Nothing here runs them; each file is read back when it is made."""
    compile_network(network, "macos-arm64", "exe,so,lib", tmp_path / "out")
    names = {network, f"lib{network}.a", f"lib{network}.dylib"}
    assert names <= {path.name for path in (tmp_path / "out").iterdir()}


PLATFORMS = ("arm64", "armv7", "x86_64", "riscv64", "macos-arm64", *ANDROID)
"""A target of each kind of file and of code."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "target",
    part_of(
        [(NATIVE,), *((entry.name,) for entry in ENTRIES)],
        lambda target: (
            target in PLATFORMS and target != ANDROID[1]
        ),  # what tells others apart is how code is made
    ),
)
def test_two_builds_in_two_folders_are_equal(target: str, tiny: Path, tmp_path: Path) -> None:
    """Nor do they show where, when or in which environment they were made."""
    far = tmp_path / "a place" / "far away"
    far.mkdir(parents=True)
    (far / "tiny.py").write_text(tiny.read_text())
    command = (*("compile", "--target", target, "--emit", EVERY_KIND), "-o")
    done(*command, "out", tiny)
    (tmp_path / "tmp").mkdir()
    ended = subprocess.run(
        [sys.executable, "-m", "mbc", *command, far / "elsewhere/made", far / "tiny.py"],
        cwd=far,
        env={**os.environ, **ANOTHER_PLACE, "TMPDIR": str(tmp_path / "tmp")},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    one, other = files_of(Path("out")), files_of(far / "elsewhere" / "made")
    assert [name for name in one if one[name] != other.get(name)] == []
    assert str(tmp_path).encode() not in b"".join(one.values())
    suffix = "dylib" if target == "macos-arm64" else "so"
    names = {"tiny", "libtiny.a", f"libtiny.{suffix}", "tiny.h", "tiny.o", "tiny.s", "tiny.ll"}
    names |= {"tiny.mbc", "constants.safetensors", "tiny.check.npz", "manifest.json"}
    build = json.loads(one["manifest.json"])["build"]
    names.add(Path(resolve(target).loader_name("tiny", build)).name)
    assert set(one) == set(other) == names


EVERY_KIND = ",".join(EMITTERS)
ANOTHER_PLACE = {
    "PYTHONPATH": str(ROOT),
    "PYTHONHASHSEED": "12345",
    "TZ": "Asia/Kathmandu",
    "LC_ALL": "C",
    "COLUMNS": "40",
    "USER": "somebody",
    "PYTHONUTF8": "0",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "target",
    part_of(
        zip(("arm64", "armv7", "x86_64", "macos-arm64")), lambda t: t in ("armv7", "macos-arm64")
    ),
)
def test_external_weights_are_those_that_are_embedded(target: str, tiny: Path) -> None:
    options = ("--target", target, "--emit", "exe", "--weights-placement")
    done("compile", tiny, *options, "embed", "-o", "embed")
    for folder in ("one", "other"):
        done("compile", tiny, *options, "external", "-o", folder)
    embed, one, other = (files_of(Path(name)) for name in ("embed", "one", "other"))
    assert one == other
    assert one["tiny.weights"][:64] in embed["tiny"]
    assert one["tiny.weights"][:64] not in one["tiny"]


# ---- the catalogue ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", BOARDS)
def test_boards_are_documented(name: str) -> None:
    board = BOARDS[name]
    entry = find_entry(name)
    assert entry is not None
    assert entry.board == board
    table = (ROOT / "docs" / "targets.md").read_text().split("\n## ")[2]
    assert table.startswith("Boards")
    (row,) = [line for line in table.splitlines() if line.startswith(f"| `{name}` |")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1].startswith(f"{board.cores[0].count}x Cortex-A")
    assert f"{board.cores[0].mhz / 1000:g} GHz" in cells[1]
    assert float(cells[3]) == pytest.approx(2 * board.gmacs, abs=0.05)
    assert float(cells[4]) == board.memory_gbs


def test_big_and_little_cores_run_the_same_code() -> None:
    """The code of a board uses nothing that one of its cores lacks."""
    for name, board in BOARDS.items():
        used = features_of(resolve(name))
        assert all(used <= AARCH64.features_of(cores.cpu) for cores in board.cores), name


def test_all_targets_are_documented() -> None:
    table = (ROOT / "docs" / "targets.md").read_text()
    assert [entry.name for entry in ENTRIES if f"`{entry.name}`" not in table] == []
