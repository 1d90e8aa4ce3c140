"""The command line: `main` finds the command and turns every outcome into an exit status.

0 done, 1 an error in what the user gave, 2 a command line that makes no sense, 130 interrupted.
"""

from __future__ import annotations

import errno
import gc
import io
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence

from mbc.cli import console
from mbc.diag import MbcError, error
from mbc.files import uninterrupted

OBJECTS = 500_000
"""Objects that commands make before Python looks for garbage among them; by itself after 700."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line, that of this process if none is given; returns the exit status and lets
    no exception out."""
    if argv is not None:
        return _status(argv)
    gc.set_threshold(OBJECTS)
    try:
        return _status(sys.argv[1:])
    finally:
        gc.freeze()  # so that Python, which ends now, looks for no garbage in what is left


def _status(argv: Sequence[str]) -> int:
    from mbc.cli.usage import UsageError

    try:
        status = _dispatch(argv)
        sys.stdout.flush()
    except UsageError as problem:
        console.show_error(problem)
        return 2
    except MbcError as problem:
        console.show_error(problem)
        return 1
    except KeyboardInterrupt:
        console.note("interrupted")
        return 130
    except BrokenPipeError:
        _abandon_stdout()
        return 1
    except MemoryError:
        console.show_error(error("E0902", "there is not enough memory for this network"))
        return 1
    except OSError as problem:
        console.show_error(_refused(problem))
        return 1
    except Exception as bug:  # noqa: BLE001  the last stop: an internal error is reported as one
        console.show_error(_internal_error(bug))
        return 1
    return status


def _dispatch(argv: Sequence[str]) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # what this terminal's encoding lacks is a "?"
    # Idle threads of numpy's BLAS spin, which costs more than they help at our sizes.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with uninterrupted():  # Python may lose an interruption amid an import
        from mbc.cli.dispatch import run_command

    return run_command(argv)


def _abandon_stdout() -> None:
    """Keep Python from writing to a closed stdout at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refused(problem: OSError) -> MbcError:
    """E0703 for a full disk, a file that is too large or a closed stdout, wherever it is noticed;
    every other error of the system is handled where it happens, or is a bug."""
    if problem.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS):
        return _internal_error(problem)
    if problem.filename is None:
        _abandon_stdout()
    place = problem.filename or "the standard output"
    return error("E0703", f"cannot write {place}: {problem.strerror}")


def _internal_error(bug: Exception) -> MbcError:
    """E0901, with the traceback in a file of its own."""
    message = f"internal error, this is a bug in mbc: {type(bug).__name__}: {bug}"
    details = "".join(traceback.format_exception(bug))
    try:
        handle, path = tempfile.mkstemp(prefix="mbc-bug-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(details)
    except OSError:
        return error(
            "E0901", message, helps=["please report it with your network and this:", details]
        )
    help = f"details are in {path}; please report it with your network"
    return error("E0901", message, helps=[help])
