"""Run a tool so that nothing of it goes on when we stop waiting for it.

A compiler driver starts programs of its own. They form a process group, which is ended as a whole;
so Ctrl-C, which a terminal sends to our group, does not reach it twice.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from mbc.files import uninterrupted

GRACE_SECONDS = 2.0  # in which a tool may remove its temporary files


def run_tool(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Exit status and output of a command that reads nothing; raises OSError if it cannot start."""
    with uninterrupted():
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            process_group=0,
        )
    try:
        out, err = process.communicate()
    except BaseException:
        with uninterrupted():
            _end(process)
        raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _end(process: subprocess.Popen[str]) -> None:
    """End the whole group: by request, then by force."""
    for request, patience in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, None)):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, request)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
