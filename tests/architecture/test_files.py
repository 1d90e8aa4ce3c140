"""Files and functions stay short, and no file knows the machine that it was written on."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

# Paths of one machine; in pieces, for this file is searched too.
FOREIGN_PATHS = ["../" + "shared", "/" + "work/", "/" + "root/"]


def repository_files() -> list[Path]:
    """What git tracks, and what it would if it were added now; links and deleted files left out."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = [ROOT / name for name in sorted(set(listing.split("\0"))) if name]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def text_of(path: Path) -> str | None:
    """The file's text; None if it is not text."""
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        return None


def sources(*suffixes: str) -> list[Path]:
    found = [path for path in repository_files() if path.suffix in suffixes]
    assert found, f"git lists no file that ends in {suffixes}"
    return found


def test_no_file_is_long() -> None:
    sizes = {path: len(path.read_text("utf-8").splitlines()) for path in sources(".py", ".c", ".h")}
    long = [
        f"{path.relative_to(ROOT)}: {size} lines, at most {MAX_FILE_LINES}"
        for path, size in sizes.items()
        if size > MAX_FILE_LINES
    ]
    assert not long, "\n".join(long)


def long_functions(source: str) -> list[tuple[int, str, int]]:
    """(line, name, lines) of every function above the limit, its docstring counted."""
    functions = (
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    sizes = ((f.lineno, f.name, (f.end_lineno or f.lineno) - f.lineno + 1) for f in functions)
    return [found for found in sizes if found[2] > MAX_FUNCTION_LINES]


def test_no_function_is_long() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{line}: {name} has {size} lines, at most {MAX_FUNCTION_LINES}"
        for path in sources(".py")
        for line, name, size in long_functions(path.read_text("utf-8"))
    ]
    assert not long, "\n".join(long)


def test_a_long_function_is_noticed() -> None:
    longest = ["def f():", *["    pass"] * (MAX_FUNCTION_LINES - 1)]
    assert long_functions("\n".join(longest)) == []
    assert long_functions("\n".join([*longest, "    pass"])) == [(1, "f", MAX_FUNCTION_LINES + 1)]


@pytest.mark.parametrize("words", FOREIGN_PATHS)
def test_no_file_names_a_path_of_one_machine(words: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in repository_files()
        if (text := text_of(path)) is not None
        for number, line in enumerate(text.splitlines(), 1)
        if words in line
    ]
    assert not found, "\n".join(found)
