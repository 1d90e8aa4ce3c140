"""The seeded mistakes can still be made, and the judge tells what is noticed from what is not."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess, run

import pytest

from mbc.runtime.pool import compiler
from tests.mutants.judge import ROOT, caught, copied, failing, passes
from tests.mutants.mutant import Mutant
from tests.mutants.run import is_meant, tell
from tests.mutants.seeded import MUTANTS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.mistake)
def test_a_mistake_can_be_made(mutant: Mutant) -> None:
    """Its text stands there once, what comes of it compiles, and what should notice exists."""
    assert mutant.problem(ROOT) == ""
    assert mutant.old != mutant.new
    if mutant.file.endswith(".py"):
        compile(mutant.applied(ROOT), mutant.file, "exec")
    elif mutant.file.endswith((".c", ".h")):
        words = [*compiler(), "-fsyntax-only", f"-I{(ROOT / mutant.file).parent}", "-xc", "-"]
        run(words, input=mutant.applied(ROOT), text=True, check=True)
    file, _, test = mutant.tests.partition("::")
    assert f"def {test.partition('[')[0]}" in (ROOT / file).read_text()


def test_mistakes_differ() -> None:
    assert len(MUTANTS) >= 40
    changes = Counter((mutant.file, mutant.old, mutant.new) for mutant in MUTANTS)
    words = Counter(mutant.mistake for mutant in MUTANTS)
    assert [key for key, count in (changes + words).items() if count > 1] == []


def test_what_is_noticed() -> None:
    """Only a test that fails; not one that cannot be imported, and not none."""

    def verdict(code: int, out: str) -> bool:
        return failing(CompletedProcess([], code, out, "")).good

    assert verdict(1, "F\nFAILED tests/a.py::test_a - assert 1 == 2\n1 failed")
    assert not verdict(0, "1 passed")
    assert not verdict(1, "ERROR tests/a.py - SyntaxError\n1 error")
    assert not verdict(2, "interrupted")
    assert not failing(None).good


def test_a_copy_is_judged_and_mended(tmp_path: Path) -> None:
    tree = copied(tmp_path)
    mutant = next(mutant for mutant in MUTANTS if mutant.file == "mbc/memory/bound.py")
    harmless = replace(mutant, old="Return the bytes alive at", new="Return the bytes that live at")
    broken = replace(mutant, old="def live_bytes(", new="def dead_bytes(")
    before = (tree / mutant.file).read_text()
    found = [caught(tree, each) for each in (mutant, harmless, broken)]
    assert [verdict.good for verdict in found] == [True, False, False]
    assert found[0].by.startswith("unit/test_memory_bound.py::")
    assert all(verdict.by.startswith("no test failed: ") for verdict in found[1:])
    assert passes(tree, mutant.tests).good
    assert (tree / mutant.file).read_text() == before
    gone = replace(mutant, old="no such text")
    assert "stands 0 times" in caught(tree, gone).by
    assert tell({mutant: found[0]}) == 0
    assert tell({mutant: found[0], harmless: found[1]}) == 1


def test_mistakes_are_chosen_by_words() -> None:
    chosen = [mutant for mutant in MUTANTS if is_meant(mutant, ["permute.py", "views/plan"])]
    assert {mutant.file for mutant in chosen} == {"mbc/ir/permute.py", "passes/views/plan.py"}
    assert all(is_meant(mutant, []) for mutant in MUTANTS)
