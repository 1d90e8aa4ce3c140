"""Where nodes come from: the module path and the Python line that exporters keep."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mbc.diag import Location

TRACE, SCOPES = "pkg.torch.onnx.stack_trace", "pkg.torch.onnx.name_scopes"
"""Keys of the metadata that PyTorch's exporter writes."""

FRAME = re.compile(r'File "([^"\n]+)", line ([0-9]{1,7}),')
SCOPE = re.compile(r"'([^']*)'")


class Origin(NamedTuple):
    """Where a node comes from."""

    module: str = ""
    """Path of the module; "" if unknown."""
    location: Location | None = None
    """The user's Python line; None if unknown."""


def origins_of(nodes: Any) -> Mapping[str, Origin]:
    """Return the origin of each node by its first result: names that version conversion keeps."""
    return {node.output[0]: _origin(node) for node in nodes if node.output}


def _origin(node: Any) -> Origin:
    notes = {entry.key: entry.value for entry in node.metadata_props}
    scopes = SCOPE.findall(notes.get(SCOPES, ""))
    return Origin(scopes[-1] if scopes else _path_in(node.name), _location(notes.get(TRACE, "")))


def _path_in(name: str) -> str:
    """Return the innermost module in a name such as /stage2/stage2.0/Conv."""
    parts = name.split("/")
    return parts[-2] if name.startswith("/") and len(parts) > 2 else ""


def _location(trace: str) -> Location | None:
    """Find the innermost line of a stack outside PyTorch, in a Python file that is there."""
    for file, line in reversed(FRAME.findall(trace)):
        if "/torch/" not in file and file.endswith(".py") and _is_file(file):
            return Location(file, int(line))
    return None


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False
