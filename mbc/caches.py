"""The cache of files that take long to make: the C libraries of targets, the thread pool.

The folder is `mbc` in XDG_CACHE_HOME, or else in ~/.cache. If neither can be written, as in
containers whose user has no home, it is a private folder among the temporary ones. Files in it are
executed, so it must belong to the user, and nobody else may write to it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path

from mbc.diag import MbcError, error
from mbc.files import temporary_folder

HELP = "XDG_CACHE_HOME names a folder for mbc's caches, TMPDIR one for temporary files"


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the cache folder without making it; call `make_folder` before using it.

    Raises E0607 if no temporary folder can be written either.
    """
    for parent in _usual(environ):
        if _can_be_made(parent):
            return parent / "mbc"
    return _private() / "mbc"


def zig_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return zig's cache of built libcs: ZIG_GLOBAL_CACHE_DIR, or a folder in mbc's cache."""
    if named := environ.get("ZIG_GLOBAL_CACHE_DIR"):
        return Path(named).absolute()
    return cache_folder(environ) / "zig"


def lend_home(environ: MutableMapping[str, str] = os.environ) -> None:
    """Set HOME and XDG_CACHE_HOME to a temporary folder if the user has none.

    Some libraries look for a home and a cache folder when they are imported. Raises E0607 if no
    temporary folder can be written.
    """
    folder = cache_folder(environ).parent
    if _private_of(folder) is not None:
        make_folder(folder)
        environ["XDG_CACHE_HOME"] = str(folder)
    if not _home(environ):
        environ["HOME"] = str(folder)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents.

    Raises OSError; E0607 if it lies in the private temporary folder, and somebody else could have
    written there.
    """
    private = _private_of(folder)
    if private is not None:
        _make_private(private)
    folder.mkdir(parents=True, exist_ok=True)


def _usual(environ: Mapping[str, str]) -> list[Path]:
    """Return XDG_CACHE_HOME, unless it is relative, and the home's .cache if there is a home."""
    named = Path(environ.get("XDG_CACHE_HOME", ""))
    return [
        path
        for path in (named, *(home / ".cache" for home in _home(environ)))
        if path.is_absolute()
    ]


def _home(environ: Mapping[str, str]) -> list[Path]:
    """Return the user's home as a list of one; empty if neither $HOME nor the system knows it."""
    try:
        return [Path(environ["HOME"]) if environ.get("HOME") else Path.home()]
    except RuntimeError:
        return []


def _can_be_made(parent: Path) -> bool:
    """Whether `mbc` can be made in a folder, which may have to be made too."""
    path = parent / "mbc"
    while not os.path.lexists(path):
        path = path.parent
    return path.is_dir() and os.access(path, os.W_OK | os.X_OK)


def _private() -> Path:
    return temporary_folder() / f"mbc-{os.geteuid()}"


def _private_of(folder: Path) -> Path | None:
    """Return the private folder if a folder lies in it, else None."""
    try:
        private = _private()
    except MbcError:
        return None
    return private if folder.is_relative_to(private) else None


def _make_private(folder: Path) -> None:
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    ours = found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not stat.S_ISDIR(found.st_mode) or not ours:
        raise error(
            "E0607",
            f"{folder} is not a folder that only you can write to, so nothing in it can be trusted",
            helps=[f"remove it, or name another: {HELP}"],
        )
