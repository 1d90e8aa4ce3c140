"""docs/glossary.md names files and names that there are, and leaves out no class of the files that
the terms come from."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (ROOT / "docs" / "glossary.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| term")
]
PLACE = re.compile(r"`([\w/.]+)`(?:: (`\w+`(?:, `\w+`)*))?")
COVERED = (
    "mbc/ir/views.py",
    "mbc/ir/permute.py",
    *(f"mbc/memory/{name}.py" for name in ("bound", "facts", "needs", "neighbours")),
    *(f"passes/views/{name}.py" for name in ("colocation", "plan", "reorder")),
    *(f"backends/llvm/{name}.py" for name in ("gemm", "window", "kernels/chain")),
    "backends/tvm/gpu/schedule.py",
    "mbc/passmgr/passes.py",
    *(f"mbc/schedules/{name}.py" for name in ("cpu", "gpu")),
    "mbc/targets/backend.py",
)
"""Files whose public classes are all in the glossary."""
NO_TERMS = {"PassContext", "PassResult", "Threads"}
"""Classes of these files whose names say all."""


def places(where: str) -> list[tuple[str, list[str]]]:
    """The files that a row names, each with the names in it."""
    return [(file, re.findall(r"\w+", names)) for file, names in PLACE.findall(where)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_what_a_term_names_is_there(row: list[str]) -> None:
    _, meaning, where = row
    found = places(where)
    assert meaning
    assert "; ".join(match[0] for match in PLACE.finditer(where)) == where
    for file, names in found:
        path = ROOT / file
        assert path.is_file() or (path.is_dir() and not names), file
        for name in names:
            defined = rf"^\s*(?:class |def )?{name}\b\s*(?:[:(=]|$)"
            assert re.search(defined, path.read_text(), re.MULTILINE), f"{file}: {name}"


def test_no_term_stands_twice() -> None:
    terms = [row[0] for row in ROWS]
    assert len(terms) > 100
    assert len(terms) == len(set(terms))


@pytest.mark.parametrize("file", COVERED)
def test_every_public_class_of_a_file_is_a_term(file: str) -> None:
    classes = set(re.findall(r"^class ([A-Z]\w*)", (ROOT / file).read_text(), re.MULTILINE))
    named = {
        name for row in ROWS for place, names in places(row[2]) if place == file for name in names
    }
    assert classes - NO_TERMS <= named
