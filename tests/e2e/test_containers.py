"""mbc in containers: a user who is in no list of users, without a home that can be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.support import ROOT, TINY

UID = 54321
KEPT = ("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A folder that all may write, with a network, an input, a place for temporary files."""
    (tmp_path / "tiny.py").write_text(TINY)
    np.save(tmp_path / "x.npy", np.zeros((1, 16, 16, 3), np.float32))
    (tmp_path / "tmp").mkdir()
    for folder in (tmp_path, tmp_path / "tmp"):
        folder.chmod(0o777)
    return tmp_path


def as_nobody(room: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """`mbc …` as a user whom the system does not know if we are root, who may read our Python; else
    as ourselves, with a home in which nothing can be written."""
    drop = ("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups",
            "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")  # fmt: skip
    root = os.geteuid() == 0
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    home = {} if root else {"HOME": "/dev/null"}
    return subprocess.run(
        [*(drop if root else ()), sys.executable, "-m", "mbc", *words],
        cwd=room,
        env={**kept, "PYTHONPATH": str(ROOT), "TMPDIR": str(room / "tmp"), **home, **environ},
        capture_output=True,
        text=True,
    )


def private(room: Path) -> list[Path]:
    return list((room / "tmp").glob("mbc-*"))


def test_what_needs_no_cache_makes_none(room: Path) -> None:
    done = as_nobody(room, "compile", "tiny.py", "--emit", "ir,asm,llvm,obj,header", "-o", "out")
    assert done.returncode == 0, done.stderr
    assert private(room) == []


def test_caches_among_the_temporary_files(room: Path) -> None:
    """Of zig, and for threads; then both are there."""
    library = ("--emit", "so", "--target", "arm64-v8a", "-o", "out")  # with a stub of the libc
    done = as_nobody(room, "compile", "tiny.py", *library)
    assert done.returncode == 0, done.stderr
    (folder,) = private(room)
    assert folder.stat().st_mode & 0o7777 == 0o700
    assert (folder / "mbc" / "zig").is_dir()
    run = ("run", "tiny.py", "--input", "x.npy", "--threads", "2")
    for environ in ({}, {"HOME": "/"}, {"HOME": "/", "XDG_CACHE_HOME": "/dev/null"}):
        done = as_nobody(room, *run, **environ)
        assert done.returncode == 0, done.stderr
    assert len(list((folder / "mbc").glob("pool-*.so"))) == 1
    assert private(room) == [folder]


def test_no_place_at_all(room: Path) -> None:
    (room / "tmp" / f"mbc-{UID if os.geteuid() == 0 else os.geteuid()}").symlink_to(room)
    done = as_nobody(room, "run", "tiny.py", "--input", "x.npy", "--threads", "2")
    assert (done.returncode, "error[E0607]" in done.stderr) == (1, True), done.stderr
    assert "XDG_CACHE_HOME" in done.stderr


def test_libraries_of_others(room: Path) -> None:
    """TVM wants to know a home when it is imported."""
    done = as_nobody(room, "run", "tiny.py", "--input", "x.npy", "--backend", "tvm")
    assert done.returncode == 0, done.stderr
