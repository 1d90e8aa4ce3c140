"""`mbc weights`: what a weight file holds, and which tensor of it is which parameter."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mbc.cli import console
from mbc.cli.options import add_parameters, add_weights_from, model_options, parameters
from mbc.cli.usage import Parser, UsageError
from mbc.driver.request import Request
from mbc.driver.weights import MapRequest, map_weights, write_mapping
from mbc.frontends.weights.listings import extents
from mbc.frontends.weights.mapping import Match
from mbc.frontends.weights.orders import ORDERS
from mbc.frontends.weights.stored import Listing, stored_tensors

FILES = ".safetensors, .npz, or a state dict of PyTorch (.pth, .pt, .bin, .ckpt, .tar)"


def configure(parser: Parser) -> None:
    """Declare the two actions and their options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    help = "list the tensors of a file"
    _configure_show(actions.add_parser("show", help=help, description=f"{help.capitalize()}."))
    help = "write the tensors of a file by the names and in the order of a network"
    _configure_map(actions.add_parser("map", help=help, description=f"{help.capitalize()}."))


def _configure_show(parser: Parser) -> None:
    _add_file(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def _configure_map(parser: Parser) -> None:
    _add_file(parser)
    parser.add_argument(
        "network_file", metavar="NET", type=Path, help="network (.py, which is run) or IR text"
    )
    parser.add_argument(
        "-o",
        dest="output",
        type=Path,
        metavar="OUT.safetensors",
        help="file to write; without it the table alone is printed",
    )
    parser.add_argument("--rules", type=Path, metavar="FILE", help="rules that rename tensors")
    add_weights_from(parser)
    parser.add_argument(
        "--layout",
        choices=ORDERS,
        help="order of the file's axes: pytorch (OIHW, OI) or mbc (HWIO, IO); without it each "
        "shape must fit one of them alone",
    )
    add_parameters(parser)


def _add_file(parser: Parser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help=FILES)
    parser.add_argument("--key", metavar="KEY", help="which state dict, if the file has several")


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    return _show(args) if args.action == "show" else _map(args)


def _show(args: argparse.Namespace) -> int:
    listing = stored_tensors(args.file, args.key)
    if args.json:
        console.result(json.dumps(_as_json(args.file, listing), indent=2))
        return 0
    rows = [
        (_printable(each.name), extents(each.shape), each.dtype)
        for each in listing.tensors.values()
    ]
    console.table(("name", "shape", "type"), rows)
    for remark in listing.remarks:
        console.note(_printable(remark))
    return 0


def _as_json(path: Path, listing: Listing) -> dict[str, object]:
    return {
        "file": str(path),
        "tensors": [
            {"name": each.name, "shape": each.shape, "dtype": each.dtype}
            for each in listing.tensors.values()
        ],
        "remarks": listing.remarks,
    }


def _map(args: argparse.Namespace) -> int:
    if args.output is not None and args.output.suffix != ".safetensors":
        raise UsageError(f"-o names a .safetensors file, not {args.output}", [])
    if args.weights_from is not None and (args.rules or args.layout):
        raise UsageError("--weights-from has rules and a layout of its own", [])
    network = Request(
        args.network_file,
        parameters(args.params),
        batch=args.batch,
        network=args.network,
        model=model_options(args),
        weights_from=args.weights_from,
    )
    what = MapRequest(args.file, args.rules, args.layout, args.key)
    mapping = map_weights(network, what)
    columns = ("parameter", "shape", "tensor", "shape", "type", "change")
    console.table(columns, [_row(each) for each in mapping.matches])
    for remark in mapping.remarks:
        console.note(_printable(remark))
    if args.output is not None:
        write_mapping(mapping, args.output)
        console.note(f"wrote {args.output}: {console.counted(len(mapping.matches), 'tensor')}")
    return 0


def _row(match: Match) -> tuple[str, ...]:
    target, stored = match.target, match.stored
    return (
        target.constant.name,
        extents(target.shape),
        _printable(stored.name),
        extents(stored.shape),
        stored.dtype,
        target.change(len(stored.shape), match.order),
    )


def _printable(text: str) -> str:
    """Escape what could control the terminal: names come from a file."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
