"""A disk without room: a message that says so, and what was there stays as it was.

The disk is a tmpfs of a megabyte; where none may be mounted, a limit on the size of files does the
same to a child process (Python and zig are then told EFBIG).
"""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from mbc.driver.producers import llvm
from tests.e2e.support import CAT, Outcome, mbc
from tests.everyday import part_of
from tests.hostile.sandbox import Sandbox, snapshot

MEBIBYTE = 2**20
TIGHT = 4096  # of the disk: a page
SMALL = 1024  # of a file: less than any bundle has
WIDE = ("-D", "width=512")  # some 2 MB of weights


class Disk:
    """A folder in which less than `MEBIBYTE` can be written."""

    def __init__(self, folder: Path, *, may_mount: bool) -> None:
        self.folder = folder
        folder.mkdir()
        if not may_mount:
            self.mounted = False
            return
        mount = ["mount", "-t", "tmpfs", "-o", f"size={MEBIBYTE}", "tmpfs", str(folder)]
        tried = subprocess.run(mount, capture_output=True) if shutil.which("mount") else None
        self.mounted = tried is not None and tried.returncode == 0

    def fill(self, leave: int) -> None:
        """Leave room for so many bytes."""
        if self.mounted:
            state = os.statvfs(self.folder)
            free = state.f_bavail * state.f_frsize
            (self.folder / "filler").write_bytes(bytes(max(free - leave, 0)))

    def limit(self) -> None:
        """In a child process, before it runs."""
        if not self.mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, SMALL))

    def release(self) -> None:
        if self.mounted:
            subprocess.run(["umount", str(self.folder)], check=True)


@pytest.fixture(params=["tmpfs", "limit"])
def disk(sandbox: Sandbox, request: pytest.FixtureRequest) -> Iterator[Disk]:
    made = Disk(sandbox.work / "disk", may_mount=request.param == "tmpfs")
    yield made
    made.release()


def refused(sandbox: Sandbox, disk: Disk, *words: str) -> Outcome:
    """A command that finds no room; nothing may change, wherever it is."""
    before = sandbox.state()
    outcome = sandbox.run(*words, preexec_fn=disk.limit)
    assert outcome.status == 1, outcome.err
    assert "Traceback" not in outcome.err
    assert sandbox.state() == before
    return outcome


def says_why(outcome: Outcome) -> bool:
    return any(why in outcome.err for why in ("No space left on device", "File too large"))


KINDS = ("header,ir", "obj,ir", "lib", "exe")


@pytest.mark.parametrize(
    ("disk", "emit"),
    part_of(
        product(("tmpfs", "limit"), KINDS),
        lambda disk, emit: (disk == "limit") == KINDS.index(emit) % 2,  # one of the two in turn
    ),
    indirect=["disk"],
)
def test_no_room_for_the_bundle(sandbox: Sandbox, disk: Disk, emit: str) -> None:
    words = ("compile", "tiny.py", "--target", "arm64", *WIDE, "--emit", emit, "-o", "disk/out")
    outcome = refused(sandbox, disk, *words)
    if disk.mounted:
        assert outcome.code == "E0703"
        assert says_why(outcome)


def test_no_room_to_replace_a_bundle(sandbox: Sandbox, disk: Disk) -> None:
    shutil.copytree("out", "disk/out")
    disk.fill(leave=TIGHT)
    words = ("compile", "tiny.py", "--target", "arm64", "--emit", "header,ir", "-o", "disk/out")
    outcome = refused(sandbox, disk, *words)
    assert outcome.code == "E0703"
    assert says_why(outcome)


def test_no_room_for_temporary_files(sandbox: Sandbox, disk: Disk) -> None:
    """The linker works there, so it is the one to complain."""
    disk.fill(leave=2 * TIGHT)
    full = Sandbox(sandbox.work, disk.folder)
    outcome = refused(full, disk, "compile", "tiny.py", "--target", "arm64", *WIDE, "-o", "new")
    assert outcome.code in ("E0602", "E0703")


def test_no_room_for_single_files(sandbox: Sandbox, disk: Disk) -> None:
    Path("wide.py").write_text(Path("tiny.py").read_text().replace("x), 10,", "x), 5000,"))
    np.save("x.npy", np.zeros((1, 16, 16, 3), np.float32))
    disk.fill(leave=TIGHT)
    for words in (
        ("preprocess", str(CAT), "--size", "224", "-o", "disk/y.npy"),
        ("opt", "out/tiny.mbc", "-o", "disk/new/net.mbc"),
        ("run", "wide.py", "--input", "x.npy", "--backend", "oracle", "--output", "disk/y.npy"),
    ):
        outcome = refused(sandbox, disk, *words)
        assert outcome.code == "E0703", outcome.err
        assert says_why(outcome)


def test_dumps_that_find_no_room(sandbox: Sandbox, disk: Disk) -> None:
    """Dumps are written one by one, so the first may be there; none is cut off."""
    disk.fill(leave=2 * TIGHT)
    words = ("compile", "tiny.py", "--stop-after", "fuse", "--dump-ir=disk/ir")
    outcome = sandbox.run(*words, preexec_fn=disk.limit)
    assert (outcome.status, outcome.code) == (1, "E0703")
    for path in Path("disk/ir").glob("*.mbc"):
        assert path.read_text().endswith("}\n")
    told = Path("disk/ir/remarks.txt")
    assert not told.exists() or told.read_text()[-1:] in ("", "\n")
    assert not snapshot(sandbox.temporary)


def test_stdout_that_is_full(sandbox: Sandbox) -> None:
    before = sandbox.state()
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "mbc", "compile", "tiny.py", "--stop-after", "fuse"],
            cwd=sandbox.work,
            env=sandbox.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert ended.returncode == 1
    message = "cannot write the standard output: No space left on device"
    assert ended.stderr == f"error[E0703]: {message}\n"
    assert sandbox.state() == before


def test_a_bug_that_cannot_be_saved_is_told(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(llvm, "lower", broken)
    sandbox.temporary.rmdir()
    monkeypatch.setattr("mbc.cli.tempfile.mkstemp", no_room)
    outcome = mbc("compile", "tiny.py")
    assert (outcome.status, outcome.code) == (1, "E0901")
    assert "RuntimeError: out of order" in outcome.err


def no_room(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")
