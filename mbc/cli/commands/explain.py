"""`mbc explain`: what an error code, or the id of a remark, means."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from mbc.cli import console
from mbc.cli.usage import Parser
from mbc.codes import CODES
from mbc.codes.code import Code
from mbc.diag import error, nearest
from mbc.remarks import REMARKS


def configure(parser: Parser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "code",
        nargs="?",
        metavar="CODE",
        help="an error code such as E0203, or the id of a remark such as fuse-activation.shared; "
        "all codes if left out",
    )


def run(args: argparse.Namespace) -> int:
    """Print one code's page, or the list of codes."""
    if args.code is None:
        console.table(("code", "meaning"), [(code, CODES[code].title) for code in CODES])
        return 0
    name = args.code.strip("[]").upper()
    if (id := args.code.lower()) in REMARKS:
        console.result(f"{id}: {REMARKS[id]}")
        return 0
    if name not in CODES:
        helps = nearest(id, REMARKS) if "." in id else nearest(name, CODES)
        kind = "id of a remark" if "." in id else "error code"
        raise error("E0105", f"there is no {kind} '{args.code}'", helps=helps)
    console.result("\n\n".join(page(name, CODES[name])))
    return 0


def page(name: str, code: Code) -> Iterator[str]:
    """Return the paragraphs about a code."""
    yield f"{name}: {code.title}"
    yield code.cause
    yield f"Example: {code.example}"
    yield f"Cure: {code.cure}"
