"""Where nodes come from: the module path and the Python line that exporters keep."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mbc.frontends.lowering.traces import Origin, location_in

TRACE, SCOPES = "pkg.torch.onnx.stack_trace", "pkg.torch.onnx.name_scopes"
"""Keys of the metadata that PyTorch's exporter writes."""

SCOPE = re.compile(r"'([^']*)'")


def origins_of(nodes: Any) -> Mapping[str, Origin]:
    """Return the origin of each node by its first result: names that version conversion keeps."""
    return {next(filter(None, node.output), ""): _origin(node) for node in nodes}


def _origin(node: Any) -> Origin:
    notes = {entry.key: entry.value for entry in node.metadata_props}
    scopes = SCOPE.findall(notes.get(SCOPES, ""))
    return Origin(scopes[-1] if scopes else _path_in(node.name), location_in(notes.get(TRACE, "")))


def _path_in(name: str) -> str:
    """Return the innermost module in a name such as /stage2/stage2.0/Conv."""
    parts = name.split("/")
    return parts[-2] if name.startswith("/") and len(parts) > 2 else ""
