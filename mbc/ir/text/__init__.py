"""The IR as text: prints and parses back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mbc.ir.text.module import DumpFolder, load_module, write_dump
from mbc.ir.text.printer import print_graph

if TYPE_CHECKING:
    from mbc.ir.text.parser import parse

__all__ = ["DumpFolder", "load_module", "parse", "print_graph", "write_dump"]


def __getattr__(name: str) -> Any:
    """Import the parser when it is first asked for, which takes time."""
    if name == "parse":
        from mbc.ir.text.parser import parse

        return parse
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
