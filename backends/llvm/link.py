"""From objects to artefacts: the archive, the executable.

Everything is done by a `Toolchain`. The same inputs give the same bytes, in whatever folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mbc.backends.llvm.c_objects import compiled, header_options
from mbc.backends.llvm.toolchain import C_FLAGS, LINK_FLAGS, LinkTarget, Toolchain, call_tool
from mbc.files import scratch_folder
from mbc.runtime import abi

MAIN_C = Path(abi.__file__).parent / "c" / "main.c"  # includes the text of abi.main_config()
MAIN_SOURCES = (MAIN_C, MAIN_C.with_name("pool.c"))

Progress = Callable[[str], None]


def _silent(message: str) -> None:
    """Discard progress."""


def assemble(source: Path, out: Path, target: LinkTarget, toolchain: Toolchain) -> None:
    """Make an object of an assembly file, which lies in a scratch folder: zig runs there, for the
    object names the source as seen from where zig runs. Without -g0 those for a Mac name the
    folder too."""
    command = (*toolchain.compiler(target), "-g0", "-c", str(source), "-o", str(out.absolute()))
    call_tool(toolchain, command, source.parent)


def archive(objects: Sequence[Path], out: Path, toolchain: Toolchain) -> None:
    """Write a static library of `objects`, in this order, without dates and owners."""
    out.unlink(missing_ok=True)  # ar adds to an archive that exists
    members = [str(path.absolute()) for path in objects]
    with scratch_folder() as scratch:
        call_tool(
            toolchain, (*toolchain.archiver(), "rcsD", str(out.absolute()), *members), scratch
        )


def link_executable(
    inputs: Sequence[Path],
    out: Path,
    target: LinkTarget,
    toolchain: Toolchain,
    *,
    include_dirs: Sequence[Path] = (),
    progress: Progress = _silent,
) -> None:
    """Link C sources, objects and libraries into a stripped executable, static where it can be.

    `include_dirs` are for `#include "…"` alone, so that no file there is taken for a header of the
    system. `progress` is told when the libc of the target must be built first. Any number of
    processes may do so at the same time: zig locks its cache, and one of them builds.
    """
    folders = [folder.absolute() for folder in include_dirs]
    flags = (*LINK_FLAGS[target.object_format], *toolchain.link_options(target))
    with scratch_folder() as scratch:
        compiler = toolchain.compiler(target)
        if not toolchain.is_warm(target):
            progress(f"building the C library for {target.zig_triple}: about a minute, once")
        paths = _kept_objects(
            [path.absolute() for path in inputs], folders, target, toolchain, scratch
        )
        options = (*C_FLAGS, *header_options([path.parent for path in paths], folders))
        command = (*compiler, *options, *map(str, paths), *flags, "-o", str(out.absolute()))
        call_tool(toolchain, command, scratch)
    toolchain.mark_warm(target)


def _kept_objects(
    inputs: Sequence[Path],
    folders: Sequence[Path],
    target: LinkTarget,
    toolchain: Toolchain,
    scratch: Path,
) -> list[Path]:
    """Return the inputs with our C sources replaced by their objects, if the toolchain keeps these;
    they come last, where zig links what it compiles."""
    if toolchain.object_cache() is None:
        return [*inputs]
    ours = [path for path in inputs if path in MAIN_SOURCES]
    objects = [compiled(path, folders, target, toolchain, scratch) for path in ours]
    return [path for path in inputs if path not in MAIN_SOURCES] + objects


def is_warm(target: LinkTarget, toolchain: Toolchain) -> bool:
    """Whether a link for `target` can start at once."""
    return toolchain.is_warm(target)


def warm_up(target: LinkTarget, toolchain: Toolchain, progress: Progress = _silent) -> None:
    """Build the libc of `target` now, unless it is there, by linking an empty program."""
    if toolchain.is_warm(target):
        return
    with scratch_folder() as scratch:
        source = scratch / "empty.c"
        source.write_text("int main(void) { return 0; }\n")
        link_executable([source], scratch / "empty", target, toolchain, progress=progress)
