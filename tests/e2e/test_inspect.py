"""`mbc inspect`: what each pass made of a network."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support import EXAMPLES, ROOT, done, mbc

SMALL = ("-D", "alpha=0.25", "-D", "resolution=64", "--target", "rpi4")


def inspected(*words: str | Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(done("inspect", *words, "--json").out)
    return data


def documented() -> dict[str, Any]:
    """The example in docs/inspect.md."""
    text = (ROOT / "docs" / "inspect.md").read_text("utf-8")
    found = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def shape(item: Any, name: str = "") -> Any:
    """The keys of an object and of the first item of each list in it."""
    if isinstance(item, list):
        found = next((x for x in item if isinstance(x, dict)), None)
        return [] if found is None else [shape(found)]
    if not isinstance(item, dict) or name in ("attributes", "parameters"):
        return None
    if name == "weights":
        item = {"NAME": next(iter(item.values()))}
    return {key: shape(value, key) for key, value in item.items()}


def test_the_documented_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES)
    data, example = inspected("mobilenet_v1.py", *SMALL), documented()
    (stage,) = example["stages"]
    name = example["graphs"][0]["nodes"][0]["name"]
    data["stages"] = [data["stages"][stage["index"]] | {"seconds": stage["seconds"]}]
    data["graphs"] = data["graphs"][-1:]
    data["graphs"][0]["nodes"] = [n for n in data["graphs"][0]["nodes"] if n["name"] == name]
    data["graphs"][0]["nodes"][0]["body"] = []
    assert shape(data) == shape(example)
    assert {**data["stages"][0], "remarks": []} == {**stage, "remarks": []}
    assert stage["remarks"] == data["stages"][0]["remarks"][-1:]
    for key in ("network", "limits", "kernels"):
        got = data[key][:1] if key == "kernels" else data[key]
        assert got == example[key]
    ours, theirs = data["graphs"][0], example["graphs"][0]
    assert ours["totals"] == theirs["totals"]
    lines = theirs["nodes"][0]["lines"]
    assert ours["nodes"] == [theirs["nodes"][0] | {"lines": ours["nodes"][0]["lines"]}]
    assert ours["nodes"][0]["lines"][:1] == lines


def test_stages_and_graphs(tiny: Path) -> None:
    data = inspected(tiny)
    stages, graphs = data["stages"], data["graphs"]
    assert [stage["index"] for stage in stages] == list(range(len(stages)))
    assert stages[0]["name"] == "import"
    for before, stage in pairwise(stages):
        assert stage["graph"] == before["graph"] + stage["changed"]
    assert graphs[0]["text"] == done("compile", tiny, "--stop-after", "import").out
    first = {value["name"] for node in graphs[0]["nodes"] for value in node["results"]}
    assert all(
        node["origins"] and first.issuperset(node["origins"]) for node in graphs[-1]["nodes"]
    )
    assert [kernel["node"] for kernel in data["kernels"]] == [
        n["name"] for n in graphs[-1]["nodes"]
    ]


def test_statistics_of_weights(tiny: Path) -> None:
    data = inspected(tiny)
    names = {
        name for graph in data["graphs"] for node in graph["nodes"] for name in node["constants"]
    }
    assert names == set(data["weights"])
    variance = data["weights"]["block.dw.bn.variance"]
    assert variance["min"] <= variance["mean"] <= variance["max"]
    assert variance["elements"] == 8


def test_the_source_is_in_it_unless_told_not_to(tiny: Path) -> None:
    assert inspected(tiny)["sources"] == [{"file": "tiny.py", "text": tiny.read_text("utf-8")}]
    assert inspected(tiny, "--no-source")["sources"] is None


def test_without_a_plan_there_are_no_kernels(tiny: Path) -> None:
    data = inspected(tiny, "--stop-after", "fuse")
    assert (data["kernels"], data["memory"], data["totals"]["arena_bytes"]) == (None, None, None)


def test_the_clock(tiny: Path) -> None:
    board, fast = (
        inspected(tiny, "--target", "rpi4"),
        inspected(tiny, "--target", "rpi4", "--mhz", "3000"),
    )
    assert (board["limits"]["clock"], fast["limits"]["clock"]) == ("board", "given")
    assert board["totals"]["ms"] == pytest.approx(2 * fast["totals"]["ms"], abs=3e-6)
    assert inspected(tiny, "--target", "arm64")["limits"]["clock"] == "assumed"


def test_the_clock_of_this_machine_is_measured(tiny: Path) -> None:
    limits = inspected(tiny)["limits"]
    assert (limits["clock"], limits["mhz"] > 100) == ("measured", True)
    assert inspected(tiny, "--mhz", "2000")["limits"]["clock"] == "given"


def test_gpus_are_refused(tiny: Path) -> None:
    assert mbc("inspect", tiny, "--target", "cuda").code == "E0106"
