"""Import networks of torchvision and timm by both ONNX exporters and by torch.export.

    python -m tests.zoo.imports [--size 224] [--way WAY] [NAME ...]

needs torch, torchvision and timm. Each network is imported, compiled for this machine and run on
a random image. A row tells how far its output is from PyTorch's, of the largest one, by each way,
or what was refused. It fails where less is imported than `REQUIRED`, or an answer is wrong.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

import mbc
from mbc.diag import MbcError
from tests.zoo.definitions import DEFINITIONS, Definition
from tests.zoo.ways import TOLERANCE, WAYS, answer, drawn, error_of

REQUIRED = 58
"""Networks that must be imported by all ways."""
TYPICAL = 5e-6
"""What half of the errors must be below."""


@dataclass(frozen=True)
class Outcome:
    """What came of one network by one way."""

    error: float | None = None
    """Of the largest output; None if it was refused."""
    refusals: tuple[str, ...] = ()
    seconds: float = 0.0

    def __str__(self) -> str:
        return "refused" if self.error is None else f"{self.error:.1e}"

    @property
    def is_wrong(self) -> bool:
        """Whether it computes something else."""
        return self.error is not None and not self.error <= TOLERANCE


def outcome(way: str, module: Any, x: Any, folder: Path) -> Outcome:
    """Import, compile and run."""
    start, expected = time.process_time(), answer(module, x)
    try:
        net = mbc.compile(WAYS[way](module, x, folder))
    except MbcError as problem:
        refusals = tuple(f"{d.message} ({d.label})" for d in problem.diagnostics)
        return Outcome(None, refusals, time.process_time() - start)
    return Outcome(error_of(net, x, expected), (), time.process_time() - start)


def outcomes(
    definition: Definition, ways: Sequence[str], size: int
) -> Iterator[tuple[str, Outcome]]:
    """One network by some ways."""
    module, x = definition.module(), drawn(size)
    for way in ways:
        with tempfile.TemporaryDirectory() as folder:
            yield way, outcome(way, module, x, Path(folder))


def _chosen(names: Sequence[str]) -> list[Definition]:
    known = {definition.name: definition for definition in DEFINITIONS}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"no network is called {', '.join(unknown)}")
    return [known[name] for name in names] if names else list(DEFINITIONS)


def main() -> int:
    """Print the table; the number of what is wrong is the exit code."""
    parser = argparse.ArgumentParser(description="import networks of torchvision and timm")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--size", type=int, default=224, help="height and width of the image")
    parser.add_argument("--way", dest="ways", action="append", choices=[*WAYS])
    args = parser.parse_args()
    torch.set_num_threads(1)
    ways = args.ways or [*WAYS]
    print("network".ljust(34), *(f"{way:>18}" for way in ways), f"{'seconds':>8}", flush=True)
    rows = []
    for definition in _chosen(args.names):
        row = dict(outcomes(definition, ways, args.size))
        rows.append(row)
        seconds = sum(each.seconds for each in row.values())
        cells = (f"{row[way]!s:>18}" for way in ways)
        print(definition.name.ljust(34), *cells, f"{seconds:8.1f}", flush=True)
        for way, each in row.items():
            for refusal in each.refusals:
                print(f"    {way}: {refusal}", flush=True)
    return _summary(rows, complete=not args.names)


def _summary(rows: Sequence[dict[str, Outcome]], *, complete: bool) -> int:
    every = [each for row in rows for each in row.values()]
    errors = [each.error for each in every if each.error is not None]
    whole = sum(all(each.error is not None for each in row.values()) for row in rows)
    wrong = sum(each.is_wrong for each in every)
    middle = median(errors) if errors else 0.0
    print(f"{whole} of {len(rows)} by all ways; median {middle:.1e}, {wrong} above {TOLERANCE:g}")
    short = complete and (whole < REQUIRED or middle > TYPICAL)
    return wrong + short


if __name__ == "__main__":
    sys.exit(main())
