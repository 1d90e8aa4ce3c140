"""Every test here works in a folder of its own that holds the small network."""

from pathlib import Path

import pytest

from tests.e2e.support import TINY


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """tiny.py in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MBC_CC", raising=False)
    path = Path("tiny.py")
    path.write_text(TINY)
    return path
