"""The thread pool under ThreadSanitizer, in both its ways to sleep; and so that silence means
something, pools whose memory order is broken, which it must report."""

import shutil
import subprocess
from functools import cache, reduce
from pathlib import Path

import pytest

from mbc.runtime.pool import POOL_C

WAITING = '#include "waiting.h"'
SOURCE = POOL_C.read_text().replace(WAITING, POOL_C.with_name("waiting.h").read_text())
"""The pool, and how its threads wait."""
PLAYER = Path(__file__).with_name("pool_race.c")
FLAGS = (
    "-std=c11",
    "-g",
    "-O1",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fsanitize=thread",
    "-DMBC_POOL_CPUS=4",
)
CONDVAR = "-U__linux__"  # condition variables, as on systems without futex

RELAXED = "memory_order_relaxed"
BROKEN = {
    "work is published": (
        "atomic_store_explicit(&to->share, as_word(share), memory_order_release)",
        "atomic_store_explicit(&to->turn, number, memory_order_release)",
        "atomic_store_explicit(&t->turn.value, turn, memory_order_release)",
    ),
    "work is seen": (
        "atomic_load(&of->share)",
        "atomic_compare_exchange_weak(&of->share, &word, rest)",
        "; atomic_load(number)",
        "turn = atomic_load(met ? &self->offer.turn : &t->turn.value)",
    ),
    "results are published": ("atomic_fetch_add(&t->done.value, done)",),
    "results are seen": (
        "return atomic_load(&t->done.value)",
        "seen = atomic_load(&t->done.value)",
        "; atomic_load(number)",
    ),
}
"""What gives the order: where several accesses would each do, all are broken."""


def without_order(source: str, access: str) -> str:
    """The source with the access relaxed."""
    assert source.count(access) == 1, "the pool has changed; so must this test"
    if "memory_order_release" in access:
        return source.replace(access, access.replace("memory_order_release", RELAXED))
    function, arguments = access.removesuffix(")").split("(", 1)
    orders = f", {RELAXED}" * (2 if "compare_exchange" in function else 1)
    return source.replace(access, f"{function}_explicit({arguments}{orders})")


@cache
def compiler() -> str | None:
    """A compiler that links programs with ThreadSanitizer. zig can, but builds it for minutes."""
    for name in ("gcc", "clang", "cc"):
        command = (name, *FLAGS, "-x", "c", "-", "-o", "/dev/null")
        if (
            shutil.which(name)
            and not subprocess.run(
                command, input=b"int main(void) { return 0; }", capture_output=True
            ).returncode
        ):
            return name
    return None


needs_compiler = pytest.mark.skipif(
    compiler() is None, reason="no compiler here has ThreadSanitizer; make test-tools installs one"
)


def play(folder: Path, pool: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """A run of the player with a pool of this source."""
    for header in ("pool.h", "subnormals.h"):
        shutil.copy(POOL_C.with_name(header), folder)
    (folder / "pool.c").write_text(pool)
    sources = (str(PLAYER), "pool.c", f"-I{folder}")
    built = subprocess.run(
        [str(compiler()), *FLAGS, *flags, *sources, "-lpthread", "-o", "player"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    environment = {"TSAN_OPTIONS": "halt_on_error=1"}
    return subprocess.run(["./player"], cwd=folder, env=environment, capture_output=True, text=True)


@needs_compiler
@pytest.mark.parametrize("flags", [(), (CONDVAR,)], ids=["futex", "condvar"])
def test_no_race(flags: tuple[str, ...], tmp_path: Path) -> None:
    ended = play(tmp_path, SOURCE, *flags)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("ok\n", "", 0)


@needs_compiler
@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_order_is_reported(kind: str, tmp_path: Path) -> None:
    ended = play(tmp_path, reduce(without_order, BROKEN[kind], SOURCE))
    assert "WARNING: ThreadSanitizer: data race" in ended.stderr
    assert ended.returncode != 0
