"""`mbc verify`: does an output folder compute what its network computes?"""

from __future__ import annotations

import argparse
from pathlib import Path

from mbc.cli import console
from mbc.cli.usage import Parser
from mbc.driver.artifact_runner import Verdict
from mbc.driver.verify import verify

STEPS = 5


def configure(parser: Parser) -> None:
    """Declare the command's options."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="what mbc compile made")
    parser.add_argument(
        "--emulate", action="store_true", help="run under qemu even what this machine can run"
    )
    parser.add_argument(
        "--cpu",
        metavar="NAME",
        help="emulate this CPU, of a board (rpi4), LLVM or qemu (default: what it is made for)",
    )
    parser.add_argument("--cc", metavar="CC", help="link with this compiler, not zig (also MBC_CC)")


def run(args: argparse.Namespace) -> int:
    """Verify, print a row an output, and raise E0721 if one is too far off."""
    with console.progress(STEPS) as observer:
        found = verify(
            args.folder,
            emulate=args.emulate,
            cpu=args.cpu,
            cc=args.cc,
            observer=observer,
        )
    rows = [row for verdict in found.verdicts for row in _rows(verdict)]
    console.table(("artefact", "run on", "output", "worst error"), rows, right=(3,))
    found.complain()
    console.result(f"{args.folder}: verified, every error is at most {found.tolerance:g}")
    return 0


def _rows(verdict: Verdict) -> list[tuple[str, str, str, str]]:
    if not verdict.ran_by:
        return [(verdict.artefact, "not run: no loader for it here; its code is checked", "", "")]
    return [
        (verdict.artefact, verdict.ran_by, output, f"{found.error:.2g}")
        for output, found in verdict.errors.items()
    ]
