"""The kinds of files that `--emit` takes are those that docs/cli.md lists."""

from __future__ import annotations

import re
from pathlib import Path

from mbc.driver.producers.llvm_files import (
    ANDROID_EMIT,
    CODE_KINDS,
    DEFAULT_EMIT,
    EMITTERS,
    RUNNABLE_KINDS,
)

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text("utf-8")
_, _, TABLE = PAGE.partition("| file | `--emit` | what it is |\n")
KINDS = re.findall(r"^\| `[^|]*\| (\w+) \|", TABLE.partition("\n\n")[0], re.MULTILINE)


def test_every_kind_is_made_and_documented() -> None:
    assert set(EMITTERS) == set(KINDS) - {"always"}
    assert len(KINDS) == len(set(KINDS))


def test_what_is_written_unless_the_user_says() -> None:
    said = f"default `{','.join(DEFAULT_EMIT)}`, for Android `{','.join(ANDROID_EMIT)}`"
    assert said in PAGE


def test_what_runs_is_checked_and_what_is_code_needs_weights() -> None:
    (checked,) = re.findall(r"\| `NET.check.npz` \| with (.*), unless", PAGE)
    assert set(re.split(", | and ", checked)) == RUNNABLE_KINDS
    assert RUNNABLE_KINDS | {"obj"} == CODE_KINDS
