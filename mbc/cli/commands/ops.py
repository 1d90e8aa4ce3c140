"""`mbc ops`: the ops of the IR."""

from __future__ import annotations

import argparse
from dataclasses import MISSING, Field, fields
from typing import Any

from mbc.cli import console
from mbc.cli.usage import Parser
from mbc.driver.formats import onnx_rows, tflite_rows, torch_rows
from mbc.driver.support import COLUMNS, int8_rows, support_rows
from mbc.ir.activations import KINDS, Activation
from mbc.ir.op import Op, OperandSpec
from mbc.ops import OPS

HEADERS = ("op", "operands", "attributes", "meaning")


def configure(parser: Parser) -> None:
    """Declare the command's options."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--onnx", action="store_true", help="list the ops of ONNX that are imported")
    which.add_argument(
        "--tflite",
        action="store_true",
        help="list the ops of TensorFlow Lite that are imported",
    )
    which.add_argument(
        "--torch", action="store_true", help="list the ops of PyTorch that are imported"
    )
    which.add_argument(
        "--backends", action="store_true", help="list which backend has a kernel for which op"
    )
    which.add_argument(
        "--int8", action="store_true", help="list what becomes of each op on 8-bit codes"
    )


def run(args: argparse.Namespace) -> int:
    """Print a row an op (operands, attributes with their defaults, meaning) and an activation."""
    if args.onnx:
        console.table(("op of ONNX", "imported as"), onnx_rows())
    elif args.tflite:
        console.table(("op of TensorFlow Lite", "imported as"), tflite_rows())
    elif args.torch:
        console.table(("op of PyTorch", "imported as"), torch_rows())
    elif args.backends:
        console.table(("op", *COLUMNS), support_rows())
        console.note("a code is that of the error that refuses the op: mbc explain E0517")
    elif args.int8:
        console.table(("op", "on codes"), int8_rows())
    else:
        console.table(HEADERS, op_rows())
    return 0


def op_rows() -> list[tuple[str, ...]]:
    """Return a row an op and an activation, by HEADERS."""
    return [*map(_row, OPS), *map(_activation, KINDS.values())]


def _row(op: type[Op]) -> tuple[str, ...]:
    return (
        op.mnemonic,
        ", ".join(_operand(spec) for spec in op.operands),
        " ".join(_attribute(field) for field in fields(op)),
        (op.__doc__ or "").strip().partition("\n\n")[0].replace("\n", " ").replace("    ", ""),
    )


def _activation(kind: type[Activation]) -> tuple[str, ...]:
    known = " ".join(f"{field.name}={field.default:g}" for field in fields(kind))
    return (f"  {kind.name}", "", known, f"activation: {(kind.__doc__ or '').strip()}")


def _operand(spec: OperandSpec) -> str:
    name = ("@" if spec.constant else "%") + spec.name + ("…" if spec.variadic else "")
    return f"[{name}]" if spec.optional else name


def _attribute(field: Field[Any]) -> str:
    if field.default is MISSING:
        return field.name
    default = str(field.default).replace(" ", "").lower()
    return f"{field.name}={default}"
