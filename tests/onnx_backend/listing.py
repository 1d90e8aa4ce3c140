"""The list of cases that are refused, as a file: `python -m tests.onnx_backend.listing` writes it.

A wrong answer is never listed, and fails here too.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from textwrap import TextWrapper

from tests.onnx_backend import light
from tests.onnx_backend.cases import KINDS, cases_of
from tests.onnx_backend.outcome import refusal_of, refusal_of_light

LIGHT = "light"
SECTIONS = (*KINDS, LIGHT)

FILE = Path(__file__).with_name("refused.txt")

HEADER = """\
Cases of ONNX's backend tests that mbc refuses, by the reason that it gives.
`python -m tests.onnx_backend.listing` writes this file; tests compare it with what happens.
"""

WIDTH = 118
PARTS = 16
"""Into how many parts the cases of a kind are divided."""

Refusals = Mapping[str, str]
"""Reasons by the names of cases."""


def names_of(kind: str) -> list[str]:
    """The cases of a kind."""
    return [*light.NAMES] if kind == LIGHT else [*cases_of(kind)]


def part_of(kind: str, part: int) -> list[str]:
    """The cases of one part: every 16th."""
    return names_of(kind)[part::PARTS]


def refusals(kind: str, names: Iterable[str]) -> tuple[Refusals, dict[str, str]]:
    """What is refused of some cases, and why; and which go wrong, and how."""
    refused, wrong = dict[str, str](), dict[str, str]()
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            try:
                if kind == LIGHT:
                    reason = refusal_of_light(name, Path(folder))
                else:
                    reason = refusal_of(cases_of(kind)[name], Path(folder))
            except Exception as problem:  # noqa: BLE001  whatever it is, it is told with the case
                wrong[name] = f"{type(problem).__name__}: {problem}"
                continue
            if reason is not None:
                refused[name] = reason
    return refused, wrong


def text_of(kind: str, refused: Refusals, total: int) -> str:
    """The section of a kind."""
    indent = "    "
    wrapped = TextWrapper(WIDTH, indent, indent, break_on_hyphens=False, break_long_words=False)
    grouped = defaultdict[str, list[str]](list)
    for name, reason in refused.items():
        grouped[reason].append(name)
    lines = [f"## {kind}: {total} cases, {total - len(refused)} pass"]
    for reason, names in sorted(grouped.items()):
        lines += ["", f"{reason} ({len(names)})"]
        lines += wrapped.wrap(" ".join(sorted(names)))
    return "\n".join(lines)


def listed(text: str | None = None) -> Mapping[str, Refusals]:
    """The refusals that the file lists, by kind."""
    found, kind, reason = dict[str, dict[str, str]](), "", ""
    for line in (FILE.read_text("utf-8") if text is None else text).splitlines():
        if line.startswith("## "):
            kind = line.removeprefix("## ").partition(":")[0]
            found[kind] = {}
        elif line.startswith("    "):
            found[kind].update(dict.fromkeys(line.split(), reason))
        else:
            reason = line.rpartition(" (")[0]
    return found


def _parts() -> list[tuple[str, int]]:
    return [(kind, part) for kind in SECTIONS for part in range(PARTS)]


def _evaluated(part: tuple[str, int]) -> tuple[str, Refusals, dict[str, str]]:
    return part[0], *refusals(part[0], part_of(*part))


def main() -> int:
    """Write the file; returns 1 if some answer is wrong."""
    refused, failed = {kind: dict[str, str]() for kind in SECTIONS}, False
    with ProcessPoolExecutor(2) as pool:
        for kind, found, wrong in pool.map(_evaluated, _parts()):
            refused[kind].update(found)
            for name, problem in wrong.items():
                failed = True
                sys.stderr.write(f"wrong: {kind} {name}: {problem}\n")
    sections = (text_of(kind, refused[kind], len(names_of(kind))) for kind in SECTIONS)
    FILE.write_text("\n\n".join([HEADER.strip(), *sections]) + "\n", "utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
