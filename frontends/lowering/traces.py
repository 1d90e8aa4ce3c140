"""Where ops come from: module paths, and Python stacks that exporters keep in text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from mbc.diag import Location

FRAME = re.compile(r'File "([^"\n]+)", line ([0-9]{1,7})')
NOT_USERS = re.compile(r"(site|dist)-packages/torch/|/mbc/frontends/")


class Origin(NamedTuple):
    """Where an op comes from."""

    module: str = ""
    """Path of the module; "" if unknown, or the whole one."""
    location: Location | None = None
    """The user's Python line; None if unknown."""


def location_in(trace: str) -> Location | None:
    """Find the innermost line of a stack outside PyTorch and mbc, in a Python file that exists."""
    for file, line in reversed(FRAME.findall(trace)):
        if not NOT_USERS.search(file) and file.endswith(".py") and _is_file(file):
            return Location(file, int(line))
    return None


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False
