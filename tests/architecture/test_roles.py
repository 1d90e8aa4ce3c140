"""Product code knows operands by their roles, never by a number: no literal index into operands, no
comparison of an index or of how many operands there are, no name for the number of a role."""

import ast
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from mbc.ops import OPS
from tests.architecture.test_files import ROOT, sources

LISTS = {"operands", "operand_types"}
"""What lists something for each operand of a node; in `mbc/ops` also `types`, as ops are given."""

LOOKUPS = {"view", "constant", "type_of", "buffers", "optional", "pointers", "stored"}
QUESTIONS = {"reads_one_buffer", "may_alias", "overlap_bytes"}
ROLES = {spec.name.upper() for op in OPS for spec in op.operands}


def name_of(node: ast.AST | None) -> str:
    """The last name of `a`, `b.a`, `b.a()`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=function):
            return name_of(function)
    return ""


def is_number(node: ast.AST | None) -> bool:
    """An integer literal, negative ones included."""
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return is_number(operand)
        case ast.Constant(value=value):
            return type(value) is int
    return False


def is_length(node: ast.AST, lists: Collection[str]) -> bool:
    """`len(node.operands)`."""
    return isinstance(node, ast.Call) and name_of(node) == "len" and name_of(node.args[0]) in lists


def is_literal_index(index: ast.AST) -> bool:
    match index:
        case ast.Slice(lower=lower, upper=upper):
            return is_number(lower) or is_number(upper)
    return is_number(index)


def is_forbidden(node: ast.AST, lists: Collection[str]) -> bool:
    match node:
        case ast.Subscript(value=value, slice=index):
            return name_of(value) in lists and is_literal_index(index)
        case ast.Call(func=ast.Attribute(attr=name), args=[*arguments]):
            asked = arguments[:1] if name in LOOKUPS else arguments if name in QUESTIONS else []
            return any(map(is_number, asked)) or (
                name == "stored" and any(map(is_number, arguments))
            )
        case ast.Compare(left=left, comparators=others):
            sides = [left, *others]
            indexes = [side for side in sides if name_of(side) == "slot" or is_length(side, lists)]
            return bool(indexes) and any(map(is_number, sides))
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name in ROLES and is_number(value)
        case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
            pairs = zip(names, values, strict=False)
            return any(name_of(name) in ROLES and is_number(value) for name, value in pairs)
    return False


def forbidden(source: str, lists: Collection[str] = LISTS) -> Iterator[int]:
    """The lines of a source that number operands."""
    for node in ast.walk(ast.parse(source)):
        if is_forbidden(node, lists):
            yield getattr(node, "lineno", 0)


def lists_in(path: Path) -> Collection[str]:
    return {*LISTS, "types"} if path.is_relative_to("mbc/ops") else LISTS


def test_no_product_code_numbers_operands() -> None:
    found = [
        f"{path}:{line}"
        for path in (path.relative_to(ROOT) for path in sources(".py"))
        if path.parts[0] != "tests"
        for line in forbidden((ROOT / path).read_text("utf-8"), lists_in(path))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "node.operands[1]",
        "node.operands[1:]",
        "operands[-1]",
        "node.operand_types[3]",
        "present(types[0])",
        "node.view(0)",
        "node.constant(2)",
        "site.pointers(3)",
        "at.stored(w, 2)",
        "backend.may_alias(node, 3)",
        "if slot == 3: pass",
        "if len(node.operands) > 2: pass",
        "RESIDUAL = 3",
        "BIAS, RESIDUAL = 2, 3",
    ],
)
def test_a_number_is_noticed(source: str) -> None:
    assert list(forbidden(source, lists_in(Path("mbc/ops/linear.py")))) == [1]


@pytest.mark.parametrize(
    "source",
    [
        'node["bias"]',
        "node.operands[i]",
        'node.view("x")',
        "weight.type.shape[0]",
        "if len(parts) == 1: pass",
        "RESIDUAL = 0.6",
        "node.spec(index)",
    ],
)
def test_roles_and_other_numbers_are_not(source: str) -> None:
    assert list(forbidden(source)) == []
