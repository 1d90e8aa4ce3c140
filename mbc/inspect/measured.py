"""Measured times beside predicted ones: what `mbc profile --json` prints, and executables write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mbc.diag import MbcError, error
from mbc.inspect.model import Inspected


def read_profile(path: Path, inspected: Inspected) -> dict[str, Any]:
    """Return the profile of a network from a file, with the time of each layer. Raises E0701, and
    E0714 if the file is no profile of these kernels."""
    try:
        profile = json.loads(path.read_bytes())
    except OSError as problem:
        raise error("E0701", f"cannot read {path}: {problem.strerror}") from None
    except ValueError:
        raise _no_profile(path, "is no JSON") from None
    try:
        layers: list[dict[str, Any]] = [
            {"name": str(row["name"]), "ms": float(row["ms"])} for row in profile["layers"]
        ]
        found = {
            "target": str(profile["target"]),
            "threads": int(profile["threads"]),
            "ms_median": float(profile["ms_median"]),
        }
    except (KeyError, TypeError, ValueError):
        raise _no_profile(path, "is no profile") from None
    _check([row["name"] for row in layers], path, inspected)
    return {**found, "layers": layers}


def _check(measured: list[str], path: Path, inspected: Inspected) -> None:
    """Raise E0714 unless the layers are those of the last stage."""
    ours = [node.name for node in inspected.last.nodes]
    if measured == ours:
        return
    other = next((name for name in measured if name not in ours), None)
    missing = next((name for name in ours if name not in measured), None)
    what = f"has a layer {other}" if other else f"has no layer {missing}"
    if not other and not missing:
        what = "has the layers in another order"
    raise _no_profile(path, f"{what}: it is of other kernels")


def _no_profile(path: Path, why: str) -> MbcError:
    helps = ["mbc profile --json prints one; give both commands the same network and target"]
    return error("E0714", f"{path} {why}", helps=helps)
