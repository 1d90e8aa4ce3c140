"""Seeded mistakes in what keeps builds and names apart."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

BUILDS = "tests/e2e/test_builds.py"

_digest = partial(
    Mutant, file="backends/llvm/interface.py", tests=f"{BUILDS}::test_what_the_digest_covers"
)
_describes = partial(
    Mutant,
    file="backends/llvm/interface.py",
    tests=f"{BUILDS}::test_a_library_describes_itself[embedded]",
)

MUTANTS = (
    _digest(
        "builds with other weights are one",
        old="digest.update(lowered.weights)",
        new="pass",
    ),
    _digest(
        "builds for other CPUs are one",
        old="json.dumps([target.triple, target.cpu, target.features, target.abi]),",
        new="",
    ),
    Mutant(
        "hidden symbols are those of every build",
        file="backends/llvm/interface.py",
        old='rf"@{spec.name}_(\\w+)"',
        new='rf"@{spec.name}_(run|abi|arena_bytes|flush_subnormals|weights|description)\\b"',
        tests=f"{BUILDS}::test_two_builds_in_one_program[weights-x86_64]",
    ),
    _describes(
        "the description has outputs for inputs",
        old='_{each}" for each in ("inputs", "outputs"))',
        new='_{each}" for each in ("outputs", "inputs"))',
    ),
    Mutant(
        "headers of two builds are taken for one",
        file="mbc/runtime/header.py",
        old='"guard": f"{net}_H_{build}"',
        new='"guard": f"{net}_H"',
        tests=f"{BUILDS}::test_headers_of_two_builds_exclude_each_other",
    ),
    Mutant(
        "a network hides a header of the system",
        file="mbc/runtime/names.py",
        old='return f"{word}_net" if taken else word',
        new="return word",
        tests="tests/e2e/test_names.py::test_headers_of_all_names_go_together_and_leave_the_"
        "systems_alone",
    ),
)
