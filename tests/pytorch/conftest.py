"""These tests need PyTorch, which `make test` installs where its CPU build is known."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

MARKER = Path(__file__).resolve().parents[2] / ".venv" / ".torch"
"""What `make test` leaves where it has installed PyTorch; without PyTorch tests then fail."""

collect_ignore_glob: list[str] = []
if find_spec("torch") is None and not MARKER.exists():
    collect_ignore_glob.append("test_*.py")


def pytest_report_header() -> list[str]:
    """Say that the tests are left out."""
    return ["no PyTorch: tests/pytorch is left out"] if collect_ignore_glob else []


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
