"""`mbc new`: copy one of the networks that travel with mbc."""

from __future__ import annotations

import argparse
from importlib import resources
from pathlib import Path

from mbc.cli import console
from mbc.cli.usage import Parser
from mbc.diag import error, nearest
from mbc.driver.output import write_file

HELP = "copy an example network, to begin with"


def configure(parser: Parser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "example", nargs="?", metavar="EXAMPLE", help="such as mobilenet_v1.py; all if left out"
    )
    parser.add_argument("-o", dest="output", type=Path, metavar="FILE", help="(default: its name)")


def run(args: argparse.Namespace) -> int:
    """Copy it; without an example list them."""
    if args.example is None:
        console.table(("example", "network"), [(n, _summary(n)) for n in example_names()])
        return 0
    name = args.example if args.example.endswith(".py") else f"{args.example}.py"
    if name not in example_names():
        raise error(
            "E0104",
            f"there is no example '{args.example}'",
            helps=[*nearest(name, example_names()), f"examples: {', '.join(example_names())}"],
        )
    output = args.output or Path(name)
    write_file(output, _text(name), overwrite=False)
    console.note(f"wrote {output}; try: mbc compile {output} --target arm64")
    return 0


def example_names() -> list[str]:
    """File names of the examples."""
    folder = resources.files("mbc").joinpath("examples")
    names = (entry.name for entry in folder.iterdir())
    return sorted(name for name in names if name.endswith(".py") and name != "__init__.py")


def _text(name: str) -> str:
    return resources.files("mbc").joinpath("examples", name).read_text("utf-8")


def _summary(name: str) -> str:
    first = _text(name).lstrip('"').partition("\n")[0]
    return first.rstrip('"').rstrip(".")
