"""`mbc sweep --rpc`: points on devices of a tracker on this machine, of which one is lost."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from mbc.backends.tvm.rpc.remote import RemoteNet
from mbc.backends.tvm.rpc.tracker import Tracker
from tests.e2e.rpc_devices import HOST, device, listening, silent, summary, tracker, wait_for
from tests.e2e.rpc_devices import answering as tracker_that_answers
from tests.e2e.support import mbc

AXES = ("-D", "width=8,16", "-D", "resolution=16,32")
QUICK = ("--rounds", "3", "--jobs", "1", "--json")


@pytest.mark.thorough
def test_what_a_lost_board_was_at_another_does(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timed, both, calls = RemoteNet.time, threading.Barrier(2, timeout=60), list[int]()
    with (
        tracker(Path.cwd()) as at,
        device(folder("one"), at, "board") as mortal,
        device(folder("two"), at, "board"),
    ):
        with Tracker(at) as asked:
            wait_for(lambda: asked.count("board") == 2, mortal)

        def time(net: RemoteNet, rounds: int) -> tuple[float, ...]:
            calls.append(rounds)
            if len(calls) < 3 and both.wait() == 0:  # both boards are at a point
                os.killpg(mortal.pid, signal.SIGKILL)
            return timed(net, rounds)

        monkeypatch.setattr(RemoteNet, "time", time)
        words = ("--rpc", str(at), "--key", "native=board", "--timeout", "60")
        outcome = mbc("sweep", tiny, *AXES, *words, *QUICK)
    assert outcome.status == 0, outcome.err
    rows = json.loads(outcome.out)["rows"]
    points = [tuple(row["parameters"].values()) for row in rows]
    assert points == [("8", "16"), ("8", "32"), ("16", "16"), ("16", "32")]
    assert len({row["measured_on"] for row in rows}) in (1, 2)
    for row in rows:
        assert row["measured_on"].startswith(f"board at {HOST}:")
        assert row["measured_ms"] > 0
        assert not row["error"]
    assert len(calls) == 2 * (4 + 1) - 1, "one point was begun twice, and timed once"
    lines = Path("build/tiny-sweep.jsonl").read_text().splitlines()
    assert len([line for line in lines if '"measured"' in line]) == 4


def folder(name: str) -> Path:
    Path(name).mkdir()
    return Path(name)


def test_targets_without_a_device(tiny: Path) -> None:
    with listening(tracker_that_answers(summary("rpi3"))) as at:
        outcome = mbc("sweep", tiny, "--target", "rpi4,native", "--rpc", str(at), *QUICK)
    assert outcome.status == 0
    assert "note: rpi4 is not measured: the tracker's devices are rpi3" in outcome.err
    assert [row["measured_on"] for row in json.loads(outcome.out)["rows"]] == ["", "here"]


def test_nobody_answers(tiny: Path) -> None:
    with listening(silent) as gone:
        pass
    outcome = mbc("sweep", tiny, "--rpc", str(gone))
    assert (outcome.status, outcome.code) == (1, "E0630")
    assert not Path("build").exists()


def test_a_key_of_no_target(tiny: Path) -> None:
    outcome = mbc("sweep", tiny, "--rpc", "127.0.0.1:9", "--key", "rpi4=board")
    assert (outcome.status, outcome.code) == (2, "E0101")
    assert "--key names rpi4, and --target does not" in outcome.err
