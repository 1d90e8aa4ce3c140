"""Every target of the catalogue: the four networks on its CPU, and artefacts that repeat.

Boards of the same core run the same code, byte for byte, so each kind of code is run once; a test
sees to it that none is left out.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mbc.backends.llvm.codegen import emit_object
from mbc.backends.llvm.lower import lower
from mbc.driver.emulation import choose_runner
from mbc.driver.inspect import Inspection
from mbc.driver.pipeline import compile_graph
from mbc.driver.platforms import program_target, resolve
from mbc.driver.request import Request, Silent
from mbc.targets.boards import BOARDS
from mbc.targets.catalogue import ENTRIES, NATIVE, find_entry
from mbc.targets.features import CPU_FEATURES, features_of
from mbc.targets.target import Target
from tests.e2e.support import EXAMPLES, ROOT, done, files_of

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
        "arm64", "armv7", "x86_64", "x86_64-v2", "x86_64-v4", "arm64-v8a", "armeabi-v7a",
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


@pytest.mark.slow
@pytest.mark.parametrize("names", KINDS)
@pytest.mark.parametrize("network", NETWORKS)
def test_networks_agree_with_the_oracle(network: str, names: str, tmp_path: Path) -> None:
    """Compiled for the target, run as its CPU; `mbc verify` compares to 1e-4."""
    target, options = KINDS[names], (*NETWORKS[network], *SETTINGS)
    if target == "x86_64-v4" and not choose_runner(resolve(target)).native:
        pytest.skip("neither this machine nor qemu has AVX-512")
    out = tmp_path / "out"
    source = EXAMPLES / f"{network}.py"
    done("compile", source, *options, "--target", target, "--emit", "exe", "-o", out)
    emulate = () if target == "x86_64-v4" else ("--emulate",)
    found = done("verify", out, *emulate).out
    assert f"{out}: verified, every error is at most 0.0001" in found
    emulated = f"-cpu {CPUS.get(target, 'cortex-a53')} "
    assert emulated in found or not emulate


CPUS = {
    "armv7": "cortex-a7",
    "armeabi-v7a": "cortex-a9",
    "x86_64": "Haswell",
    "x86_64-v2": "Nehalem",
    "rpi4": "cortex-a72",
    "rpi5": "cortex-a76",
    "rk3588": "cortex-a76",
    "jetson-nano": "cortex-a57",
    "jetson-orin": "cortex-a76",
}


@pytest.mark.slow
@pytest.mark.parametrize("target", [NATIVE, *(entry.name for entry in ENTRIES)])
def test_two_builds_in_two_folders_are_equal(
    target: str, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds = []
    for place, placement in (("one", "embed"), ("a/place far/away", "embed"), ("b", "external")):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        monkeypatch.chdir(folder)
        Path("tiny.py").write_text((tmp_path / tiny).read_text())
        kinds = ("--emit", "exe,lib,so,header,obj,asm,llvm", "--weights-placement", placement)
        done("compile", "tiny.py", "--target", target, *kinds)
        builds.append(files_of(Path("build") / f"tiny-{target}"))
    assert builds[0] == builds[1]
    assert str(tmp_path).encode() not in b"".join(builds[0].values())
    suffix = "dylib" if target == "macos-arm64" else "so"
    names = {"tiny", "libtiny.a", f"libtiny.{suffix}", "tiny.h", "tiny.o", "tiny.s", "tiny.ll"}
    names |= {"tiny.check.npz", "manifest.json"}
    assert set(builds[0]) == names
    assert set(builds[2]) == names | {"tiny.weights"}
    assert builds[2]["tiny.weights"][:64] in builds[0]["tiny"]
    assert builds[2]["tiny.weights"][:64] not in builds[2]["tiny"]


# ---- the catalogue ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", BOARDS)
def test_boards_are_documented(name: str) -> None:
    board = BOARDS[name]
    entry = find_entry(name)
    assert entry is not None
    assert entry.board == board
    table = (ROOT / "docs" / "targets.md").read_text()
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
        assert all(used <= CPU_FEATURES["aarch64"][cores.cpu] for cores in board.cores), name


def test_all_targets_are_documented() -> None:
    table = (ROOT / "docs" / "targets.md").read_text()
    assert [entry.name for entry in ENTRIES if f"`{entry.name}`" not in table] == []
