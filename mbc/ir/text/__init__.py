"""The IR as text: prints and parses back."""

from __future__ import annotations

from mbc.ir.text.module import DumpFolder, load_module, write_dump
from mbc.ir.text.parser import parse
from mbc.ir.text.printer import print_graph

__all__ = ["DumpFolder", "load_module", "parse", "print_graph", "write_dump"]
