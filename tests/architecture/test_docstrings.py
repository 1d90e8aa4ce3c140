"""Docstrings of functions begin with an imperative (ruff's D401), except in tests."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = "tests/**"  # docstrings of tests say what is shown
RUFF = ("-m", "ruff", "check", "--exit-zero", "--output-format=json")
EXAMPLE = 'def f():\n    """The result."""\n'


def test_only_tests_are_exempt() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    ignored = settings["tool"]["ruff"]["lint"]["per-file-ignores"]
    assert [pattern for pattern, rules in ignored.items() if "D401" in rules] == [TESTS]


def test_the_rule_is_on() -> None:
    command = [sys.executable, *RUFF, "--stdin-filename", "mbc/example.py", "-"]
    output = subprocess.run(
        command, cwd=ROOT, input=EXAMPLE, text=True, check=True, capture_output=True
    ).stdout
    assert "D401" in {problem["code"] for problem in json.loads(output)}
