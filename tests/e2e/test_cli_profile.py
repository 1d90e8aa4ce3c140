"""`mbc profile`: the time of each kernel in its place in the network."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support import ROOT, done, mbc

BLOCKS = re.compile(r"```json\n(.*?)```", re.DOTALL)


def documented() -> dict[str, Any]:
    """The example in docs/cli.md."""
    text = (ROOT / "docs" / "cli.md").read_text("utf-8")
    section = text[text.index("## mbc profile") :].split("\n## ")[0]
    found = BLOCKS.search(section)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_the_documented_json(tiny: Path) -> None:
    data = json.loads(done("profile", tiny, "--rounds", "5", "--json").out)
    example = documented()
    assert list(data) == list(example)
    layers = data["layers"]
    assert all(list(layer) == list(example["layers"][0]) for layer in layers)
    report = json.loads(done("report", tiny, "--json").out)["layers"]
    for key in ("name", "op", "shape", "macs", "bytes", "intensity"):
        assert [layer[key] for layer in layers] == [layer[key] for layer in report]
    assert data["ms_kernels"] == pytest.approx(sum(layer["ms"] for layer in layers), abs=1e-3)
    assert 0 < data["ms_min"] <= data["ms_median"]
    assert all(0 < layer["ms_min"] <= layer["ms"] for layer in layers)
    assert {layer["bound"] for layer in layers} <= {"compute", "memory"}


def test_the_table(tiny: Path) -> None:
    out = done("profile", tiny, "--rounds", "3").out
    header, *rows = out.splitlines()
    assert " ".join(header.split()) == (
        "layer of op ms % GFLOP/s of peak KB GB/s FLOP/B bound of it"
    )
    assert any(row.startswith("fc ") for row in rows)
    assert "(3 rounds, 1 thread)" in out
    assert re.search(r"% of the FMA peak \(\d", out)


def test_passes_threads_and_cpus(tiny: Path) -> None:
    allowed = os.sched_getaffinity(0)
    words = ("profile", tiny, "--rounds", "2", "--json")
    try:
        plain = json.loads(done(*words, "-O0", "--threads", "2").out)
        pinned = json.loads(done(*words, "--cpus", str(min(allowed))).out)
    finally:
        os.sched_setaffinity(0, allowed)
    assert (plain["threads"], pinned["threads"]) == (2, 1)
    assert "batch_norm" in {layer["op"] for layer in plain["layers"]}
    assert "batch_norm" not in {layer["op"] for layer in pinned["layers"]}


def test_the_picture(tiny: Path) -> None:
    done("profile", tiny, "--rounds", "2", "--plot", "roofline.png")
    assert Path("roofline.png").read_bytes().startswith(b"\x89PNG")
    outcome = mbc("profile", tiny, "--rounds", "2", "--plot", "no/such/folder/r.png")
    assert (outcome.status, outcome.code) == (1, "E0703")


def test_no_target_to_profile_for(tiny: Path) -> None:
    assert mbc("profile", tiny, "--target", "arm64").status == 2


def test_the_peak_of_codes(tiny: Path, tmp_path: Path) -> None:
    """Shares are those of what multiplies codes; of layers in float those of FMA."""
    ranges = tmp_path / "tiny.q"
    words = ("--rounds", "2", "--quantize", ranges)
    done("quantize", tiny, "--random", "--samples", "2", "-o", ranges, "--keep-float", "fc")
    data = json.loads(done("profile", tiny, *words, "--json").out)
    peaks = {layer["name"]: layer["peak"] for layer in data["layers"]}
    assert peaks["fc"] == "FMA"
    assert peaks["input.quantize"] is None
    assert list(data["peaks"]) == ["int8", "FMA"]
    assert (data["peak"], data["peak_gflops"]) == ("int8", data["peaks"]["int8"])
    for layer in data["layers"]:
        if layer["peak"]:
            share = layer["gflops"] / data["peaks"][layer["peak"]]
            assert layer["peak_fraction"] == pytest.approx(share, abs=2e-3, rel=2e-2)
    out = done("profile", tiny, *words).out
    assert re.search(r"^fc .* \d+% FMA ", out, re.MULTILINE)
    assert re.search(r"GFLOP/s; of the multiply-adds \d+% by int8, at most .* by FMA, at most", out)
    assert "this core's int8 peak" in done("bench", tiny, *words).out


def test_one_peak_of_codes(tiny: Path, tmp_path: Path) -> None:
    ranges = tmp_path / "tiny.q"
    done("quantize", tiny, "--random", "--samples", "2", "-o", ranges)
    words = ("--rounds", "2", "--quantize", ranges, "--json", "--plot", tmp_path / "roofline.png")
    data = json.loads(done("profile", tiny, *words).out)
    assert data["peak"] == "int8"
    assert (tmp_path / "roofline.png").read_bytes().startswith(b"\x89PNG")
