"""Objects of mbc's own C sources: compiled when a program is first linked with them, then kept.

An object is a function of the texts that the compiler reads, of the compiler and of its options.
Their digest names it in the toolchain's cache.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from mbc.backends.llvm.toolchain import C_FLAGS, LinkTarget, Toolchain, call_tool
from mbc.files import write_whole

MOST_KEPT = 128
"""Objects in a cache. Each build of a network has one of its own, of some 40 kB."""
_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)


def compiled(
    source: Path, folders: Sequence[Path], target: LinkTarget, toolchain: Toolchain, scratch: Path
) -> Path:
    """Compile a C source, whose quoted headers lie beside it or in `folders`, into the scratch
    folder, unless the toolchain keeps its object. Raises LinkError (E0602)."""
    # Without debug information, since executables are stripped.
    command = (*toolchain.compiler(target), *C_FLAGS, "-g0")
    made, cache = scratch / f"{source.stem}.o", toolchain.object_cache()
    key = _key(source, folders, (toolchain.name, *command))
    kept = None if cache is None else cache / f"{source.stem}-{key}.o"
    if kept is None or not _recalled(kept, made):
        options = (*header_options([source.parent], folders), "-c", str(source), "-o", str(made))
        call_tool(toolchain, (*command, *options), scratch)
        if kept is not None:
            _keep(made, kept)
    return made


def header_options(beside: Sequence[Path], folders: Sequence[Path]) -> tuple[str, ...]:
    """Return the options for sources in some folders, with headers in others: the places of neither
    show in the object."""
    return (
        *(f"-ffile-prefix-map={folder}=." for folder in dict.fromkeys([*beside, *folders])),
        *(word for folder in folders for word in ("-iquote", str(folder))),
    )


def _key(source: Path, folders: Sequence[Path], command: Sequence[str]) -> str:
    digest = hashlib.sha256("\n".join(command).encode())
    for text in _texts(source, folders, set()):
        digest.update(hashlib.sha256(text).digest())
    return digest.hexdigest()[:32]


def _texts(source: Path, folders: Sequence[Path], seen: set[Path]) -> Iterator[bytes]:
    """Yield a source, then the quoted headers in it, whether its conditions hold or not."""
    seen.add(source)
    yield (text := source.read_bytes())
    for name in _INCLUDE.findall(text):
        places = (folder / os.fsdecode(name) for folder in (source.parent, *folders))
        header = next((place for place in places if place.exists()), None)
        if header is not None and header not in seen:
            yield from _texts(header, folders, seen)


def _recalled(kept: Path, made: Path) -> bool:
    """Copy a kept object, if there is one; it counts as used now."""
    try:
        data = kept.read_bytes()
    except OSError:
        return False
    with suppress(OSError):
        os.utime(kept)
    made.write_bytes(data)
    return True


def _keep(made: Path, kept: Path) -> None:
    """Keep an object, and none but those used last."""
    with suppress(OSError):  # then the next link compiles it once more
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_whole(kept, made.read_bytes())
        by_use = sorted(kept.parent.glob("*.o"), key=lambda path: path.stat().st_mtime)
        for path in by_use[:-MOST_KEPT]:
            path.unlink(missing_ok=True)
