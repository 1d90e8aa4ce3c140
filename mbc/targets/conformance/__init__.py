"""Does emitted code keep to its target? Each check yields what is wrong, as text; nothing if all is
well. The files are read as bytes, so that a check sees what a linker or loader would see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

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
    """What is wrong with a file: an object (every instruction and symbol), a shared library (as a
    loader sees it), or an executable (its machine, and that it stands alone)."""
    try:
        yield from CHECKS[contract.target.object_format, kind](path.read_bytes(), contract)
    except FormatError as reason:
        yield str(reason)
