"""The catalogue: names, CPUs and features, and what LLVM makes of them."""

import re
import subprocess
import sys
from dataclasses import replace
from itertools import product
from typing import get_args

import pytest

from mbc.backends.llvm.data import DATA_SECTIONS
from mbc.backends.llvm.isa import ISAS
from mbc.backends.llvm.subnormals import flush_ir
from mbc.backends.llvm.toolchain import LINK_FLAGS
from mbc.diag import MbcError
from mbc.targets.architecture import Architecture, Baseline, closure, cpu_table
from mbc.targets.architectures import ARCHITECTURES, BASELINES, core_of
from mbc.targets.architectures.aarch64 import AARCH64, ARM64
from mbc.targets.architectures.x86_64 import X86_64
from mbc.targets.boards import BOARDS
from mbc.targets.catalogue import (
    ENTRIES,
    Entry,
    Host,
    recorded_target,
    resolve_target,
    target_names,
)
from mbc.targets.conformance import CHECKS, Kind
from mbc.targets.elsewhere import unsupported
from mbc.targets.features import features_of
from mbc.targets.target import ObjectFormat, Target

PC = Host("x86_64", "znver3", frozenset({"avx", "avx2", "fma", "bmi2", "64bit"}))
BOARD = Host("aarch64", "cortex-a72", frozenset({"neon", "fp-armv8", "crc"}))


def code_of(name: str, mcpu: str | None = None, mattr: str | None = None, host: Host = PC) -> str:
    with pytest.raises(MbcError) as caught:
        resolve_target(name, mcpu, mattr, host=host)
    return caught.value.diagnostics[0].code


def resolve(
    name: str, mcpu: str | None = None, mattr: str | None = None, host: Host = PC
) -> Target:
    return resolve_target(name, mcpu, mattr, host=host)


@pytest.mark.parametrize(
    ("name", "triple", "cpu", "isa", "link"),
    [
        ("arm64", "aarch64-unknown-linux-gnu", "generic", "neon", "aarch64-linux-musl"),
        ("x86_64", "x86_64-unknown-linux-gnu", "x86-64-v3", "avx2", "x86_64-linux-musl"),
    ],
)
def test_the_targets(name: str, triple: str, cpu: str, isa: str, link: str) -> None:
    target = resolve(name)
    assert target.name == name
    assert (target.triple, target.cpu, target.isa, target.link_triple) == (triple, cpu, isa, link)
    assert target.features == ()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_an_alias_is_the_target_itself(entry: object) -> None:
    assert entry in ENTRIES
    for known in ENTRIES:
        assert all(resolve(alias) == resolve(known.name) for alias in known.aliases)


def test_names_are_unique() -> None:
    assert len(set(target_names())) == len(target_names())


def test_mcpu_and_its_caches() -> None:
    target = resolve("arm64", "cortex-a72", "+crc, -sve")
    assert (target.cpu, target.isa, target.features) == ("cortex-a72", "neon", ("+crc", "-sve"))
    core = target.core
    assert (core.l1, core.l2, core.l3, core.units, core.lanes) == (32, 1024, 0, 1, 4)


def test_native_is_the_host() -> None:
    target = resolve("native")
    assert (target.name, target.cpu, target.isa) == ("native", "znver3", "avx2")
    assert {"+avx2", "+fma", "-avx512f", "-f16c"} <= set(target.features)


@pytest.mark.parametrize(
    ("name", "mcpu", "mattr", "isa"),
    [
        ("x86_64-v4", None, None, "avx512"),
        ("x86_64", "znver4", None, "avx512"),
        ("x86_64", None, "+avx512vl", "avx512"),
        ("x86_64", "skylake-avx512", "-avx512vl", "avx2"),
        ("x86_64-v4", None, "-avx512f", "avx2"),
        ("x86_64-v4", None, "+prefer-256-bit", "avx2"),
        ("x86_64", None, "+avx512f", "avx2"),
        ("x86_64-v2", "znver4", None, "sse"),
    ],
)
def test_avx512_is_used_where_it_is(
    name: str, mcpu: str | None, mattr: str | None, isa: str
) -> None:
    assert resolve(name, mcpu, mattr).isa == isa


