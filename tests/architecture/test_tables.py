"""Every table of the product has its mutants, and each of them can be made."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.mutants.judge import ROOT, broken
from tests.mutants.no_tables import NO_TABLES
from tests.mutants.rows import Table, first_table
from tests.mutants.run import is_meant, rows_of_tables
from tests.mutants.tables import tables

TABLES = [*tables()]
ROOMS = ("mbc", "frontends", "passes", "backends")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: f"{table.file} {table.name}")
def test_its_rows_can_be_removed(table: Table) -> None:
    """One by one, and what comes of it compiles; what should notice exists."""
    first, *others = table.mutants(ROOT)
    for mutant in (first, *others):
        assert mutant.old == first.old
        assert mutant.new != mutant.old
    assert first.problem(ROOT) == ""
    compile(first.applied(ROOT), table.file, "exec")
    assert len({mutant.new for mutant in (first, *others)}) == len(others) + 1
    file, _, test = table.tests.partition("::")
    assert f"def {test}" in (ROOT / file).read_text()


def test_rows_are_chosen_by_words() -> None:
    chosen = [mutant for mutant in rows_of_tables() if is_meant(mutant, ["onnx/emitters/moves.py"])]
    assert {mutant.file for mutant in chosen} == {"frontends/onnx/emitters/moves.py"}
    assert "rows of EMITTERS: Concat is missing" in {mutant.mistake for mutant in chosen}


def test_what_is_noticed_on_import() -> None:
    """What a missing row raises, but nothing that is no Python."""

    def verdict(out: str) -> bool:
        return broken(CompletedProcess([], 2, out, "")).good

    assert verdict("ERROR tests/a.py - KeyError: 'rpi4'\n1 error")
    assert not verdict("ERROR tests/a.py - SyntaxError: invalid syntax\n1 error")
    assert not verdict("no tests ran")


def constants(path: Path) -> Iterator[tuple[str, ast.expr]]:
    """Yield the constants of a module, which are set at its top."""
    for statement in ast.parse(path.read_text("utf-8")).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value


def is_table(name: str, value: ast.expr) -> bool:
    """Whether a constant is a collection of several rows; types are spelled otherwise."""
    match first_table(value):
        case ast.Dict(keys=rows) | ast.Tuple(elts=rows) | ast.List(elts=rows) | ast.Set(elts=rows):
            return len(rows) > 1 and name.upper() == name
    return False


def test_every_table_is_listed() -> None:
    listed = {(table.file, table.name.partition(".")[0]) for table in TABLES}
    others = {name for names in NO_TABLES for name in names.split()}
    paths = {path.resolve() for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    found = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in paths
        for name, value in constants(path)
        if is_table(name, value)
    }
    assert {key for key in found - listed if key[1] not in others} == set()
    assert others <= {name for _, name in found}, "NO_TABLES names what there is not"


def test_the_rows_themselves(tmp_path: Path) -> None:
    source = '''
A: dict[str, int] = {"one": 1, "two": 2}
B = frozenset(("x", "y"))
C = tuple({kind.name: kind for kind in (A, B)}.values())
D = call(rows={"a": 1}, other=2)
E = """
    p | 1
    q | 2
"""

def f(x: object) -> int:
    match x:
        case int():
            return 1
        case str() if x:
            return 2
        case _:
            return 3
'''
    (tmp_path / "a.py").write_text(source)

    def left(name: str) -> list[str]:
        return [mutant.new for mutant in Table("a.py", name, "").mutants(tmp_path)]

    assert left("A") == ["A: dict[str, int] = {'two': 2}", "A: dict[str, int] = {'one': 1}"]
    assert left("B") == ["B = frozenset(('y',))", "B = frozenset(('x',))"]
    assert [text.count("(B,)") + text.count("(A,)") for text in left("C")] == [1, 1]
    assert left("D.rows") == ["D = call(rows={}, other=2)"]
    assert left("E") == ["E = 'q | 2'", "E = 'p | 1'"]
    assert [text.count("return") for text in left("f()")] == [2, 2]
    assert all("case _" in text for text in left("f()"))
    for name in ("G", "f"):
        with pytest.raises(ValueError, match="there is no table"):
            left(name)
