"""Where ops come from: the module path and the Python line that torch.export keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mbc.frontends.lowering.traces import Origin, location_in


def origin_of(notes: Mapping[str, Any]) -> Origin:
    """Return the origin that the metadata of an op tells."""
    return Origin(_module(notes.get("nn_module_stack")), location_in(_text(notes, "stack_trace")))


def _module(stack: object) -> str:
    """Return the innermost path of a stack of modules: key, then path and class."""
    if not isinstance(stack, Mapping):
        return ""
    paths = [path for path, _ in stack.values()]
    return str(paths[-1]) if paths else ""


def _text(notes: Mapping[str, Any], key: str) -> str:
    return str(notes.get(key) or "")
