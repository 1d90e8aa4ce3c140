"""The command line: `main` finds the command and turns every outcome into an exit status.

0 done, 1 an error in what the user gave, 2 a command line that makes no sense, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence

from mbc.cli import console
from mbc.diag import Diagnostic, MbcError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit status and lets no exception out."""
    from mbc.cli.usage import UsageError

    try:
        status = _dispatch(sys.argv[1:] if argv is None else argv)
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
    except Exception as bug:  # noqa: BLE001  the last stop: an internal error is reported as one
        console.show_error(_internal_error(bug))
        return 1
    return status


def _dispatch(argv: Sequence[str]) -> int:
    from mbc.cli.dispatch import run_command

    return run_command(argv)


def _abandon_stdout() -> None:
    """Whoever read our stdout has gone; keep Python from complaining at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _internal_error(bug: Exception) -> MbcError:
    """E0901, with the traceback in a file of its own."""
    handle, path = tempfile.mkstemp(prefix="mbc-bug-", suffix=".txt")
    with os.fdopen(handle, "w") as file:
        file.write("".join(traceback.format_exception(bug)))
    return MbcError(
        Diagnostic(
            "E0901",
            f"internal error, this is a bug in mbc: {type(bug).__name__}: {bug}",
            helps=(f"details are in {path}; please report it with your network",),
        )
    )