def test_native_has_avx512_unless_the_machine_hides_it() -> None:
    wide = features_of(resolve("x86_64", "znver4"))
    hidden = frozenset(name for name in wide if not name.startswith("avx512"))
    assert resolve("native", host=Host("x86_64", "znver4", wide)).isa == "avx512"
    assert resolve("native", host=Host("x86_64", "znver4", hidden)).isa == "avx2"


@pytest.mark.parametrize(
    ("name", "mcpu", "mattr"),
    [
        *((entry.name, None, None) for entry in ENTRIES),
        ("x86_64", "skylake-avx512", "-avx512vl"),
        ("x86_64-v2", "znver4", None),
        ("rk3588", "cortex-a55", "+crc"),
    ],
)
def test_a_recorded_target_is_the_one_that_was_compiled_for(
    name: str, mcpu: str | None, mattr: str | None
) -> None:
    target = resolve(name, mcpu, mattr)
    assert recorded_target(name, target.triple, target.cpu, target.features) == target


def test_what_was_native_is_recorded_by_its_cpu() -> None:
    old, wide = Host("x86_64", "nehalem", frozenset({"sse4.1"})), resolve("x86_64", "znver4")
    native = resolve("native", host=Host("x86_64", "znver4", features_of(wide)))
    for target in (native, resolve("native", host=old), resolve("native", host=BOARD)):
        found = recorded_target("native", target.triple, target.cpu, target.features)
        assert found is not None
        assert replace(found, name="native", description=target.description) == target


def test_a_triple_of_no_entry_is_recorded_for_nothing() -> None:
    assert recorded_target("arm64", "sparc-unknown-linux-gnu", "generic", ()) is None


def test_native_on_a_board() -> None:
    target = resolve("native", host=BOARD)
    assert (target.triple, target.isa) == ("aarch64-unknown-linux-gnu", "neon")
    assert set(target.features) == {"+neon", "+fp-armv8", "+crc", "-sve", "-sve2"}


def test_native_on_risc_v_with_vectors() -> None:
    board = Host("riscv64", "spacemit-x60", frozenset({"m", "a", "f", "d", "c", "v", "zba"}))
    target = resolve("native", host=board)
    assert (target.triple, target.isa) == ("riscv64-unknown-linux-gnu", "rvv128")
    assert set(target.features) == {"+m", "+a", "+f", "+d", "+c", "+v", "+zba"}


def test_native_takes_another_cpu_without_the_hosts_features() -> None:
    assert resolve("native", "haswell").features == ()


def test_uname_of_macos_and_windows() -> None:
    assert resolve("native", host=Host("arm64", "apple-m1", BOARD.features)).isa == "neon"
    assert resolve("native", host=Host("AMD64", "znver3", PC.features)).isa == "avx2"


@pytest.mark.parametrize(
    ("name", "mcpu", "mattr", "code"),
    [
        ("amr64", None, None, "E0501"),
        ("arm64", "cortex-a54", None, "E0502"),
        ("arm64", "haswell", None, "E0502"),
        ("x86_64", "core2", None, "E0502"),  # no AVX2
        ("native", "cortex-a53", None, "E0502"),
        ("arm64", None, "+dotprd", "E0503"),
        ("arm64", None, "dotprod", "E0503"),
        ("arm64", None, "+avx2", "E0503"),
        ("arm64", None, "-neon", "E0505"),
        ("arm64", None, "-fp-armv8", "E0505"),
        ("x86_64", None, "-fma", "E0505"),
        ("x86_64", None, "-avx", "E0505"),
    ],
)
def test_what_is_refused(name: str, mcpu: str | None, mattr: str | None, code: str) -> None:
    assert code_of(name, mcpu, mattr) == code


