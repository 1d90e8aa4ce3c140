"""The pass in docs/writing-a-pass.md does what the page says."""

import importlib
import re
from pathlib import Path

import pytest

from mbc.ir.text.parser import parse
from mbc.ir.text.printer import print_graph
from mbc.passmgr.passes import PassContext
from mbc.passmgr.pipeline import parse_passes
from tests.fake_backend import FakeBackend

PAGE = Path(__file__).resolve().parents[2] / "docs" / "writing-a-pass.md"


def test_the_example_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, golden = re.findall(r"```(?:python)?\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "drop_softmax.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    drop_softmax = importlib.import_module("drop_softmax")
    (instance,) = parse_passes("drop-softmax{only_last=true}", (drop_softmax.DropSoftmax,))
    outcomes = []
    for case in golden.split("// ----"):
        graph = parse(case)
        result = instance.run(graph, PassContext(FakeBackend()))
        outcomes.append((result.changed, "softmax" in print_graph(graph)))
        assert not instance.run(graph, PassContext(FakeBackend())).changed
    assert outcomes == [(True, False), (False, True)]
