"""Pages that guard memory do."""

import signal
import subprocess
import sys

import pytest

from tests.e2e.support import ROOT

TOUCH = """
import ctypes
from tests.guarded import Guarded
memory = Guarded({size}, low={low})
memory.bytes[:] = 1
ctypes.memset(memory.address + {at}, 0, 1)
print("still here")
"""


def touch(size: int, low: bool, at: int) -> subprocess.CompletedProcess[str]:
    code = TOUCH.format(size=size, low=low, at=at)
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(("size", "low", "at"), [(4100, False, 4100), (4100, True, -1)])
def test_a_byte_too_far_ends_the_program(size: int, low: bool, at: int) -> None:
    assert touch(size, low, at).returncode == -signal.SIGSEGV


@pytest.mark.parametrize("low", [True, False])
def test_all_bytes_between_may_be_touched(low: bool) -> None:
    for at in (0, 4099):
        assert touch(4100, low, at).stdout == "still here\n"
