"""What executables ask the CPU for: what compilers may use unasked."""

from __future__ import annotations

import re

import pytest

from mbc.driver.platforms import this_host
from mbc.targets.architecture import Architecture
from mbc.targets.architectures import ARCHITECTURES, BASELINES
from mbc.targets.catalogue import resolve_target, target_names
from mbc.targets.cpu_check import cpu_config, needs
from mbc.targets.target import Target

UNTOLD = {"zba", "zbb", "zbs", "zicond"}  # AT_HWCAP has no bits for them
CRYPTOGRAPHY = {"aes", "sha", "sha2", "sm4", "pclmul", "crc", "adx", "crypto"}
HINT = re.compile(r"MBC_CPU_TARGETS \{(.*)\}")


def target(name: str, mcpu: str | None = None, mattr: str | None = None) -> Target:
    return resolve_target(name, mcpu, mattr, host=this_host())


@pytest.mark.parametrize(
    ("name", "mattr", "needed"),
    [
        ("arm64", None, ()),
        ("rpi3", None, ()),
        ("rpi4", None, ()),
        ("jetson-nano", None, ()),
        ("rpi5", None, ("dotprod", "fullfp16", "lse", "rdm", "rcpc")),
        ("arm64", "+dotprod", ("dotprod",)),
        ("armv7", None, ("neon", "vfp4", "vfp3", "hwdiv-arm")),
        ("armeabi-v7a", None, ("neon", "vfp3")),
        ("x86_64-v2", None, ("sse4.2", "sse4.1", "ssse3", "sse3", "popcnt")),
        ("macos-arm64", None, ()),
        ("riscv64", None, ("v", "d", "f", "m", "a", "c")),
    ],
)
def test_what_targets_need(name: str, mattr: str | None, needed: tuple[str, ...]) -> None:
    assert needs(target(name, mattr=mattr)) == needed


def test_the_vector_unit_is_named_first() -> None:
    assert needs(target("x86_64"))[:2] == ("avx2", "fma")
    assert needs(target("x86_64-v4"))[:2] == ("avx512f", "avx512vl")


@pytest.mark.parametrize("name", target_names())
def test_all_that_kernels_are_written_for_is_asked(name: str) -> None:
    made_for = target(name)
    if made_for.system == "macos":
        return  # every CPU for Macs has it
    for baseline in BASELINES:
        if baseline.isa == made_for.isa and baseline.name != "aarch64":
            assert set(baseline.needs) <= set(needs(made_for))


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)
def test_all_that_is_told_apart_in_code_is_asked_but_cryptography(
    architecture: Architecture,
) -> None:
    """And scalable matrices, which nothing uses unless it begins by switching them on."""
    instructions = architecture.instructions
    told_apart = {name for _, name in instructions.patterns} | set(instructions.groups.values())
    known = set(architecture.features) - instructions.base
    wanted = (told_apart & known) - CRYPTOGRAPHY - UNTOLD - {"mte", "pauth"}
    assert wanted <= set(architecture.asked), wanted - set(architecture.asked)


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)
def test_what_a_feature_implies_is_asked_too(architecture: Architecture) -> None:
    for name in architecture.asked:
        implied = architecture.closure([name]) - CRYPTOGRAPHY - {"fp-armv8"}
        assert implied <= set(architecture.asked), (name, implied - set(architecture.asked))


@pytest.mark.parametrize(
    ("name", "mattr", "others"),
    [
        ("x86_64-v4", None, ["x86_64", "x86_64-v2"]),
        ("x86_64", None, ["x86_64-v2"]),
        ("x86_64-v2", None, []),
        ("rpi5", None, ["arm64"]),
        ("arm64", "+dotprod", ["arm64"]),
        ("armv7", None, []),
        ("arm64-v8a", "+dotprod", ["arm64-v8a"]),
    ],
)
def test_targets_that_need_less(name: str, mattr: str | None, others: list[str]) -> None:
    made_for = target(name, mattr=mattr)
    found = HINT.search(cpu_config(made_for))
    assert found
    first, *rest = re.findall(r'"([^"]*)"', found[1])
    assert first == f"{name} ({made_for.cpu})"
    assert rest == others
