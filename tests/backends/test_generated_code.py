"""Lint of the generated code: no detours in the loops that matter, spills elsewhere counted.

`spills.json` lists, by network and machine, the kernels that load or store vectors on the stack,
and how often; `-n 0 --update-counts` rewrites it. More of them fail the test, and so do many fewer:
then the record is to be brought up to date.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from mbc.backends.llvm.isa import isa_of
from mbc.driver.platforms import resolve
from mbc.targets.target import Target
from tests.activations import ROUNDED
from tests.backends.code_of_networks import NETWORKS, compiled, routines_of, with_activations
from tests.backends.code_rules import (
    is_gemm,
    is_k_loop,
    multiplying_loops,
    spills,
    violations,
)
from tests.everyday import part_of

RECORD = Path(__file__).with_name("spills.json")
TOLERANCE = 0.1
MOST_SPILLS = 45
"""Vectors of a kernel with any activation that are stored or loaded on the stack."""

TARGETS = {
    "avx2": Target("x86_64", "x86_64-unknown-linux-gnu", "haswell", "avx2"),
    "avx512": Target("x86_64", "x86_64-unknown-linux-gnu", "x86-64-v4", "avx512"),
    "avx512wide": replace(resolve("x86_64-v4", "sapphirerapids"), name="x86_64"),
    "neon": Target("arm64", "aarch64-unknown-linux-gnu", "cortex-a53", "neon"),
}


def deviations(found: Mapping[str, int], recorded: Mapping[str, int]) -> dict[str, str]:
    """Kernels whose spills are not what is on record."""
    return {
        name: f"{now}, was {was}"
        for name in sorted(found.keys() | recorded.keys())
        if abs((now := found.get(name, 0)) - (was := recorded.get(name, 0))) > TOLERANCE * was
    }


EVERYDAY = {
    "mobilenet_v2": ("avx2", "neon"),
    "shufflenet_v1-g3": ("avx512wide",),
    "shufflenet_v2": ("avx512",),
}
"""Networks, and the machines for which everyday runs compile them."""


def record(key: str, found: Mapping[str, int], request: pytest.FixtureRequest) -> dict[str, int]:
    """What is on record, `found` itself where the record is rewritten."""
    known: dict[str, dict[str, int]] = json.loads(RECORD.read_text())
    if request.config.getoption("--update-counts"):
        if hasattr(request.config, "workerinput"):
            pytest.fail("rewrite the record with -n 0, for there is but one file")
        known[key] = dict(found)
        RECORD.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")
    return known[key]


LARGEST = ("avx2", "neon")
"""Instruction sets whose tiles of activations are looked at everyday."""


def is_everyday(network: str, machine: str) -> bool:
    """Others have kernels of the same kinds."""
    return machine in EVERYDAY.get(network, ())


@pytest.mark.parametrize(("network", "machine"), part_of(product(NETWORKS, TARGETS), is_everyday))
def test_generated_code(network: str, machine: str, request: pytest.FixtureRequest) -> None:
    isa, routines = isa_of(TARGETS[machine]), routines_of(network, TARGETS[machine])
    gemms = [routine for routine in routines if is_gemm(routine)]
    loops = [loop for routine in gemms for loop in multiplying_loops(routine) if is_k_loop(loop)]
    assert len(loops) > len(NETWORKS)
    assert [problem for routine in gemms for problem in violations(routine, isa)] == []
    found = {routine.name: n for routine in routines if (n := spills(routine))}
    assert deviations(found, record(f"{network} {machine}", found, request)) == {}


@pytest.mark.parametrize(
    "machine", part_of(zip(TARGETS), lambda machine: isa_of(TARGETS[machine]).name in LARGEST, str)
)
def test_activations_of_large_tiles(machine: str, request: pytest.FixtureRequest) -> None:
    """Those that need many registers keep to theirs: constants apart, which are loaded again."""
    routines = compiled(with_activations(ROUNDED), TARGETS[machine])
    tiles = [routine for routine in routines if "_edge_" not in routine.name]
    assert len(tiles) >= 2 * len(ROUNDED)
    found = {routine.name: n for routine in tiles if (n := spills(routine))}
    assert deviations(found, record(f"activations {machine}", found, request)) == {}
    assert max(found.values(), default=0) <= MOST_SPILLS
