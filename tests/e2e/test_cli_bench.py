"""`mbc bench`, and its comparison with other engines."""

import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from mbc.driver.bench import BenchResult
from mbc.driver.rounds import Times, quiet, stdout_on_stderr, take_turns
from mbc.engines.catalogue import ENGINES
from mbc.engines.task import Task
from tests.e2e.support import done, mbc

FIGURES = {"ms_min", "ms_median", "gflops", "peak_fraction"}


def test_the_documented_json(tiny: Path) -> None:
    data = json.loads(done("bench", tiny, "--threads", "1", "--rounds", "5", "--json").out)
    assert data.pop("backend") == "llvm"
    assert set(data) == {"mbc", "engines", "ratio", "peak", "peak_gflops", "rounds", "threads"}
    assert set(data["mbc"]) == FIGURES
    assert 0 < data["mbc"]["ms_min"] <= data["mbc"]["ms_median"]
    assert 0 < data["mbc"]["peak_fraction"] < 1
    assert data["engines"] == data["ratio"] == {}
    assert (data["rounds"], data["threads"]) == (5, 1)
    assert "this core's FMA peak" in done("bench", tiny, "--rounds", "2").out
    assert mbc("bench", tiny, "--threads", "0").status == 2


def test_threads(tiny: Path) -> None:
    assert "the FMA peak of 2 threads" in done("bench", tiny, "--rounds", "2", "--threads", "2").out


def test_figures_follow_from_the_times() -> None:
    ours, theirs = Times((0.002, 0.001, 0.004)), Times((0.004, 0.003, 0.004))
    result = BenchResult(25_000_000, 2, 100.0, ours, {"onnxruntime": theirs})
    assert (ours.ms_min, ours.ms_median) == (1.0, 2.0)
    assert result.gflops(ours) == pytest.approx(50.0)
    assert result.peak_fraction(ours) == pytest.approx(0.25)
    assert result.ratios == {"onnxruntime": pytest.approx(2.0)}, "median of 2, 3 and 1"
    assert result.to_json()["engines"]["onnxruntime"]["ms_min"] == pytest.approx(3.0)


def log_of_turns(names: str, rounds: int) -> str:
    """Which contestants ran, and "|" before each round."""
    log: list[str] = []
    contestants = {name: (lambda name=name: log.append(name)) for name in names}
    times = take_turns(contestants, rounds, lambda: log.append("|"), pytest.fail)
    assert {name: len(t.seconds) for name, t in times.items()} == dict.fromkeys(names, rounds)
    return "".join(log)


def test_each_round_begins_with_another_and_each_is_warm() -> None:
    assert log_of_turns("abc", 4) == "|aabbcc|bbccaa|ccaabb|aabbcc"
    assert log_of_turns("a", 3) == "|a|a|a"


@pytest.fixture
def spinning() -> Iterator[threading.Event]:
    """A thread that computes until the event is set."""
    end = threading.Event()

    def spin() -> None:
        while not end.is_set():
            np.zeros(100_000).sum()

    thread = threading.Thread(target=spin)
    thread.start()
    yield end
    end.set()
    thread.join()


def test_turns_wait_for_threads_that_spin(spinning: threading.Event) -> None:
    """On a busy machine the spinning thread may get no CPU in one nap, but not in all."""
    assert any(not quiet(patience=0.02) for _ in range(50))
    threading.Timer(0.2, spinning.set).start()
    assert quiet(patience=10.0)


def test_who_does_not_sleep_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mbc.driver.rounds.quiet", lambda: False)
    restless: list[str] = []
    take_turns({"a": lambda: None, "b": lambda: None}, 2, lambda: None, restless.append)
    assert restless == ["b", "a", "b", "b"], "the first has the last warm-up before it"


def test_what_libraries_print_goes_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    with stdout_on_stderr():
        os.write(1, b"noise\n")
    os.write(1, b"product\n")
    assert capfd.readouterr() == ("product\n", "noise\n")


def test_a_comparison(tiny: Path) -> None:
    words = ("bench", tiny, "--rounds", "3", "--vs", "onnxruntime")
    data = json.loads(done(*words, "--json").out)
    assert set(data["engines"]) == set(data["ratio"]) == {"onnxruntime"}
    assert set(data["engines"]["onnxruntime"]) == {"version", *FIGURES}
    assert data["ratio"]["onnxruntime"] > 0
    out = done(*words).out
    assert out.startswith("tiny (3 rounds, 1 thread)\n")
    assert f"onnxruntime {data['engines']['onnxruntime']['version']}" in out


