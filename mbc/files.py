"""Atomic writes of files and folders, and temporary folders that are always removed: whatever
fails, and whenever the user presses Ctrl-C.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

from mbc.diag import error


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay Ctrl-C until the block ends.

    For short blocks only: from creating a file until its removal is registered, and its removal.
    """
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[FrameType | None] = []
    signal.signal(signal.SIGINT, lambda _, frame: waiting.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if waiting:
            handler(signal.SIGINT, waiting[0])


def temporary_folder() -> Path:
    """Return the folder for temporary files; raises E0607 if none can be written."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        raise error(
            "E0607",
            "no folder for temporary files can be written",
            helps=["TMPDIR names one; without it /tmp, /var/tmp and the current folder were tried"],
        ) from None


@contextmanager
def scratch_folder(beside: Path | None = None) -> Iterator[Path]:
    """Make an empty folder for the time of the block, among temporary ones or beside a path."""
    prefix, parent = (f".{beside.name}-", beside.parent) if beside else ("mbc-", None)
    parent = parent or temporary_folder()
    with ExitStack() as stack:
        with uninterrupted():
            folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            stack.callback(_remove, folder)
        yield folder


def _remove(folder: Path) -> None:
    with uninterrupted():
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def parents_of(path: Path) -> Iterator[None]:
    """Make the parent folders of a path; if the block fails, the new ones are removed."""
    missing = [parent for parent in path.parents if not parent.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        with uninterrupted(), suppress(OSError):
            for folder in missing:
                folder.rmdir()
        raise


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside, then rename it: a reader sees the old or the new one. Raises OSError."""
    write_together({path: data})


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write several files as `write_whole`: none is replaced before all are written."""
    with ExitStack() as stack:
        written = {path: _write_beside(path, data, stack.callback) for path, data in files.items()}
        with uninterrupted():
            for path, beside in written.items():
                beside.replace(path)


def _write_beside(path: Path, data: bytes, at_end: Callable[[Callable[[], None]], object]) -> Path:
    with uninterrupted():
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        beside = Path(name)
        at_end(lambda: beside.unlink(missing_ok=True))
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    beside.chmod(0o666 & ~umask())
    return beside


def umask() -> int:
    """Return the permission bits that new files lack."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def replace_folder(path: Path, by: Path) -> None:
    """Rename the folder `by` to `path`; an old folder is removed after that, or kept on failure."""
    with uninterrupted():
        if not path.exists():
            by.rename(path)
            return
        with scratch_folder(beside=path) as old:
            path.rename(old / "old")
            try:
                by.rename(path)
            except BaseException:
                (old / "old").rename(path)
                raise
