"""`mbc new`: copy one of the networks that travel with mbc."""

from __future__ import annotations

import argparse
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from mbc.cli import console
from mbc.cli.usage import Parser
from mbc.diag import error, nearest
from mbc.driver.output import write_file

FOLDERS = ("tiny", "detection")  # of examples/, beside what lies in it


def configure(parser: Parser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "example", nargs="?", metavar="EXAMPLE", help="such as mobilenet_v1.py; all if left out"
    )
    parser.add_argument("-o", dest="output", type=Path, metavar="FILE", help="(default: its name)")


def run(args: argparse.Namespace) -> int:
    """Copy it; without an example list them."""
    known = examples()
    if args.example is None:
        console.table(("example", "network"), [(n, _summary(e)) for n, e in known.items()])
        return 0
    name = args.example if args.example.endswith(".py") else f"{args.example}.py"
    if name not in known:
        raise error(
            "E0104",
            f"there is no example '{args.example}'",
            helps=[*nearest(name, known), f"examples: {', '.join(known)}"],
        )
    output = args.output or Path(name)
    write_file(output, known[name].read_text("utf-8"), overwrite=False)
    console.note(f"wrote {output}; try: mbc compile {output} --target arm64")
    return 0


def examples() -> dict[str, Traversable]:
    """Return the networks by file name; no two folders have one of the same name."""
    top = resources.files("mbc").joinpath("examples")
    entries = [entry for folder in (top, *map(top.joinpath, FOLDERS)) for entry in folder.iterdir()]
    pages = {entry.name: entry for entry in entries if entry.name.endswith(".py")}
    return {name: pages[name] for name in sorted(pages) if "@network" in pages[name].read_text()}


def _summary(example: Traversable) -> str:
    first = example.read_text("utf-8").lstrip('"').partition("\n")[0]
    return first.rstrip('"').rstrip(".")
