"""The options of `mbc bench` that let TVM run the network, here or on a device of its RPC."""

from __future__ import annotations

import argparse

from mbc.cli.options import add_target
from mbc.cli.usage import Parser, whole_number
from mbc.diag import error
from mbc.driver.remote import TIMEOUT, Remote
from mbc.driver.request import LLVM, TVM

ONLY_REMOTE = ("key", "timeout", "target", "mcpu", "mattr")


def add_remote_options(parser: Parser) -> None:
    """Add the options of TVM's runtime and RPC."""
    add_target(parser, title="target, with --rpc")
    group = parser.add_argument_group("TVM")
    group.add_argument(
        "--backend",
        choices=(LLVM, TVM),
        help="the kernels by themselves (default llvm), or run by TVM (extra `tvm`)",
    )
    group.add_argument(
        "--rpc",
        metavar="HOST:PORT",
        help="time it on a device of this RPC tracker of TVM, if it answers as the oracle does",
    )
    group.add_argument("--key", metavar="K", help="which device (default: the tracker's only one)")
    group.add_argument(
        "--timeout",
        type=whole_number(1),
        metavar="S",
        help=f"seconds to wait for the device at most, and to use it then (default {TIMEOUT} each)",
    )


def remote(args: argparse.Namespace) -> Remote | None:
    """Return the device that the options ask for; None for this process. E0106 for options that
    exclude each other, E0108 for an address that is none."""
    if args.rpc is None:
        _refuse(args, ONLY_REMOTE, "is for --rpc; without it the network runs on this machine")
        return None
    if args.backend != TVM:
        raise error("E0106", "--rpc is TVM's", helps=[f"--rpc goes with --backend {TVM}"])
    _refuse(args, ("vs",), "times other engines in this process; --rpc times on a device")
    return Remote.at(args.rpc, args.key, args.timeout)


def _refuse(args: argparse.Namespace, names: tuple[str, ...], why: str) -> None:
    for name in names:
        if getattr(args, name):
            raise error("E0106", f"--{name} {why}")
