"""A process that runs command lines as `mbc` would, one after the other, and may die of it.

What runs there may write to one folder only, take no more than some seconds of a CPU and a gigabyte
of memory, and start no other process: networks are programs, and these are random ones.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from contextlib import chdir
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.e2e.support import Outcome, mbc
from tests.hostile.fuzz.corpus import Mutant

PATIENCE = 120  # seconds for a case that sleeps; the limit is on what it computes
MEMORY = 2**30  # bytes on top of what mbc has taken when it begins
LARGEST_FILE = 2**26  # bytes
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

# Events of Python's audit hooks (PEP 578) that change files: which arguments are a path and the
# folder that it is relative to.
CHANGES = {
    "os.chmod": ((0, 2),),
    "os.mkdir": ((0, 2),),
    "os.remove": ((0, 1),),
    "os.rename": ((0, 2), (1, 3)),
    "os.rmdir": ((0, 1),),
}
REFUSED = (
    *("os.chflags", "os.chown", "os.link", "os.setxattr", "os.symlink", "os.truncate", "os.utime"),
    *("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn"),
    *("os.kill", "os.killpg", "signal.pthread_kill", "socket.__new__", "subprocess.Popen"),
)


@dataclass(frozen=True)
class Ended:
    """What became of a mutant: its outcome with the files that it left, or how the process died."""

    outcome: Outcome | None
    left: Mapping[str, bytes]
    death: str = ""


class Worker:
    """The process, started anew after each death; a context manager."""

    def __init__(self, folder: Path, seconds: float = 5) -> None:
        self._folder, self._seconds = folder, seconds
        self._start()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.join()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        arguments = (theirs, self._folder, self._seconds)
        self._process = context.Process(target=serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def run(self, mutant: Mutant) -> Ended:
        """Run a command line, however it ends."""
        self._connection.send(mutant)
        try:
            if self._connection.poll(PATIENCE):
                ended: Ended = self._connection.recv()
                return ended
            self._process.kill()
        except (EOFError, ConnectionResetError):
            pass
        self._process.join()
        death = _name(-(self._process.exitcode or 0))
        self._start()
        return Ended(None, {}, death)


def _name(number: int) -> str:
    known = {int(each): each.name for each in signal.Signals}
    return known.get(number, f"exit status {-number}")


# ---- in the process --------------------------------------------------------------------------


def serve(connection: Connection, folder: Path, seconds: float) -> None:
    """Answer mutants with outcomes for as long as somebody asks."""
    home = folder.resolve() / "worker"
    shutil.rmtree(home, ignore_errors=True)  # of a process that died
    home.mkdir()
    tempfile.tempdir = str(home / "tmp")
    for words in (("passes",), ("report", "none.py"), ("import", "none.onnx")):
        mbc(*words)  # whatever is imported is imported now
    restrain(home)
    while True:
        try:
            mutant = connection.recv()
        except EOFError:
            return
        connection.send(_run(mutant, home, seconds))


def _run(mutant: Mutant, home: Path, seconds: float) -> Ended:
    work = home / "work"
    for place in (work, home / "tmp"):
        place.mkdir()
    for name, data in mutant.files.items():
        (work / name).write_bytes(data)
    with chdir(work):
        signal.setitimer(signal.ITIMER_PROF, seconds)  # SIGPROF ends the process
        try:
            outcome = mbc(*mutant.words)
        except BaseException:  # noqa: BLE001  main lets none out; what does is told
            outcome = Outcome(-1, "", traceback.format_exc())
        signal.setitimer(signal.ITIMER_PROF, 0)
    left = {str(path.relative_to(home)): path.read_bytes() for path in _files(home)}
    for place in (work, home / "tmp"):
        shutil.rmtree(place)
    return Ended(outcome, left)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def restrain(home: Path) -> None:
    """From here on this process can do no harm outside of a folder."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limits = {
        resource.RLIMIT_AS: pages * resource.getpagesize() + MEMORY,
        resource.RLIMIT_FSIZE: LARGEST_FILE,
        resource.RLIMIT_CORE: 0,
    }
    for which, limit in limits.items():
        resource.setrlimit(which, (limit, limit))
    sys.dont_write_bytecode = True

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in REFUSED:
            raise PermissionError(f"{event} is not allowed here")
        for path in _written(event, arguments):
            if not path.is_relative_to(home):
                raise PermissionError(f"{event} of {path} is not allowed here")

    sys.addaudithook(hook)


def _written(event: str, arguments: tuple[Any, ...]) -> Iterator[Path]:
    """The paths that an event is about to change."""
    if event == "open":
        path, _, flags = arguments
        if flags & WRITES and not isinstance(path, int):  # which is open already
            yield _real(path, -1)
    for path, folder in CHANGES.get(event, ()):
        yield _real(arguments[path], arguments[folder])


def _real(path: Any, folder: int) -> Path:
    base = Path() if folder == -1 else Path("/proc/self/fd", str(folder))
    return Path(os.path.realpath(base / os.fsdecode(path)))
