"""What pools promise, of ours in both its ways to sleep, on as many threads as if they had CPUs."""

import subprocess
from pathlib import Path

import pytest

from mbc.runtime.pool import POOL_C, compiler

PROGRAM = Path(__file__).with_name("pool_contract.c")
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-DMBC_POOL_CPUS=4")


@pytest.mark.parametrize("flags", [(), ("-U__linux__",)], ids=["futex", "condvar"])
def test_the_contract(flags: tuple[str, ...], tmp_path: Path) -> None:
    program = tmp_path / "program"
    files = (f"-I{POOL_C.parent}", str(PROGRAM), str(POOL_C), "-lpthread", "-o", str(program))
    subprocess.run([*compiler(), *FLAGS, *flags, *files], check=True)
    ended = subprocess.run([program], capture_output=True, text=True)
    assert (ended.stdout, ended.returncode) == ("ok\n", 0)
