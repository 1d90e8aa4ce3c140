"""Data for a page: what graphs have in common is kept once, then it is compressed."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from typing import Any


def pack(data: Mapping[str, Any]) -> str:
    """Return the object of `mbc inspect --json` as base64 of compressed JSON. Nodes and lines of IR
    text that stages have in common stand in `nodes` and `lines`, and graphs have their indices."""
    nodes, lines = _Table(), _Table()
    graphs = [
        {
            **graph,
            "nodes": [nodes.index(node) for node in graph["nodes"]],
            "text": [lines.index(line) for line in graph["text"].splitlines()],
        }
        for graph in data["graphs"]
    ]
    packed = {**data, "graphs": graphs, "nodes": nodes.items, "lines": lines.items}
    text = json.dumps(packed, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode("utf-8"), 9, mtime=0)).decode("ascii")


class _Table:
    """Items by index, equal ones once."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self._known: dict[str, int] = {}

    def index(self, item: Any) -> int:
        """Return the index of an item, which is added if it is new."""
        key = json.dumps(item, sort_keys=True)
        if key not in self._known:
            self._known[key] = len(self.items)
            self.items.append(item)
        return self._known[key]
