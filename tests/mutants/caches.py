"""Seeded mistakes in where caches are."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

_caches = partial(Mutant, file="mbc/caches.py", tests="tests/unit/test_caches.py")

MUTANTS = (
    _caches(
        "a symbolic link to a folder of ours is followed",
        old="found = folder.lstat()",
        new="found = folder.stat()",
    ),
    _caches(
        "a folder that others may write is trusted",
        old="stat.S_IWGRP | stat.S_IWOTH",
        new="0",
    ),
    _caches(
        "another user's folder is trusted",
        old="found.st_uid == os.geteuid() and",
        new="",
    ),
    _caches(
        "a folder for caches is made when it is looked for",
        old='    path = parent / "mbc"\n',
        new='    path = parent / "mbc"\n    path.mkdir(parents=True)\n',
    ),
)
