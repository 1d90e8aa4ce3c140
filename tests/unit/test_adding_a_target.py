"""docs/adding-a-target.md: its steps work, its lists are complete, its quotations are code."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mbc.backends.llvm.codegen import emit_object
from mbc.backends.llvm.lower import lower
from mbc.driver.instrumentation import Inspection
from mbc.driver.pipeline import compile_graph
from mbc.driver.platforms import this_host
from mbc.driver.request import Request, Silent
from mbc.targets import boards, catalogue, elsewhere
from mbc.targets.architecture import Architecture, cpu_table
from mbc.targets.architectures import ARCHITECTURES, BASELINES, aarch64
from mbc.targets.emulators import emulated_cpu
from tests.e2e.support import ROOT, TINY
from tests.unit.test_targets import llvm_complaints

PAGE = (ROOT / "docs" / "adding-a-target.md").read_text()
PRODUCT = ("mbc", "backends", "passes", "frontends")
ROW = re.compile(r"^\| (?:\d \| )?`([^`]*\.py)` \| `(\w+)` \|", re.MULTILINE)
TABLES = [(file, table) for file, table in ROW.findall(PAGE) if not file.startswith("tests/")]
TEST_TABLES = [(file, table) for file, table in ROW.findall(PAGE) if file.startswith("tests/")]


def block(kind: str) -> str:
    """The code of that kind on the page."""
    (found,) = re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def table_of(file: str, table: str) -> Any:
    """A table of the product or of the tests, by its file and name."""
    name = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    name = name if name.startswith(("mbc.", "tests.")) else f"mbc.{name}"
    return getattr(importlib.import_module(name), table)


# ---- a board ---------------------------------------------------------------------------------


def test_a_board_is_a_row_and_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    board = eval(block("python board"), vars(boards))
    monkeypatch.setitem(boards.BOARDS, "orangepi4", board)
    (line,) = re.findall(r'`(_board\("orangepi4"\))`', PAGE)
    entry = eval(line, vars(catalogue))
    monkeypatch.setattr(catalogue, "ENTRIES", (*catalogue.ENTRIES, entry))
    target = catalogue.resolve_target("orangepi4", host=this_host())
    assert (target.cpu, target.isa, target.board) == ("cortex-a72", "neon", board)
    assert target.core == board.core
    assert emulated_cpu(target) == "cortex-a72"
    (tmp_path / "tiny.py").write_text(TINY)
    request = Request(tmp_path / "tiny.py", target="rk3399")
    compiled = compile_graph(request, Inspection(), Silent(), lambda _: None)
    made = [emit_object(lower(compiled.graph, t)) for t in (target, compiled.target)]
    assert made[0] == made[1], "the same core, the same code"


# ---- a CPU -----------------------------------------------------------------------------------


def test_a_cpu_is_a_row() -> None:
    row = block("row")
    known = [line for line in aarch64.CPUS.splitlines() if "cortex-a76ae" not in line]
    cpus = cpu_table("\n".join([*known, row]), aarch64.ANY_CORE, aarch64.IMPLIED, aarch64.SETS)
    added = cpus["cortex-a76ae"]
    before = aarch64.AARCH64.cpus["cortex-a76ae"]
    assert (added.features, added.qemu) == (before.features, before.qemu)
    assert (added.core.l3, added.core.fma, added.core.accesses) == (2048, 8, 2)
    assert llvm_complaints(aarch64.AARCH64, "cortex-a76ae", "") == ""
    header = re.findall(r"^\| column \|.*?\n\n", PAGE, re.MULTILINE | re.DOTALL)[0]
    assert len(header.strip().splitlines()) - 2 == row.count("|") + 1, "a column is not explained"


# ---- an architecture -------------------------------------------------------------------------


def rows_of(file: str, table: str) -> set[str]:
    """The architectures that a table has a row for."""
    found = table_of(file, table)
    if isinstance(found, Architecture):
        return {found.name}
    if table == "BASELINES":
        return {baseline.name for baseline in found}
    if table == "ENTRIES":
        return {entry.baseline.name for entry in found}
    if table == "ISAS":
        return {baseline.name for baseline in BASELINES if baseline.isa in found}
    if table == "_REASONS":
        return {a.name for a in ARCHITECTURES if not elsewhere.unsupported(a.name)}
    return set(found)


@pytest.mark.parametrize(("file", "table"), TABLES)
def test_every_listed_table_has_rows_of_all_architectures(file: str, table: str) -> None:
    wanted = {a.name for a in ARCHITECTURES} if table != "RISCV64" else {"riscv64"}
    assert rows_of(file, table) >= wanted


def test_each_step_is_told() -> None:
    steps = re.findall(r"^\*\*(\d)\. ", PAGE, re.MULTILINE)
    assert steps == [str(number) for number in range(1, len(TABLES) + 1)]
    assert len({file for file, _ in TABLES}) <= 6


def named_architectures(path: Path) -> Iterator[int]:
    """Lines of dictionaries that have architectures as keys."""
    names = {a.name for a in ARCHITECTURES}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Dict):
            keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
            if len(keys & names) > 1:
                yield node.lineno


def test_no_other_table_has_a_row_of_each_architecture() -> None:
    listed = {str((ROOT / file).resolve()) for file, _ in TABLES}
    found = {
        str(path.resolve())
        for folder in PRODUCT
        for path in (ROOT / folder).rglob("*.py")
        if [*named_architectures(path)]
    }
    assert found <= listed, "docs/adding-a-target.md does not list it"
    assert found, "the search finds none at all"


@pytest.mark.parametrize(("file", "table"), TEST_TABLES)
def test_tables_of_tests_have_the_example(file: str, table: str) -> None:
    assert "riscv64" in table_of(file, table)


@pytest.mark.parametrize(
    ("file", "text"), re.findall(r"^```python (\S+\.py)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
)
def test_quotations_are_the_code(file: str, text: str) -> None:
    assert text in (ROOT / file).read_text("utf-8")
