"""Runs tests on copies of the source tree, each with one mistake in it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutant import Mutant

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("mbc", "frontends", "passes", "backends", "examples", "tests", "docs", "pyproject.toml")
PATIENCE_S = 900
STOPPED = (2, 4)  # pytest's exit status where something could not be imported
OPTIONS = ("-n", "0", "-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "tests.mutants.plugin")


@dataclass(frozen=True)
class Verdict:
    """Whether a run showed what it should; `by`, the test that failed, or what went wrong."""

    good: bool
    by: str


def copied(parent: Path) -> Path:
    """A copy of what this checkout tests, in a folder of its own."""
    tree = parent / "tree"
    tree.mkdir(parents=True)
    ignored = shutil.ignore_patterns("__pycache__", "build", ".*")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, tree / part, symlinks=True, ignore=ignored)
        else:
            shutil.copy2(source, tree / part)
    return tree


def caught(tree: Path, mutant: Mutant) -> Verdict:
    """Make the mistake in a copy, see a test fail for it, and mend it."""
    if problem := mutant.problem(tree):
        return Verdict(False, problem)
    file = tree / mutant.file
    before, text = file.stat(), file.read_text()
    file.write_text(mutant.applied(tree))
    os.utime(file, (0, 0))  # another time than the file had, so that no stale bytecode is run
    try:
        done = _pytest(tree, mutant.tests)
        if done is not None and mutant.at_import and done.returncode in STOPPED:
            return broken(done)
        return failing(done)
    finally:
        file.write_text(text)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def passes(tree: Path, tests: str) -> Verdict:
    """The same tests without a mistake."""
    done = _pytest(tree, tests)
    return Verdict(done is not None and done.returncode == 0, last_line(done))


def failing(done: subprocess.CompletedProcess[str] | None) -> Verdict:
    """A test failed: one that ran, so what cannot even be imported does not count. Or code that a
    test compiled and called touched a guard page, and that was the end of it."""
    if done is not None and done.returncode == -signal.SIGSEGV:
        return Verdict(True, "a guard page")
    lines = done.stdout.splitlines() if done else []
    names = [line.split()[1] for line in lines if line.startswith("FAILED ")]
    if done is None or done.returncode != 1 or not names:
        return Verdict(False, f"no test failed: {last_line(done)}")
    return Verdict(True, names[0].removeprefix("tests/"))


def broken(done: subprocess.CompletedProcess[str]) -> Verdict:
    """Judge a run that ended while tests, or what they need, were imported: what a mistake raises
    there is noticed, unless it is no Python at all."""
    pattern = r"^(?:E +|ERROR \S+ - )((?!Syntax|Indentation|Name)[\w.]*Error\b.*)"
    found = re.search(pattern, f"{done.stdout}\n{done.stderr}", re.MULTILINE)
    return Verdict(bool(found), f"import: {found[1] if found else last_line(done)}")


def last_line(done: subprocess.CompletedProcess[str] | None) -> str:
    """What a run said last."""
    if done is None:
        return f"no end after {PATIENCE_S} s"
    return ([*done.stderr.splitlines(), *done.stdout.splitlines()] or ["no output"])[-1]


def _pytest(tree: Path, tests: str) -> subprocess.CompletedProcess[str] | None:
    """The run, or None where it does not end."""
    command = [sys.executable, "-P", "-m", "pytest", *OPTIONS, tests]
    environment = dict(os.environ, PYTHONPATH=str(tree), COLUMNS="1000")
    environment.pop("PYTEST_ADDOPTS", None)
    try:
        return subprocess.run(
            command,
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        return None