def test_refusals_name_the_nearest() -> None:
    with pytest.raises(MbcError) as caught:
        resolve("arm64", "cortx-a53")
    assert caught.value.diagnostics[0].helps == ("did you mean 'cortex-a53'?",)
    with pytest.raises(MbcError) as caught:
        resolve("amr64")
    assert caught.value.diagnostics[0].helps[0] == "did you mean 'arm64'?"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("rpi1", "ARM1176"),
        ("rpi-zero", "ARM1176"),
        ("rpi0w", "ARM1176"),
        ("armv6", "NEON"),
        ("armv6l", "NEON"),
        ("armv5te", "NEON"),
        ("armel", "NEON"),
        ("aarch64_be", "little-endian"),
        ("armeb", "little-endian"),
        ("i386", "64-bit"),
        ("i686", "64-bit"),
        ("riscv32", "x86-64 with SSE4.2"),
        ("ppc64le", "x86-64 with SSE4.2"),
        ("cortex-m4", "microcontroller"),
        ("armv7em", "microcontroller"),
        ("arm64_32", "ABI"),
        ("arm64e", "ABI"),
        ("x86-64-v1", "SSE4.2"),
        ("x86_64-windows", "Linux, Android and macOS"),
        ("macos-x86_64", "Apple silicon"),
    ],
)
def test_what_is_known_and_not_supported(name: str, reason: str) -> None:
    with pytest.raises(MbcError) as caught:
        resolve(name)
    (found,) = caught.value.diagnostics
    assert found.code == "E0501"
    assert found.message.startswith(f"'{name}' is not supported: ")
    assert reason in found.message
    assert not any("did you mean" in hint or "write" in hint for hint in found.helps)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("rpi2", "write --target armv7"),
        ("rpi4b", "write --target rpi4"),
        ("raspberry-pi-5", "write --target rpi5"),
        ("rpi-zero-2", "write --target rpi-zero2w"),
        ("armv8", "write --target arm64, or armv7 where the system is of 32 bits"),
        ("cortex-a72", "it is a CPU: --target arm64 --mcpu cortex-a72"),
        ("riscv", "write --target riscv64, if the CPU has V"),
        ("natve", "did you mean 'native'?"),
        ("jetson-nao", "did you mean 'jetson-nano'?"),
    ],
)
def test_what_a_target_is_called_elsewhere(name: str, hint: str) -> None:
    with pytest.raises(MbcError) as caught:
        resolve(name)
    assert caught.value.diagnostics[0].helps[0] == hint


@pytest.mark.parametrize("name", ["rpi", "rpi6", "rk3568", "jetson-tx2", "x86_64-v5", "toaster"])
def test_what_nobody_knows_gets_the_list_alone(name: str) -> None:
    with pytest.raises(MbcError) as caught:
        resolve(name)
    (helps,) = caught.value.diagnostics[0].helps
    assert helps.startswith("targets are native, arm64, ")


def test_no_target_is_called_unsupported() -> None:
    assert not [name for name in target_names() if unsupported(name)]


def test_a_cpu_of_another_target() -> None:
    with pytest.raises(MbcError) as caught:
        resolve("arm64", "cortex-a7")
    assert caught.value.diagnostics[0].helps == ("it is a CPU of --target armv7",)
    with pytest.raises(MbcError) as caught:
        resolve("arm64", "rpi4")
    assert caught.value.diagnostics[0].helps == ("it is a target: --target rpi4",)


@pytest.mark.parametrize(
    "host",
    [
        Host("x86_64", "core2", frozenset({"sse3"})),
        Host("x86_64", "znver3", frozenset({"avx2"})),
        Host("riscv64", "generic-rv64", frozenset({"m", "a", "f", "d", "c"})),
        Host("loongarch64", "generic-la64", frozenset()),
    ],
)
def test_a_host_without_the_vector_unit(host: Host) -> None:
    assert code_of("native", host=host) == "E0504"


