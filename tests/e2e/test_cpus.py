"""`--cpus`: threads run where they were told, in the executable and in process. What the system
says of its CPUs is made up."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from mbc.backends.llvm.link import MAIN_SOURCES, link_executable
from mbc.backends.llvm.toolchain import LinkTarget, Zig
from mbc.engines.catalogue import ENGINES
from mbc.engines.task import Task
from mbc.runtime import cpus
from mbc.runtime.abi import IoSpec, NetSpec
from mbc.runtime.header import c_header
from mbc.runtime.program import main_config
from tests.e2e.support import done, mbc

CPUS = sorted(os.sched_getaffinity(0))
NET = NetSpec(
    "net",
    (IoSpec("x", (1,)),),
    (IoSpec("y", (4,)),),
    arena_bytes=0,
    scratch_bytes=0,
    weights_bytes=0,
)
SPEEDS = "cpufreq/cpuinfo_max_freq"

# A network that tells on which CPU each of its threads runs, and a machine with eight CPUs.
WHERE_C = """
#define _GNU_SOURCE
#include <sched.h>
#include <stdatomic.h>
#include "net.h"
static _Atomic uint32_t missing;
/* Each thread waits for all others, so none does the task of another. */
static void where(void *context, uint32_t thread, uint32_t begin, uint32_t end) {
  ((float *)context)[thread] = (float)sched_getcpu();
  atomic_fetch_sub(&missing, end - begin);
  while (atomic_load(&missing)) sched_yield();
}
size_t net_arena_bytes(int threads) { return 64 * (size_t)threads; }
int net_run(const net_io *io, void *arena, mbc_pool *pool) {
  (void)arena;
  for (int i = 0; i < 4; i++) io->y[i] = -1;
  if (!pool) return 0;
  atomic_store(&missing, pool->threads);
  pool->run(pool, where, io->y, pool->threads, 1);
  return 0;
}
int eight_cpus(int process, size_t bytes, cpu_set_t *set);
int eight_cpus(int process, size_t bytes, cpu_set_t *set) {
  (void)process, (void)bytes;
  CPU_ZERO(set);
  for (size_t cpu = 0; cpu < 8; cpu++) CPU_SET(cpu, set);
  return 0;
}
"""


def write_speeds(folder: Path, speeds: Mapping[int, int], measure: str = SPEEDS) -> None:
    for cpu, speed in speeds.items():
        path = folder / f"cpu{cpu}" / measure
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{speed}\n")


class Program:
    """The network as a program that looks for the system's CPUs in a folder of ours."""

    def __init__(self, folder: Path, *defines: str) -> None:
        self.folder, self.system = folder, folder / "cpu"
        config = "\n".join([main_config(NET), f'#define CPU_FOLDER "{self.system}"', *defines, ""])
        (folder / "net.h").write_text(c_header(NET))
        (folder / "mbc_net.h").write_text(config)
        (folder / "net.c").write_text(WHERE_C)
        np.save(folder / "x.npy", np.zeros(1, np.float32))
        target = LinkTarget(f"{os.uname().machine}-linux-musl")
        inputs = [*MAIN_SOURCES, folder / "net.c"]
        link_executable(inputs, folder / "net", target, Zig(), include_dirs=[folder])

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        words = ["./net", "--input", "x.npy", "--output", "y.npy", *options]
        return subprocess.run(words, cwd=self.folder, capture_output=True, text=True)

    def where(self, *options: str) -> list[int]:
        """On which CPU each thread of the pool ran."""
        ended = self.run(*options)
        assert ended.returncode == 0, ended.stderr
        return [int(cpu) for cpu in np.load(self.folder / "y.npy") if cpu >= 0]

    def refusal(self, *options: str) -> str:
        ended = self.run(*options)
        assert ended.returncode == 1
        return ended.stderr.strip()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return Program(tmp_path_factory.mktemp("here"))


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """It believes that it may run on eight CPUs."""
    folder = tmp_path_factory.mktemp("board")
    return Program(folder, "#define sched_getaffinity eight_cpus")


def test_threads_run_where_they_were_told(program: Program) -> None:
    first, last = CPUS[0], CPUS[-1]
    assert program.where() == [], "without the option there is no pool"
    assert program.where("--cpus", f"{last},{first}") == [last, first]
    assert program.where("--cpus", str(last)) == [last]


@pytest.mark.skipif(len(CPUS) < 2, reason="this machine has one CPU, which is not big nor little")
def test_big_and_little(program: Program) -> None:
    slow, *fast = CPUS
    fast = fast[:3]
    write_speeds(
        program.system, dict.fromkeys(CPUS, 1_800_000) | dict.fromkeys(CPUS[1:], 2_400_000)
    )
    assert program.where("--cpus", "little") == [slow]
    assert program.where("--cpus", "big", "--threads", str(len(fast))) == fast
    assert program.where("--cpus", "big", "--threads", "1") == fast[:1]
    assert program.where("--cpus", "big", "--cpus", str(slow)) == [slow], "the last one counts"


def test_machines_without_clusters(program: Program) -> None:
    write_speeds(program.system, dict.fromkeys(CPUS, 2_400_000))
    alike = "error[E0606]: --cpus: the CPUs are all alike; name them"
    assert program.refusal("--cpus", "big") == alike
    assert program.refusal("--cpus", "little") == alike
    (program.system / f"cpu{CPUS[0]}" / SPEEDS).unlink()
    unknown = "error[E0606]: --cpus: the CPUs do not tell how fast they are; name them"
    assert program.refusal("--cpus", "big") == unknown


