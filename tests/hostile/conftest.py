"""A sandbox for each test."""

import tempfile
from pathlib import Path

import pytest

from tests.hostile.sandbox import Sandbox, make_bundle, make_sandbox


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def sandbox(tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The current folder is that of the sandbox, and its temporary files lie beside."""
    made = make_sandbox(tmp_path, bundle)
    monkeypatch.chdir(made.work)
    monkeypatch.setenv("TMPDIR", str(made.temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)  # where Python remembers the folder
    monkeypatch.delenv("MBC_CC", raising=False)
    return made
