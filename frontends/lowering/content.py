"""The bytes of a model's file."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

from mbc.diag import error

MAX_BYTES = 2**31 - 1
"""The size of the largest message of protobuf, and of the largest flatbuffer."""


def content_of(path: Path, format: str, helps: Sequence[str] = ()) -> bytes:
    """Read a file. Raises E0701 for one that cannot be read, E0801 for one above 2 GB."""
    try:
        found = path.stat()
        if stat.S_ISREG(found.st_mode) and found.st_size <= MAX_BYTES:
            return path.read_bytes()
    except OSError as problem:
        raise error("E0701", f"cannot read {path}: {problem.strerror or problem}") from None
    if not stat.S_ISREG(found.st_mode):
        raise error("E0701", f"cannot read {path}: it is not a file")
    message = f"{path} has {found.st_size:,} bytes; a model in {format} has 2 GB at most"
    raise error("E0801", message, helps=helps)