@pytest.mark.parametrize("cpu", ["900", "1023", "1024", "65535"])
def test_cpus_that_there_are_not(program: Program, cpu: str) -> None:
    refused = f"error[E0606]: --cpus: this process may not run on CPU {cpu}"
    assert program.refusal("--cpus", cpu) == refused
    assert program.refusal("--cpus", f"{CPUS[0]},{cpu}") == refused
    message = "error[E0606]: --cpus: 1 CPUs for 2 threads"
    assert program.refusal("--cpus", cpu, "--threads", "2") == message


def test_capacity_goes_before_clock(board: Program) -> None:
    """As Python chooses: tests/unit/test_cpus.py."""
    capacity = dict.fromkeys(range(4), 250) | dict.fromkeys((4, 5, 6), 800) | {7: 1024}
    write_speeds(board.system, dict.fromkeys(range(7), 1_800_000) | {7: 3_000_000})
    write_speeds(board.system, {cpu: capacity[cpu] for cpu in range(7)}, "cpu_capacity")
    words = ("--cpus", "big", "--threads", "9")
    assert "9 threads on 1 big CPUs" in board.refusal(*words), "CPU 7 does not tell its capacity"
    write_speeds(board.system, capacity, "cpu_capacity")
    assert "9 threads on 4 big CPUs" in board.refusal(*words)
    assert "9 threads on 4 little CPUs" in board.refusal("--cpus=little", "--threads=9")


def test_in_process(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pins this thread would pin the tests after it, so it is put back."""
    np.save("x.npy", np.random.default_rng(0).standard_normal((1, 16, 16, 3), np.float32))
    words = ("run", tiny, "--input", "x.npy", "--output")
    done(*words, "alone.npy")
    monkeypatch.setattr(cpus, "FOLDER", tmp_path / "cpu")
    try:
        done(*words, "y.npy", "--cpus", f"{CPUS[0]},{CPUS[-1]}")
        assert os.sched_getaffinity(0) == {CPUS[0]}
        np.testing.assert_array_equal(np.load("y.npy"), np.load("alone.npy"))
        os.sched_setaffinity(0, CPUS)
        write_speeds(tmp_path / "cpu", dict.fromkeys(CPUS, 1))
        assert mbc(*words, "y.npy", "--cpus", "big").code == "E0606"
        assert os.sched_getaffinity(0) == set(CPUS), "nobody asked for CPUs that exist"
        done(*words, "y.npy", "--threads", "2")
        assert os.sched_getaffinity(0) == set(CPUS), "threads alone are pinned nowhere"
    finally:
        os.sched_setaffinity(0, CPUS)


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (("--cpus", "middle"), 2, "takes CPUs such as 4-7 or 0,2, or one of big, little, found"),
        (("--cpus", "0,1", "--threads", "3"), 1, "2 CPUs for 3 threads"),
        (("--cpus", "65000"), 1, "E0606]: --cpus: this process may not run on CPU 65000\n"),
        (("--cpus", "0,999"), 1, "E0606]: --cpus: this process may not run on CPU 999\n"),
        (("--backend", "oracle", "--threads", "2"), 1, "the oracle has none"),
    ],
)
def test_mistakes(tiny: Path, options: tuple[str, ...], status: int, message: str) -> None:
    np.save("x.npy", np.zeros((1, 16, 16, 3), np.float32))
    outcome = mbc("run", tiny, "--input", "x.npy", *options)
    assert (outcome.status, outcome.out) == (status, "")
    assert message in outcome.err


class Watcher:
    """An engine that tells where threads that it started would run, and where it is called."""

    distribution: ClassVar[str] = "numpy"
    opened: ClassVar[list[set[int]]] = []
    called: ClassVar[list[set[int]]] = []

    def __init__(self, task: Task) -> None:
        self.task = task
        self.opened.append(os.sched_getaffinity(0))

    def run(self) -> None:
        self.called.append(os.sched_getaffinity(0))

    def outputs(self) -> tuple[np.ndarray, ...]:
        return (np.zeros((1, 10), np.float32),)


@pytest.mark.parametrize("chosen", [CPUS[-1:], CPUS], ids=["one", "all"])
def test_other_engines_have_all_the_cpus(
    tiny: Path, chosen: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They start threads while they are opened; those inherit where the thread that opens them may
    run, which is pinned to the first CPU at all other times."""
    engines = {**ENGINES, "watcher": Watcher}
    for module in ("engines.catalogue", "cli.commands.bench", "driver.rivals"):
        monkeypatch.setattr(f"mbc.{module}.ENGINES", engines)
    monkeypatch.setattr("mbc.driver.bench.check_answers", lambda *_: None)
    Watcher.opened.clear()
    Watcher.called.clear()
    listed = ",".join(map(str, chosen))
    try:
        out = done("bench", tiny, "--rounds", "1", "--vs", "watcher", "--cpus", listed).out
    finally:
        os.sched_setaffinity(0, CPUS)
    assert f"{len(chosen)} thread" in out
    assert Watcher.opened == [set(chosen)]
    assert Watcher.called[-1] == {chosen[0]}