@pytest.mark.parametrize("name", BOARDS)
def test_cores_of_boards_have_facts_of_their_own(name: str) -> None:
    for cores in BOARDS[name].cores:
        assert core_of(cores.cpu) is not AARCH64.core, f"{cores.cpu} has no facts in its row"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_targets_are_of_cpus_that_have_a_row(entry: Entry) -> None:
    cpus = entry.baseline.architecture.cpus
    assert {entry.cpu, entry.model or entry.cpu} <= set(cpus)
    assert entry.cpu in entry.baseline.cpus, "its kernels do not run on it"
    assert entry.baseline in BASELINES


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)
def test_rows_of_architectures_are_whole(architecture: Architecture) -> None:
    """Every feature that is implied, asked for, told apart or had by a CPU is one that we name."""
    told_apart = {name for _, name in architecture.instructions.patterns}
    named = {*architecture.features, *architecture.implied, *told_apart}
    implied = {name for names in architecture.implied.values() for name in names}
    had = {name for cpu in architecture.cpus.values() for name in cpu.features}
    asked, masked = set(architecture.asked), set(architecture.maskable)
    assert (implied | had | asked | masked | set(architecture.not_emulated)) - named == set()
    assert all(cpu.qemu for cpu in architecture.cpus.values())
    sizes = [cpu.core for cpu in architecture.cpus.values()]
    assert all(0 < core.l1 < core.l2 and core.l3 >= 0 and core.fma > 0 for core in sizes)


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)
def test_every_architecture_tells_of_subnormal_numbers(architecture: Architecture) -> None:
    target = Target("t", architecture.triple, "", "")
    assert "define i32 @net_flush_subnormals(i32 %on)" in flush_ir(target, "net")


def test_every_object_format_is_linked_and_checked() -> None:
    formats = set(get_args(ObjectFormat))
    assert LINK_FLAGS.keys() == DATA_SECTIONS.keys() == formats
    assert CHECKS.keys() == set(product(formats, get_args(Kind)))


def test_names_of_architectures_differ() -> None:
    names = [name for architecture in ARCHITECTURES for name in architecture.names]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("baseline", BASELINES, ids=lambda b: b.isa)
def test_baselines_have_a_vector_unit_and_cpus(baseline: Baseline) -> None:
    assert {baseline.isa, *filter(None, [baseline.better])} <= set(ISAS)
    assert baseline.cpus
    assert set(baseline.needs) <= set(baseline.architecture.features)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("a | 32 512 | 2x4 2 | max | crc", "not a row of CPUs: a | 32 512 | 2x4 2"),
        ("a | - | - | max", "not a row of CPUs: a | - | - | max"),
        ("a | = | = | max | crc", "not a row of CPUs: a | ="),
        ("a | - | - | max | =b", "not a row of CPUs: a | - "),
        ("a | - | - | max | crc\na | - | - | max | crc", "two rows of a"),
    ],
)
def test_a_wrong_row_of_a_cpu(row: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        cpu_table(row, AARCH64.core, AARCH64.implied, {})


def test_rows_of_cpus() -> None:
    text = """
        one   | 16 64 0 | 1x2 1 | max     | sha3
        other | -       | -     | its-own | =one crc
    """
    one, other = cpu_table(text, AARCH64.core, AARCH64.implied, {"one": "sha3"}).values()
    assert (one.core.l2, one.core.fma, one.core.accesses, one.qemu) == (64, 2, 1, "max")
    assert (other.core, other.qemu) == (AARCH64.core, "its-own")
    assert other.features == one.features | {"crc"} == {"sha2", "sha3", "crc"}
    assert closure(["sve2"], AARCH64.implied) == {"sve2", "sve", "fullfp16"}


def llvm_complaints(architecture: Architecture, cpu: str, features: str) -> str:
    """What LLVM writes on stderr when it makes a code generator; it raises nothing."""
    script = (
        "import llvmlite.binding as llvm, sys\n"
        "llvm.initialize_all_targets()\n"
        "target = llvm.Target.from_triple(sys.argv[1])\n"
        "for cpu in sys.argv[2].split():\n"
        "    target.create_target_machine(cpu=cpu, features=sys.argv[3])\n"
    )
    command = [sys.executable, "-c", script, architecture.triple, cpu, features]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)
def test_llvm_knows_every_cpu_and_feature(architecture: Architecture) -> None:
    assert llvm_complaints(architecture, " ".join(architecture.cpus), "") == ""
    features = ",".join(f"+{name}" for name in architecture.features)
    assert llvm_complaints(architecture, next(iter(architecture.cpus)), features) == ""


@pytest.mark.parametrize("baseline", [ARM64, X86_64], ids=lambda b: b.name)
def test_llvm_would_merely_warn(baseline: Baseline) -> None:
    architecture = baseline.architecture
    assert "not a recognized processor" in llvm_complaints(architecture, "cortex-a54", "")
    assert "not a recognized feature" in llvm_complaints(architecture, "generic", "+nonsense")
