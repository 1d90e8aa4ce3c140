"""What was measured elsewhere: the times of `mbc profile --json` and of executables, and the losses
of `mbc quantize --json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mbc.diag import MbcError, error
from mbc.inspect.model import Inspected

PROFILE = "mbc profile --json prints one; give both commands the same network and target"
LOSSES = "mbc quantize --json prints it; give both commands the same network"


def read_profile(path: Path, inspected: Inspected) -> dict[str, Any]:
    """Return the profile of a network from a file, with the time of each layer. Raises E0701, and
    E0714 if the file is no profile of these kernels."""
    profile = _read(path, PROFILE)
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
        raise _unfit(path, "is no profile", PROFILE) from None
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
    raise _unfit(path, f"{what}: it is of other kernels", PROFILE)


def read_losses(path: Path, inspected: Inspected) -> dict[str, Any]:
    """Return what layers of a network lose on codes, from a file. Raises E0701, and E0714 if the
    file does not tell it of this network."""
    losses = _read(path, LOSSES)
    try:
        layers = {
            str(row["name"]): {key: _decibels(row[key]) for key in ("alone", "total")}
            for row in losses["layers"]
        }
        outputs = {str(name): _decibels(value) for name, value in losses["outputs"].items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        raise _unfit(path, "is nothing that mbc quantize prints", LOSSES) from None
    known = {name for node in inspected.last.nodes for name in node.origins}
    other = next((name for name in layers if name not in known), None)
    if other is not None:
        raise _unfit(path, f"has a layer {other}: it is of another network", LOSSES)
    return {"layers": layers, "outputs": outputs}


def _decibels(value: float | None) -> float | None:
    return None if value is None else float(value)


def _read(path: Path, help: str) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as problem:
        raise error("E0701", f"cannot read {path}: {problem.strerror}") from None
    except ValueError:
        raise _unfit(path, "is no JSON", help) from None


def _unfit(path: Path, why: str, help: str) -> MbcError:
    return error("E0714", f"{path} {why}", helps=[help])
