"""Files that appear whole or not at all, and folders that go away again: whatever fails, and
whenever the user presses Ctrl-C.
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
    """Ctrl-C waits until the block is done: between creating something and remembering to remove
    it, and while it is removed. Only for blocks that take no time."""
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
    """Where temporary files go; E0607 if there is no such place."""
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
    """An empty folder for as long as the block runs, among the temporary ones or beside a path."""
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
    """The folders above a path exist in the block; those that it needed stay if nothing fails."""
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
    """Write a file beside, then rename it: a reader sees the old one or the new one. OSError."""
    write_together({path: data})


def write_together(files: Mapping[Path, bytes]) -> None:
    """The same for several files: none is replaced before all are written."""
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
    """The permissions that new files lack."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def replace_folder(path: Path, by: Path) -> None:
    """Let the folder `by` become `path`; a folder that is there stays until the new one is."""
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
