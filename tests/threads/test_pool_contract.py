"""What pools promise, of ours in both its ways to sleep, on as many threads as if they had CPUs."""

import subprocess
from pathlib import Path

import pytest

from mbc.runtime.pool import POOL_C, compiler

PROGRAM, WEIGHTS = (Path(__file__).with_name(f"pool_{name}.c") for name in ("contract", "weights"))
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-DMBC_POOL_CPUS=4")


@pytest.mark.parametrize("flags", [(), ("-U__linux__",)], ids=["futex", "condvar"])
def test_the_contract(flags: tuple[str, ...], tmp_path: Path) -> None:
    assert_ends_well(tmp_path, *flags, str(PROGRAM), str(POOL_C))


def test_shares_follow_speeds(tmp_path: Path) -> None:
    assert_ends_well(tmp_path, str(WEIGHTS))


def assert_ends_well(folder: Path, *words: str) -> None:
    program = folder / "program"
    files = (f"-I{POOL_C.parent}", *words, "-lpthread", "-o", str(program))
    subprocess.run([*compiler(), *FLAGS, *files], check=True)
    ended = subprocess.run([program], capture_output=True, text=True)
    assert (ended.stdout, ended.returncode) == ("ok\n", 0)
