"""`mbc verify` and manifests that do not describe their folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.output_folders import HOST, build, edit_manifest
from tests.e2e.support import done, mbc


def manifests() -> Iterator[tuple[str, Any]]:
    """Manifests that do not describe their folder, and what is said of them."""
    output = {"name": "output", "dtype": "f32"}
    yield "E0720", {"outputs": [output | {"shape": [1, 11]}]}
    yield "E0722", {"inputs": [{"name": "input", "dtype": "f32", "shape": [1, 8, 8, 3]}]}
    yield "E0721", {"check": {"file": "tiny.check.npz", "seed": 1, "tolerance": 1e-4}}
    yield "E0727", {"check": None}
    yield "E0713", {"triple": "mips64-unknown-linux-gnu"}
    yield "E0713", {"inputs": [{"name": "input", "dtype": "f32", "shape": [1, -8, 8, 3]}]}
    yield "E0713", {"inputs": "input"}
    yield "E0713", {"name": "no identifier"}
    yield "E0713", {"name": "../tiny"}
    yield "E0713", {"arena_bytes": 7}
    yield "E0713", {"features": None}
    yield "E0724", {"name": "other"}


@pytest.mark.parametrize(("code", "changes"), list(manifests()), ids=lambda value: str(value)[:40])
def test_a_manifest_that_does_not_match(tiny: Path, code: str, changes: dict[str, Any]) -> None:
    folder = build(tiny, HOST, "--emit", "exe")
    edit_manifest(folder, **changes)
    outcome = mbc("verify", folder)
    assert (outcome.status, outcome.code) == (1, code), outcome.err


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": {}}', '{"a": ' * 5000])
def test_no_manifest(tiny: Path, text: str) -> None:
    Path("out").mkdir()
    assert mbc("verify", "out").code == "E0701"
    assert mbc("verify", "nowhere").code == "E0701"
    Path("out/manifest.json").write_text(text)
    assert mbc("verify", "out").code == "E0713"


def test_a_folder_of_an_older_version(tiny: Path) -> None:
    folder = build(tiny, HOST, "--emit", "exe")
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["build"]
    path.write_text(json.dumps(manifest))
    outcome = mbc("verify", folder)
    assert outcome.code == "E0713"
    assert "was written by an older mbc, with another C interface" in outcome.err
    done("compile", tiny, "--emit", "exe", "-o", folder)  # and it is replaced


def test_a_manifest_that_leads_out_of_its_folder(tiny: Path) -> None:
    folder = build(tiny, HOST, "--emit", "exe")
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["../tiny.py"] = hashlib.sha256(tiny.read_bytes()).hexdigest()
    path.write_text(json.dumps(manifest))
    assert mbc("verify", folder).code == "E0713"


def test_a_file_that_is_missing(tiny: Path) -> None:
    folder = build(tiny, HOST, "--emit", "exe,header")
    (folder / "tiny.h").unlink()
    (folder / "tiny.check.npz").write_bytes(b"PK")
    outcome = mbc("verify", folder)
    assert outcome.err.count("error[E0720]") == 2
    assert "out/tiny.h cannot be read: No such file or directory" in outcome.err
    (folder / "tiny.h").touch()
    edit_manifest(folder)
    outcome = mbc("verify", folder)
    assert outcome.code == "E0720"
    assert "tiny.check.npz does not hold the outputs" in outcome.err


# ---- without a reference ---------------------------------------------------------------------
