"""Where things are kept that take long to make: the C libraries of targets, the thread pool.

The folder is `mbc` in XDG_CACHE_HOME, or else in ~/.cache. Where neither can be written, as in
containers whose user has no home, it is a folder of the user's own among the temporary ones. What
lies there is run, so that one must be nobody else's.
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
    """Where mbc keeps things; nothing is made. E0607 if no temporary folder can be written either.
    Call `make_folder` before something is read from it or written to it."""
    for parent in _usual(environ):
        if _can_be_made(parent):
            return parent / "mbc"
    return _private() / "mbc"


def zig_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where zig keeps the libcs that it has built: ZIG_GLOBAL_CACHE_DIR, or a folder of ours."""
    if named := environ.get("ZIG_GLOBAL_CACHE_DIR"):
        return Path(named).absolute()
    return cache_folder(environ) / "zig"


def lend_home(environ: MutableMapping[str, str] = os.environ) -> None:
    """Libraries of others look for a home when they are imported, and for a place for caches; where
    the user has none, name ours. E0607 if there is none either."""
    folder = cache_folder(environ).parent
    if _private_of(folder) is not None:
        make_folder(folder)
        environ["XDG_CACHE_HOME"] = str(folder)
    if not _home(environ):
        environ["HOME"] = str(folder)


def make_folder(folder: Path) -> None:
    """Make a folder, all that is above it included. OSError; E0607 if it lies in the private one,
    and somebody else could have put something there."""
    private = _private_of(folder)
    if private is not None:
        _make_private(private)
    folder.mkdir(parents=True, exist_ok=True)


def _usual(environ: Mapping[str, str]) -> list[Path]:
    """XDG_CACHE_HOME, which is ignored if it is relative, and the home's .cache if there is one."""
    named = Path(environ.get("XDG_CACHE_HOME", ""))
    return [
        path
        for path in (named, *(home / ".cache" for home in _home(environ)))
        if path.is_absolute()
    ]


def _home(environ: Mapping[str, str]) -> list[Path]:
    """The home; none without such a variable and such a user."""
    try:
        return [Path(environ["HOME"]) if environ.get("HOME") else Path.home()]
    except RuntimeError:
        return []


def _can_be_made(parent: Path) -> bool:
    """Whether folders can be made in it, itself first if need be."""
    path = parent / "mbc"
    while not os.path.lexists(path):
        path = path.parent
    return path.is_dir() and os.access(path, os.W_OK | os.X_OK)


def _private() -> Path:
    return temporary_folder() / f"mbc-{os.geteuid()}"


def _private_of(folder: Path) -> Path | None:
    """The private folder, if that is where a folder lies."""
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
            f"{folder} is no folder that you alone may write, so nothing in it can be trusted",
            helps=[f"remove it, or name another: {HELP}"],
        )
