"""Docstrings begin with an imperative (ruff's D401), but for a list of files that only shrinks."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PERMANENT = "tests/**"  # docstrings of tests say what is shown
RUFF = ("-m", "ruff", "check", "--isolated", "--exit-zero", "--output-format=json")
RULE = ("--select=D401", "--config", 'lint.pydocstyle.convention = "google"')


def exempt_files() -> Iterator[str]:
    """Yield the files that pyproject.toml exempts from D401, braces expanded."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    for pattern, rules in settings["tool"]["ruff"]["lint"]["per-file-ignores"].items():
        if "D401" in rules and pattern != PERMANENT:
            yield from expanded(pattern)


def expanded(pattern: str) -> list[str]:
    """Expand the braces of a pattern: a/{b,c}.py."""
    braces = re.fullmatch(r"(.*)\{(.*)\}(.*)", pattern)
    if braces is None:
        return [pattern]
    before, names, after = braces.groups()
    return [f"{before}{name}{after}" for name in names.split(",")]


def violating_files(*paths: str) -> set[str]:
    """Run the rule alone and return the files in which it finds something."""
    command = [sys.executable, *RUFF, *RULE, *paths]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    found = (Path(problem["filename"]) for problem in json.loads(output))
    return {path.relative_to(ROOT).as_posix() for path in found}


def test_only_files_that_need_it_are_exempt() -> None:
    listed = list(exempt_files())
    assert len(listed) == len(set(listed)), "a file is listed twice"
    needless = sorted(set(listed) - violating_files("."))
    assert not needless, f"take them out of per-file-ignores in pyproject.toml: {needless}"


def test_the_rule_itself(tmp_path: Path) -> None:
    path = tmp_path / "example.py"
    path.write_text('def f():\n    """The result."""\n')
    command = [sys.executable, *RUFF, *RULE, str(path)]
    output = subprocess.run(command, check=True, capture_output=True).stdout
    assert [problem["code"] for problem in json.loads(output)] == ["D401"]
    assert expanded("a/{b,c}.py") == ["a/b.py", "a/c.py"]
    assert expanded("a.py") == ["a.py"]
