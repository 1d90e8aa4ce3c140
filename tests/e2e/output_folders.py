"""Output folders of `mbc compile`: how tests make, edit and judge them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from mbc.driver.platforms import this_host
from tests.e2e.support import Outcome, done

KINDS = ("--emit", "exe,lib,so,header")
HOST = {"x86_64": "x86_64", "aarch64": "arm64"}[this_host().machine]  # a target that runs here


def build(network: Path, target: str, *options: str) -> Path:
    """An output folder."""
    done("compile", network, "--target", target, "-o", "out", *options)
    return Path("out")


def errors(outcome: Outcome) -> dict[str, float]:
    """The worst error by artefact, from the table."""
    rows = [line.split() for line in outcome.out.splitlines()[1:]]
    return {row[0]: float(row[-1]) for row in rows if row[-2] == "output"}


def edit_manifest(folder: Path, **changes: Any) -> None:
    """The manifest with other values, and with the hashes of what is there now."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text()) | changes
    manifest["files"] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in manifest["files"]
    }
    path.write_text(json.dumps(manifest))
