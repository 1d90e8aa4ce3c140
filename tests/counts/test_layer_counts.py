"""Layers take as many instructions as they did, exactly counted.

`pytest tests/counts --update-counts` rewrites `instruction_counts.json`: less work is as much of a
change as more, and is written down.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from mbc.backends.llvm.link import link_executable
from mbc.backends.llvm.toolchain import LinkTarget, Zig
from tests.counts.counter import Counter, Counts, check_version
from tests.counts.layers import build_program

EXPECTED = Path(__file__).with_name("instruction_counts.json")
TOLERANCE = 0.01


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Counter:
    return Counter.build(tmp_path_factory.mktemp("plugin"))


def measure(counter: Counter, folder: Path) -> dict[str, dict[str, int]]:
    """The counts of one run of each layer: of two runs, less those of one."""
    program, names = build_program(folder)
    return {
        name: asdict(counter.count(program, str(i), "2") - counter.count(program, str(i), "1"))
        for i, name in enumerate(names)
    }


def deviations(
    found: dict[str, dict[str, int]], expected: dict[str, dict[str, int]]
) -> dict[str, str]:
    """What lies outside the tolerance, by layer and count."""
    return {
        f"{layer} {kind}": f"{counts[kind]}, was {was}"
        for layer, counts in found.items()
        for kind, was in expected[layer].items()
        if abs(counts[kind] - was) > TOLERANCE * was
    }


def test_layers_take_the_instructions_on_record(
    counter: Counter, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    found = measure(counter, tmp_path)
    if request.config.getoption("--update-counts"):
        EXPECTED.write_text(json.dumps(found, indent=2) + "\n")
    expected = json.loads(EXPECTED.read_text())
    assert list(found) == list(expected)
    assert deviations(found, expected) == {}


def test_a_deviation_is_noticed() -> None:
    expected = {"pw": asdict(Counts(1000, 500, 0, 100, 64))}
    assert deviations({"pw": asdict(Counts(1010, 500, 0, 99, 64))}, expected) == {}
    found = deviations({"pw": asdict(Counts(989, 500, 1, 102, 64))}, expected)
    assert list(found) == ["pw instructions", "pw by_vector", "pw loaded"]


KNOWN = r"""
#include <stdlib.h>
static char data[128] __attribute__((aligned(64)));
int main(int count, char **words) {
    long n = atol(words[count - 1]);
    __asm__ volatile(
        "1: ld1 {v0.4s, v1.4s, v2.4s, v3.4s}, [%1]\n ldp q4, q5, [%1]\n ldr q6, [%1, #32]\n"
        "ldr s7, [%1, #4]\n ldr q7, [%1, %2]\n ld1r {v8.4s}, [%1]\n"
        "fmla v9.4s, v1.4s, v2.s[1]\n fmla v9.4s, v1.4s, v2.4s\n fmla v9.4s, v1.4s, v2.4s\n"
        "fmls v9.4s, v1.4s, v2.s[1]\n fmul v9.4s, v1.4s, v2.s[1]\n ldp x3, x4, [%1]\n"
        "str q9, [%1]\n stp q9, q9, [%1, #64]\n st1 {v0.4s, v1.4s, v2.4s, v3.4s}, [%1]\n"
        "strb wzr, [%1]\n dc zva, %1\n subs %0, %0, #1\n b.ne 1b\n"
        : "+r"(n) : "r"(data), "r"(16L)
        : "memory", "cc", "x3", "x4", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9");
    return 0;
}
"""


def test_the_plugin_counts_what_is_there(counter: Counter, tmp_path: Path) -> None:
    source, program = tmp_path / "known.c", tmp_path / "known"
    source.write_text(KNOWN)
    link_executable([source], program, LinkTarget("aarch64-linux-musl"), Zig())
    once = counter.count(program, "2") - counter.count(program, "1")
    assert once == Counts(19, 1, 2, 4 + 2 + 1 + 1 + 1 + 1, 16 + 32 + 64 + 1 + 64)


@pytest.mark.parametrize("version", [5, 9, 10])
def test_another_qemu_is_no_reason_to_skip(version: int) -> None:
    check_version(7)
    with pytest.raises(RuntimeError, match=f"is qemu {version}: put .* or leave these tests out"):
        check_version(version)
