"""`mbc sweep`: its rows, what it refuses, interruptions, accuracy."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image
from safetensors.numpy import save_file

import mbc as mbc_api
from mbc.driver.bench import bench
from mbc.driver.request import Request, Silent
from mbc.driver.source import load
from mbc.runtime.abi import IoSpec
from mbc.runtime.inputs import read_photo
from mbc.runtime.preprocessing import PRESETS
from tests.e2e.support import ROOT, done, mbc, single

SIZES = ("macs", "params", "file_bytes", "arena_bytes")
AXES = ("-D", "width=8,16", "-D", "resolution=16:32:16")
QUICK = ("--rounds", "3", "--jobs", "1")
PICKY = """\
from mbc.frontends.dsl import Net, Tensor, network


@network
def picky(nn: Net, *, width: int = 8) -> Tensor:
    nn.require(width % 8 == 0, f"{width} channels are not divisible by 8")
    return nn.global_avg_pool(nn.pointwise(nn.input(4, 4, 8), width))
"""


def rows(*words: str | Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done("sweep", *words, "--json").out)["rows"]
    return found


def names(found: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    return [(row["target"], *row["parameters"].values()) for row in found]


def test_two_by_two_points(tiny: Path) -> None:
    found = rows(tiny, *AXES, *QUICK, "--plot", "out/front.svg")
    assert names(found) == [
        ("native", width, resolution) for width in ("8", "16") for resolution in ("16", "32")
    ]
    done("compile", tiny, "-D", "width=16", "--emit", "lib", "--no-check", "-o", "b")
    manifest = json.loads(Path("b/manifest.json").read_text())
    for key in ("macs", "params", "arena_bytes"):
        assert found[2][key] == manifest[key]
    assert found[2]["file_bytes"] == Path("b/libtiny.a").stat().st_size
    for row in found:
        assert row["predicted_ms"] > 0
        assert not row["error"]
        assert row["measured_on"] == "here"
        assert 0 < row["measured_ms"] <= row["measured_median_ms"]
    assert found[0]["front"]
    assert "tiny by width, resolution" in Path("out/front.svg").read_text()


def test_the_forms_say_the_same(tiny: Path) -> None:
    words = (tiny, "-D", "softmax=true", "--target", "native,rpi4", *QUICK)
    found = rows(*words)
    assert [row["measured_ms"] is None for row in found] == [False, True]
    table = done("sweep", *words, "--resume").out.splitlines()
    titles = ["M MACs", "M params", "file KB", "arena KB", "predicted ms", "measured ms"]
    assert re.split("  +", table[0]) == ["target", *titles, "front"]
    assert [line.split()[:3] for line in table[1:3]] == [
        [row["target"], f"{row['macs'] / 1e6:.1f}", f"{row['params'] / 1e6:.3f}"] for row in found
    ]
    text = done("sweep", *words, "--resume", "--csv").out
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [line["softmax"] for line in lines] == ["true", "true"]
    assert [[line[key] for key in SIZES] for line in lines] == [
        [str(row[key]) for key in SIZES] for row in found
    ]


def test_conditions_leave_points_out_and_save_their_measurement(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = list[int]()

    def noted(network: Any, *more: Any) -> Any:
        timed.append(network.source.totals.macs)
        return bench(network, *more)

    monkeypatch.setattr("mbc.driver.sweep.run.bench", noted)
    limit = "arena<12KB"
    found = rows(tiny, *AXES, *QUICK, "--where", limit, "--where", "width>8")
    assert names(found) == [("native", "16", "16")]
    assert timed == [found[0]["macs"]]
    lines = Path("build/tiny-sweep.jsonl").read_text().splitlines()
    assert len(lines) == 1 + 2 + 1, "what a parameter rules out is not compiled"
    assert rows(tiny, *AXES, *QUICK, "--where", "measured<0.000001us", "--resume") == []


# ---- what goes wrong -------------------------------------------------------------------------


def test_what_the_network_refuses_is_a_row(tmp_path: Path, tiny: Path) -> None:
    Path("picky.py").write_text(PICKY)
    words = ("sweep", "picky.py", *QUICK, "--no-measure")
    outcome = mbc(*words, "-D", "width=8,12")
    assert outcome.status == 0, "a refusal is an answer"
    assert re.search("native width=12: E02.*: 12 channels are not divisible by 8", outcome.out)
    assert mbc(*words, "-D", "width=12,13").status == 1, "nothing is left"
    found = json.loads(mbc(*words, "-D", "width=8,12", "--json").out)["rows"]
    assert [row["macs"] for row in found] == [1024, None]
    assert found[1]["error"].startswith("E02")


def test_other_errors_are_rows_and_the_status(tiny: Path) -> None:
    Path("trained").mkdir()
    np.savez("trained/tiny-width=8.npz", nothing=np.zeros(1))
    words = ("sweep", tiny, "-D", "width=8,16", "--weights-dir", "trained", *QUICK)
    outcome = mbc(*words)
    assert outcome.status == 1
    assert "native width=8: E040" in outcome.out
    assert "native width=16: E0417: trained has no weights of native width=16" in outcome.out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("-D", "widht=8,16"), "E0110", "did you mean 'width'?"),
        (("-D", "width=8,wide"), "E0111", "width"),
        (("-D", "width=8:16"), "E0114", "FIRST:LAST:STEP"),
        (("--where", "arena<1ms"), "E0115", "no unit 'ms'"),
        (("--target", "native,rpi9"), "E0501", "rpi9"),
        (("--target", "native,opencl"), "E0106", "about CPUs"),
        (("--images", "."), "E0106", "random weights"),
        (("--weights-dir", "nowhere"), "E0701", "nowhere"),
        (("--weights-dir", ".", "--seed", "1"), "E0106", "--seed exclude"),
        (("--weights-dir", ".", "--images", "."), "E0554", "no photos"),
        (("--samples", "3"), "E0106", "--samples does nothing"),
        (("--mean", "0.5"), "E0106", "--mean does nothing"),
        (("--key", "native=board"), "E0106", "--key is for --rpc"),
        (("--timeout", "3"), "E0106", "--timeout is for --rpc"),
        (("--rpc", "127.0.0.1:9", "--no-measure"), "E0106", "exclude each other"),
        (("--rpc", "127.0.0.1:9", "--cpus", "0"), "E0106", "--cpus pins our threads"),
        (("--rpc", "nowhere"), "E0108", "HOST:PORT"),
        (("--resume",), "E0701", "build/tiny-sweep.jsonl"),
        (("--target", "native,native"), "E0101", "names native twice"),
        (("--plot", "front.pdf"), "E0101", "takes a .png or .svg"),
        (("--json", "--csv"), "E0101", "not allowed with"),
    ],
)
def test_mistakes_are_told_at_once(
    tiny: Path, words: tuple[str, ...], code: str, told: str
) -> None:
    outcome = mbc("sweep", tiny, *words)
    assert outcome.code == code
    assert outcome.status == (2 if code == "E0101" else 1)
    assert told in outcome.err
    assert not outcome.out
    assert not Path("build").exists()


def test_a_model_has_no_parameters(tiny: Path) -> None:
    done("compile", tiny, "--dump-ir", "--stop-after", "import")
    (text,) = Path("ir").glob("*.mbc")
    assert mbc("sweep", text, "-D", "width=8").code == "E0103"
    assert names(rows(text, "--target", "rpi3,rpi4", "--jobs", "1")) == [("rpi3",), ("rpi4",)]


def test_resuming_something_else(tiny: Path) -> None:
    done("sweep", tiny, "-D", "width=8", "--no-measure", "--jobs", "1")
    tiny.write_text(tiny.read_text().replace("2 * width", "3 * width"))
    outcome = mbc("sweep", tiny, "-D", "width=8", "--no-measure", "--resume")
    assert outcome.code == "E0116"
    assert "file was " in outcome.err


def test_more_values_go_on_from_those_before(tiny: Path) -> None:
    first = rows(tiny, "-D", "width=8", "--target", "rpi3", *QUICK)
    more = rows(tiny, "-D", "width=8,16", "--target", "rpi3,native", *QUICK, "--resume")
    assert names(more) == [("rpi3", "8"), ("rpi3", "16"), ("native", "8"), ("native", "16")]
    assert {**more[0], "front": True} == {**first[0], "front": True}
    assert all(row["predicted_ms"] for row in more)
    assert len(Path("build/tiny-sweep.jsonl").read_text().splitlines()) == 1 + 4 + 2


# ---- Ctrl-C ----------------------------------------------------------------------------------


def begun(*words: str, after: str) -> subprocess.Popen[str]:
    """Run a sweep as a process until a line of stderr begins so."""
    command = [sys.executable, "-m", "mbc", "sweep", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, env=environment, start_new_session=True, text=True
    )
    assert process.stderr is not None
    while not (line := process.stderr.readline()).startswith(after):
        assert line, "it ended before"
    return process


def interrupted(*words: str, after: str) -> str:
    """Send SIGINT to a sweep after a line of stderr begins so."""
    process = begun(*words, after=after)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 130, err
    assert "Traceback" not in err
    deadline = time.monotonic() + 20  # the tracker of resources ends after its process
    while found := list(processes_of(process.pid)):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return err


def processes_of(session: int) -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().rpartition(")")
        except OSError:
            continue
        state, _, _, own, *_ = rest.split()
        if int(own) == session and state not in "ZX":
            yield name


@pytest.mark.parametrize(
    ("jobs", "after", "rounds"),
    [
        ("2", "compiled", "3"),
        pytest.param("1", "measured", "3000", marks=pytest.mark.thorough),  # else it ends before
    ],
)
def test_an_interrupted_sweep_goes_on(tiny: Path, jobs: str, after: str, rounds: str) -> None:
    words = (str(tiny), *AXES, "--rounds", rounds, "-o", "r.jsonl")
    err = interrupted(*words, "--jobs", jobs, after=after)
    assert "r.jsonl has what was found; the same command with --resume goes on" in err
    before = Path("r.jsonl").read_text().splitlines()
    assert 1 < len(before) < 1 + 4 + 4
    found = rows(*words, "--jobs", "1", "--resume")
    whole = rows(*words, "--jobs", "1", "-o", "whole.jsonl")
    assert names(found) == names(whole)
    assert len(set(names(found))) == 4
    assert [[row[key] for key in SIZES] for row in found] == [
        [row[key] for key in SIZES] for row in whole
    ]
    assert all(row["measured_ms"] for row in found)
    lines = Path("r.jsonl").read_text().splitlines()
    assert lines[: len(before)] == before
    assert len(lines) == 1 + 4 + 4, "nothing is found twice"


@pytest.mark.thorough
def test_a_process_that_the_system_ends(tiny: Path) -> None:
    words = (str(tiny), "-D", "width=8:256:8", "--no-measure")
    process = begun(*words, "--jobs", "2", after="compiled")
    for worker in psutil.Process(process.pid).children():
        if "spawn_main" in " ".join(worker.cmdline()):
            worker.kill()
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "error[E0902]: the system ended a process that compiled" in err
    assert "Traceback" not in err
    assert len(rows(*words, "--jobs", "1", "--resume")) == 32


# ---- accuracy --------------------------------------------------------------------------------


def test_accuracy_by_labelled_photos(tiny: Path) -> None:
    Path("trained").mkdir()
    for width in (8, 16):
        source = load(Request(tiny, {"width": width}, seed=width), Silent())
        weights = {c.name: c.array for c in source.graph.constants().values()}
        save_file(weights, f"trained/tiny-width={width}.safetensors")
    net = mbc_api.compile(tiny, params={"width": 8}, weights="trained/tiny-width=8.safetensors")
    random = np.random.default_rng(0)
    for i in range(4):
        path = Path(f"photo{i}.png")
        Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)).save(path)
        x = read_photo(path, IoSpec("input", (1, 16, 16, 3)), PRESETS["plain"])
        winner = int(single(net, x).argmax())
        label = winner if i else (winner + 1) % 10  # one is wrong
        Path(f"photos/{label}").mkdir(parents=True, exist_ok=True)
        path.rename(f"photos/{label}/{i}.png")
    found = rows(tiny, "-D", "width=8,16", "--weights-dir", "trained", "--images", "photos",
                 "--target", "native,rpi4", "--no-measure", "--jobs", "1")  # fmt: skip
    assert [row["accuracy"] for row in found[::2]] == [0.75, 0.75]
    assert found[1]["accuracy"] == found[3]["accuracy"] is not None
