"""The tables of docs/ops.md, as the product has them: each after `<!-- table: NAME -->`."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from mbc.cli.commands.ops import HEADERS, op_rows
from mbc.driver.formats import onnx_rows, tflite_rows, torch_rows
from mbc.driver.support import COLUMNS, support_rows

PAGE = Path(__file__).resolve().parents[1] / "docs" / "ops.md"
TABLE = re.compile(r"(<!-- table: (\w+) -->\n)(.*?)(?=\n\n|\Z)", re.DOTALL)


def markdown(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; names that text may say are code."""
    lines = [headers, ["---"] * len(headers), *([_code(row[0]), *row[1:]] for row in rows)]
    return "\n".join(f"| {' | '.join(_escaped(cell) for cell in line)} |" for line in lines)


def _code(name: str) -> str:
    return f"`{name.strip()}`"


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("*", "\\*").replace("[", "\\[").strip()


TABLES: dict[str, Callable[[], str]] = {
    "ops": lambda: markdown(HEADERS, op_rows()),
    "backends": lambda: markdown(("op", *COLUMNS), support_rows()),
    "onnx": lambda: markdown(("op of ONNX", "imported as"), onnx_rows()),
    "tflite": lambda: markdown(("op of TensorFlow Lite", "imported as"), tflite_rows()),
    "torch": lambda: markdown(("op of PyTorch", "imported as"), torch_rows()),
}


def shown() -> dict[str, str]:
    """The tables that the page has, by name."""
    return {name: table for _, name, table in TABLE.findall(PAGE.read_text("utf-8"))}


def rewrite() -> None:
    """Write the page's tables anew."""
    text = PAGE.read_text("utf-8")
    PAGE.write_text(TABLE.sub(lambda match: match[1] + TABLES[match[2]](), text), "utf-8")
