"""Tables without one of their rows: a mutant for each row of each table of the product.

A table is a dictionary, a tuple, a list or a set that is written out, the lines or words of a
text, or the arms of a `match`. Its rows are found in the source, so a new one has its mutant at
once.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent

from tests.mutants.mutant import Mutant

SHOWN = 60  # characters of a row
Remove = Callable[[int], None]


@dataclass(frozen=True)
class Table:
    """A table of the product."""

    file: str
    name: str
    """Of the constant; `NAME.argument` is an argument of the call that it is set to, and
    `function()` the first `match` of a function."""
    tests: str
    """What fails without any one of its rows."""

    def mutants(self, tree: Path) -> Iterator[Mutant]:
        """Yield the table without each of its rows."""
        source = (tree / self.file).read_text("utf-8")
        found = statement_of(ast.parse(source), self.name)
        old = ast.get_source_segment(source, found, padded=False)
        assert old is not None
        for number, row in enumerate(rows_of(found, self.name)):
            without = deepcopy(found)
            remove_row(without, self.name, number)
            new = indent(ast.unparse(without), " " * found.col_offset).lstrip()
            mistake = f"rows of {self.name}: {shown(row)} is missing"
            yield Mutant(mistake, self.file, old, new, self.tests, at_import=True)


def shown(row: str) -> str:
    """Return the beginning of a row, in one line."""
    line = " ".join(row.split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


def statement_of(module: ast.Module, name: str) -> ast.stmt:
    """Return the statement that has a table; ValueError if there is none of that name."""
    wanted = name.removesuffix("()").partition(".")[0]
    for node in ast.walk(module):
        match node:
            case ast.FunctionDef(name=found) if found == wanted and name.endswith("()"):
                return next(inner for inner in ast.walk(node) if isinstance(inner, ast.Match))
            case (
                ast.Assign(targets=[ast.Name(id=found)]) | ast.AnnAssign(target=ast.Name(id=found))
            ) if found == wanted:
                return node
    raise ValueError(f"there is no table {name}")


def rows_of(statement: ast.stmt, name: str) -> list[str]:
    """Return the rows of a table as text."""
    if isinstance(statement, ast.Match):
        return [f"case {ast.unparse(case.pattern)}" for case in statement.cases if is_row(case)]
    match table_in(statement, name):
        case ast.Dict(keys=keys, values=values):
            rows = zip(keys, values, strict=True)
            return [ast.unparse(key or value) for key, value in rows]
        case ast.Constant(value=str(text)):
            return parts_of(text)
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
            return [ast.unparse(element) for element in elements]
    raise ValueError(f"{name} is no table")


def is_row(case: ast.match_case) -> bool:
    """Whether an arm of a `match` is for something, not for all else."""
    return case.guard is not None or not (
        isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None
    )


def remove_row(statement: ast.stmt, name: str, number: int) -> None:
    """Remove a row of a table in its statement."""
    if isinstance(statement, ast.Match):
        statement.cases.remove([*filter(is_row, statement.cases)][number])
        return
    match table := table_in(statement, name):
        case ast.Dict():
            del table.keys[number], table.values[number]
        case ast.Constant(value=str(text)):
            parts = parts_of(text)
            table.value = joint_of(text).join(parts[:number] + parts[number + 1 :])
        case ast.Tuple() | ast.List() | ast.Set():
            del table.elts[number]


def joint_of(text: str) -> str:
    """Return what lies between the rows of a text: they are lines if they have columns."""
    return "\n" if "|" in text else " "


def parts_of(text: str) -> list[str]:
    """Return the rows of a text."""
    return list(filter(None, map(str.strip, text.splitlines() if "|" in text else text.split())))


def table_in(statement: ast.stmt, name: str) -> ast.AST:
    """Return the table that a constant is set to, or that an argument of its call is: the first one
    written out there, in a comprehension or in calls around it too."""
    assert isinstance(statement, ast.Assign | ast.AnnAssign)
    part: ast.AST | None = statement.value
    for argument in name.split(".")[1:]:
        assert isinstance(part, ast.Call)
        part = next(keyword.value for keyword in part.keywords if keyword.arg == argument)
    found = None if part is None else first_table(part)
    if found is None:
        raise ValueError(f"{name} is no table")
    return found


def first_table(node: ast.AST) -> ast.AST | None:
    """Return a node, or what stands first in the calls and comprehensions that it is made of, if
    that is a table."""
    inside: list[ast.AST] = []
    match node:
        case ast.Dict() | ast.Tuple() | ast.List() | ast.Set() | ast.Constant(value=str()):
            return node
        case ast.Call(func=function, args=arguments):
            inside = [*arguments, function]
        case ast.Attribute(value=value):
            inside = [value]
        case ast.DictComp(generators=generators) | ast.GeneratorExp(generators=generators):
            inside = [generators[0].iter]
    return next(filter(None, map(first_table, inside)), None)