def test_images_go_in_and_out_as_each_engine_has_them(tiny: Path) -> None:
    """Neither side of this network is symmetric in height, width and channels."""
    source = tiny.read_text()
    body = source[source.index("    x = nn.input") :]
    text = "    x = nn.input(12, 16, 3)\n    return nn.conv(x, 5, 3, stride=2, padding='same')\n"
    tiny.write_text(source.replace(body, text))
    done("bench", tiny, "--rounds", "1", "--vs", "onnxruntime")


class Wrong:
    """An engine that computes zeros."""

    distribution: ClassVar[str] = "numpy"

    def __init__(self, task: Task) -> None:
        pass

    def run(self) -> None:
        pass

    def outputs(self) -> tuple[np.ndarray, ...]:
        return (np.zeros((1, 10), np.float32),)


class Broken(Wrong):
    """An engine that fails."""

    def run(self) -> None:
        raise ArithmeticError("cannot add")


def with_engine(monkeypatch: pytest.MonkeyPatch, engine: type[Any]) -> None:
    engines = {**ENGINES, "other": engine}
    monkeypatch.setattr("mbc.cli.commands.bench.ENGINES", engines)
    monkeypatch.setattr("mbc.driver.rivals.ENGINES", engines)


def test_an_engine_that_answers_otherwise(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_engine(monkeypatch, Wrong)
    outcome = mbc("bench", tiny, "--vs", "other")
    assert (outcome.status, outcome.code) == (1, "E0612")
    assert "other computes something else than mbc: relative difference 1," in outcome.err


def test_an_engine_that_fails(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_engine(monkeypatch, Broken)
    outcome = mbc("bench", tiny, "--vs", "other")
    assert (outcome.status, outcome.code) == (1, "E0611")
    assert "other cannot run this network: cannot add" in outcome.err


@pytest.mark.parametrize(
    ("engine", "package", "extra"),
    [
        ("onnxruntime", "onnxruntime", "bench"),
        ("openvino", "openvino", "bench"),
        ("mnn", "MNN", "bench"),
        ("ncnn", "ncnn", "ncnn"),
    ],
)
def test_an_engine_that_is_not_there(
    tiny: Path, engine: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    outcome = mbc("bench", tiny, "--vs", engine)
    assert (outcome.status, outcome.code) == (1, "E0610")
    assert f"package {package} is not installed" in outcome.err
    assert f"pip install 'mbc[{extra}]'" in outcome.err


def test_an_engine_that_nobody_knows(tiny: Path) -> None:
    outcome = mbc("bench", tiny, "--vs", "onnxruntime,opnvino")
    assert outcome.status == 2
    assert "did you mean 'openvino'?" in outcome.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "package"), [("openvino", "openvino"), ("mnn", "MNN"), ("ncnn", "ncnn")]
)
def test_engines_that_may_be_there(tiny: Path, engine: str, package: str) -> None:
    """They answer as mbc does, and stdout is clean whatever they print."""
    pytest.importorskip(package, reason=f"{package} is not installed (extra of mbc)")
    words = ("bench", tiny, "--rounds", "2", "--vs", f"{engine},onnxruntime", "--json")
    assert set(json.loads(done(*words).out)["ratio"]) == {engine, "onnxruntime"}


def test_engines_on_codes(tiny: Path, tmp_path: Path) -> None:
    """They get the model on codes; those that take none are refused before anything runs."""
    ranges = tmp_path / "tiny.q"
    done("quantize", tiny, "--random", "--samples", "2", "-o", ranges)
    words = ("bench", tiny, "--rounds", "2", "--quantize", ranges, "--vs")
    assert set(json.loads(done(*words, "onnxruntime", "--json").out)["ratio"]) == {"onnxruntime"}
    for engine in ("mnn", "ncnn"):
        outcome = mbc(*words, f"onnxruntime,{engine}")
        assert (outcome.status, outcome.code) == (1, "E0611")
        assert f"{engine} takes no quantised ONNX models" in outcome.err
        assert "running passes" not in outcome.err
        assert "--vs onnxruntime,openvino" in outcome.err
