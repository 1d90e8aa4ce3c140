"""Checks that emitted code conforms to its target. Each check yields problems as text. The files
are read as bytes, so that a check sees what a linker or loader would see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, Literal

from mbc.targets.conformance import elf, macho
from mbc.targets.conformance.contract import Contract, FormatError

Kind = Literal["object", "shared", "executable"]

__all__ = ["Contract", "Kind", "problems"]

CHECKS: Mapping[tuple[str, Kind], Callable[[bytes, Contract], Iterator[str]]] = {
    ("elf", "object"): elf.object_problems,
    ("elf", "shared"): elf.shared_problems,
    ("elf", "executable"): elf.executable_problems,
    ("macho", "object"): macho.object_problems,
    ("macho", "shared"): macho.shared_problems,
    ("macho", "executable"): macho.executable_problems,
}


def problems(path: Path, kind: Kind, contract: Contract) -> Iterator[str]:
    """Yield the problems of a file.

    In an object every instruction and symbol is checked, in a shared library what a loader sees, in
    an executable its machine, and that it is self-contained.
    """
    try:
        yield from CHECKS[contract.target.object_format, kind](_content(path), contract)
    except FormatError as reason:
        yield str(reason)


def _content(path: Path) -> Any:
    """Map a file, of which little may be read; an empty one cannot be mapped."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            return b""
        return mmap(file.fileno(), 0, access=ACCESS_READ)
