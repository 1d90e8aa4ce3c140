"""Thousands of mutated files: whatever a file holds, the answer is a result or an error of ours.

Each mutant has a number; `mutant(kind, number)` of fuzz/corpus.py makes it again.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mbc.codes import CODES
from tests.e2e.support import Outcome
from tests.hostile.fuzz.corpus import KINDS, Mutant, mutant
from tests.hostile.fuzz.worker import Ended, Worker

COUNTS = {
    "text": 1000,
    "weights": 400,
    "network": 400,
    "checkpoint": 160,
    "tflite": 40,
    "onnx": 40,
}  # with --fuzz ten times as many
REACHED = {
    "text": 12,
    "weights": 6,
    "network": 10,
    "checkpoint": 3,
    "tflite": 2,
    "onnx": 4,
}  # different codes that the errors have
INTERNAL = re.compile(r"E09(?!02)\d\d")  # E0902: memory is limited


def complaint(mutant: Mutant, ended: Ended) -> str:
    """What is wrong with an answer; "" if nothing is."""
    if ended.outcome is None:
        return f"died of {ended.death}"
    status, err = ended.outcome.status, ended.outcome.err
    codes = re.findall(r"^error\[(\w+)\]: ", err, re.MULTILINE)
    reasons = {
        f"status {status}": status not in (0, 1),
        "a traceback": "Traceback (most" in err,
        "a warning": re.search(r"(?<!Syntax)Warning: ", err),
        "an internal error": any(INTERNAL.fullmatch(code) for code in codes),
        "unknown codes": not CODES.keys() >= set(codes),
        "an error without a code": status == 1 and not codes,
        "success with errors": status == 0 and codes,
        "files left behind": status == 1 and _strangers(mutant, ended),
        "files changed": any(ended.left.get(f"work/{n}") != d for n, d in mutant.files.items()),
    }
    found = [reason for reason, is_so in reasons.items() if is_so]
    return f"{', '.join(found)}: {err[-3000:]}" if found else ""


def _strangers(mutant: Mutant, ended: Ended) -> set[str]:
    return set(ended.left) - {f"work/{name}" for name in mutant.files}


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the worker of all its tests may write to in part."""
    return tmp_path_factory.mktemp("beside")


@pytest.fixture(scope="module")
def lasting(beside: Path) -> Iterator[Worker]:
    """A worker for networks that it survives."""
    with Worker(beside) as started:
        yield started


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    with Worker(tmp_path) as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_mutants_are_answered(kind: str, worker: Worker, fuzz: bool) -> None:
    complaints, seen = [], Counter[str]()
    for number in range(COUNTS[kind] * (10 if fuzz else 1)):
        made = mutant(kind, number)
        ended = worker.run(made)
        if found := complaint(made, ended):
            complaints.append(f"{kind} {number}: {found}\n{made}")
        elif ended.outcome is not None:
            seen[ended.outcome.code] += 1
    assert not complaints, f"{len(complaints)}, such as\n" + "\n".join(complaints[:5])
    assert seen[""] > sum(seen.values()) / 50, seen  # some are still right
    assert len(seen) > REACHED[kind], seen


def test_two_thousand_are_tried() -> None:
    assert sum(COUNTS.values()) >= 2000


@pytest.mark.parametrize("kind", KINDS)
def test_mutants_are_the_same_every_time(kind: str) -> None:
    first = [mutant(kind, number) for number in range(50)]
    assert first == [mutant(kind, number) for number in range(50)]
    assert len({str(each) for each in first}) > 40


# ---- what must be noticed --------------------------------------------------------------------


def network(*lines: str) -> Mutant:
    return Mutant({"net.py": "\n".join(lines).encode()}, ("report", "net.py"))


def test_a_crash_is_noticed_and_survived(worker: Worker) -> None:
    dead = worker.run(network("import ctypes", "ctypes.string_at(0)"))
    assert dead.death == "SIGSEGV"
    assert complaint(network(), dead) == "died of SIGSEGV"
    ended = worker.run(network("1 / 0"))
    assert ended.outcome is not None
    assert (ended.outcome.status, ended.outcome.code) == (1, "E0214")
    assert complaint(network("1 / 0"), ended) == ""


def test_a_hang_is_noticed(tmp_path: Path) -> None:
    with Worker(tmp_path, seconds=0.3) as worker:
        assert worker.run(network("while True: pass")).death == "SIGPROF"


def test_memory_is_limited(worker: Worker) -> None:
    ended = worker.run(network("x = bytearray(2 ** 31)"))
    assert ended.outcome is not None
    assert "MemoryError" in ended.outcome.err or ended.outcome.code == "E0902"


@pytest.mark.parametrize(
    "line",
    [
        "open('../../precious', 'w')",
        "os.remove('../../precious')",
        "os.rename('net.py', '../../precious')",
        "os.open('../../precious', os.O_WRONLY)",
        "os.symlink('../..', 'here')",
        "os.system('rm ../../precious')",
        "subprocess.run(['rm', '../../precious'])",
        "os.kill(os.getppid(), 9)",
    ],
)
def test_networks_do_no_harm(line: str, lasting: Worker, beside: Path) -> None:
    precious = beside / "precious"
    precious.write_text("thesis")
    ended = lasting.run(network("import os, subprocess", line))
    assert ended.outcome is not None
    assert "the network raised PermissionError" in ended.outcome.err
    assert precious.read_text() == "thesis"
    fine = lasting.run(network("open('a', 'w').write('b')"))
    assert fine.left["work/a"] == b"b"
    assert "files left behind" in complaint(network(), fine)


@pytest.mark.parametrize(
    "ended",
    [
        (2, "usage: mbc"),
        (-1, "Traceback (most recent call last):\nValueError"),
        (0, "error[E0201]: a"),
        (0, "a.py:3: RuntimeWarning: overflow"),
        (1, "gone"),
        (1, "error[E0901]: internal error, this is a bug in mbc: KeyError: 'a'"),
        (1, "error[E0910]: an instruction"),
        (1, "error[E0199]: no such code"),
    ],
)
def test_bad_answers_are_noticed(ended: tuple[int, str], worker: Worker) -> None:
    status, err = ended
    assert complaint(Mutant({}, ()), Ended(Outcome(status, "", err), {}))
    assert not complaint(Mutant({}, ()), Ended(Outcome(1, "", "error[E0201]: a"), {}))
