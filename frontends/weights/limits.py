"""Limits of weight files: no file, however it is made, takes more memory or time than these."""

from __future__ import annotations

MAX_PICKLE = 16 << 20
"""Bytes of pickles in one file; those of a state dict of 1,000 tensors take some 100 kB."""
MAX_STEPS = 1_000_000
"""Opcodes of one pickle."""
MAX_EXTENT = 1 << 40
"""Elements along an axis, a stride, an offset or a storage."""
MAX_RANK = 8
"""Axes of a tensor."""
MAX_DIRECTORY = 8 << 20
"""Bytes of a zip file's directory."""
MAX_TOTAL = 4 << 30
"""Bytes of all members of a zip file, unpacked."""
MAX_RATIO = 100
"""Unpacked bytes of a member for each packed one."""
SMALL = 1 << 20
"""Unpacked bytes below which a member may be packed more tightly."""


class LimitError(Exception):
    """A file asks for more than a limit."""
