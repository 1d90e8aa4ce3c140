"""Ctrl-C: the status is 130, no tool goes on, and everything lies as it lay before."""

import os
import signal
import time
from pathlib import Path

import pytest

from mbc.files import scratch_folder, uninterrupted, write_whole
from tests.e2e.support import mbc
from tests.hostile.sandbox import Sandbox, snapshot

COMPILE = ("compile", "tiny.py", "--target", "arm64", "-o", "out")
STEPS = (
    "reading tiny.py",
    "initialising the weights",
    "running passes",
    "lowering to LLVM IR",
    "generating code",
    "packing the weights",
    "linking the executable",
)
PATIENT_CC = """#!/bin/sh
case "$1" in
  -dumpmachine) echo aarch64-linux-gnu ;;
  -print-prog-name=ar) echo ar ;;
  *) sleep 100 & sleep 100; touch late ;;
esac
"""


def interrupted(sandbox: Sandbox, step: str, seconds: float, *more: str) -> str:
    """Send SIGINT so long after a step is told; what stderr says then."""
    with sandbox.start(*COMPILE, *more) as process:
        assert process.stderr is not None
        while process.stderr.readline().strip() != step:
            assert process.poll() is None
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert processes_of(process.pid) == []
    return err


def processes_of(session: int) -> list[str]:
    """Command names of what still runs in a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().rpartition(")")
        except OSError:
            continue
        state, _, _, its_session = rest.split()[:4]
        if int(its_session) == session and state not in "ZX":
            found.append(name.partition("(")[2])
    return found


@pytest.mark.parametrize("step", STEPS)
def test_at_each_step(sandbox: Sandbox, step: str) -> None:
    """The bundle from before survives, and no folder of ours stays."""
    before = sandbox.state()
    err = interrupted(sandbox, step, 0.001)
    assert err.endswith("interrupted\n")
    assert "Traceback" not in err
    assert sandbox.state() == before


@pytest.mark.parametrize("milliseconds", [1, 10, 25])
def test_while_zig_links(sandbox: Sandbox, milliseconds: int) -> None:
    """Linking what has been linked before takes some 50 milliseconds on a fast machine."""
    before = sandbox.state()
    interrupted(sandbox, STEPS[-1], milliseconds / 1000)
    assert sandbox.state() == before


def test_a_compiler_and_its_children_end_too(sandbox: Sandbox) -> None:
    compiler = sandbox.work / "cc.sh"
    compiler.write_text(PATIENT_CC)
    compiler.chmod(0o755)
    before = sandbox.state()
    interrupted(sandbox, "packing the weights", 0.3, "--cc", "./cc.sh")
    assert sandbox.state() == before


def test_a_compiler_that_does_not_want_to_end(sandbox: Sandbox) -> None:
    compiler = sandbox.work / "cc.sh"
    compiler.write_text(PATIENT_CC.replace("sleep 100 &", "trap '' TERM INT;"))
    compiler.chmod(0o755)
    before = sandbox.state()
    interrupted(sandbox, "packing the weights", 0.3, "--cc", "./cc.sh")
    assert sandbox.state() == before


def test_in_an_import(sandbox: Sandbox) -> None:
    """Python would lose some of these interruptions, and go on."""
    for library in ("_ctypes", "_multiarray_umath", "libllvmlite"):
        before = sandbox.state()
        with sandbox.start(*COMPILE) as process:
            maps = Path(f"/proc/{process.pid}/maps")
            while library not in maps.read_text():
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=20)
        assert process.returncode == 130, err
        assert sandbox.state() == before


# ---- the pieces ------------------------------------------------------------------------------


def test_an_interruption_waits_for_the_end_of_the_block() -> None:
    steps = []

    def nested() -> None:
        with uninterrupted():
            with uninterrupted():
                os.kill(os.getpid(), signal.SIGINT)
                steps.append("inner")
            steps.append("outer")
        steps.append("never")

    with pytest.raises(KeyboardInterrupt):
        nested()
    assert steps == ["inner", "outer"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interruption_amid_the_exchange_of_two_folders(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old one is out of its place already, the new one not yet in it."""
    rename = Path.rename

    def and_interrupt(self: Path, target: Path) -> Path:
        moved = rename(self, target)
        os.kill(os.getpid(), signal.SIGINT)
        return moved

    monkeypatch.setattr(Path, "rename", and_interrupt)
    assert mbc("compile", "tiny.py", "-o", "out", "--emit", "header").status == 130
    assert sorted(path.name for path in Path("out").iterdir()) == ["manifest.json", "tiny.h"]
    assert not snapshot(sandbox.temporary)
    assert sorted(path.name for path in Path().iterdir()) == ["out", "tiny.py"]


def test_scratch_folders_go_away_and_files_are_whole(tmp_path: Path) -> None:
    def stopped() -> None:
        with scratch_folder(beside=tmp_path / "x") as folder:
            (folder / "deep").mkdir()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert list(tmp_path.iterdir()) == []
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        write_whole(path, None)  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
