"""The IR as text: prints and parses back."""

from __future__ import annotations

from mbc.ir.text.printer import print_graph, renumber

__all__ = ["print_graph", "renumber"]
