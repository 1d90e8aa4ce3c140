"""Every id of a remark is in the table, and something produces it."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np

from mbc.int8.quantisation import Quantisation, Range
from mbc.ir.elements import Q8
from mbc.ir.text import parse
from mbc.passes.pipelines import PASSES as KNOWN_PASSES
from mbc.passes.quantise import Quantise
from mbc.passes.quantising.forms import why_island
from mbc.passes.quantising.rewrite import rewrite
from mbc.passmgr.passes import PassContext, PassResult
from mbc.remarks import PASSES, REMARKS
from mbc.remarks.document import document
from tests.fake_backend import FakeBackend
from tests.golden_cases import cases

ROOT = Path(__file__).resolve().parents[2]
STATED = """
graph @g(%x: f32[1,1,1,4], %y: f32[1,4], %z: f32[1,4]) {
  const @w : f32[1,1,4,4]
  %c = conv2d(%x, @w) : f32[1,1,1,4]
  %a, %b = split(%c) {sizes=(2,2)} : f32[1,1,1,2], f32[1,1,1,2]
  %d = relu(%b) : f32[1,1,1,2]
  %e = relu(%y) : f32[1,4]
  %f = relu(%z) : f32[1,4]
  return %a, %d, %e, %f
}"""

BYTES = """
graph @g(%x: q8(1.0,0)[1,1,1,4]) {
  const @w : f32[1,1,4,4]
  %f = dequantize(%x) : f32[1,1,1,4]
  %y = conv2d(%f, @w) : f32[1,1,1,4]
  return %y
}"""


def of_cases() -> set[str]:
    """What the golden cases give."""
    return {
        remark.id(record.step.name)
        for case in cases()
        if not case.is_error
        for record in case.run(case.graph())
        for remark in record.result.remarks
    }


def of_stated_scales() -> set[str]:
    """What a model gives that states scales, of some values only."""
    graph, result = parse(STATED), PassResult()
    for constant in graph.constants().values():
        constant.data = np.ones(constant.type.shape, np.float32)
    one, other = Q8.of(0.04, 120), Q8.of(0.02, 0)
    elements = {"x": one, "c": one, "a": one, "b": other, "z": other, "f": other}
    rewrite(graph, Quantisation({}, frozenset(), elements=elements, weights={}), result)
    return {remark.id("quantise") for remark in result.remarks}


def of_bytes() -> set[str]:
    """What a layer gives that reads an input of bytes."""
    graph = parse(BYTES)
    for constant in graph.constants().values():
        constant.data = np.ones(constant.type.shape, np.float32)
    context = PassContext(FakeBackend(), Quantisation({"x": Range(0, 255), "y": Range(-9, 9)}))
    return {remark.id("quantise") for remark in Quantise().run(graph, context).remarks}


def of_activations() -> set[str]:
    """What a layer gives whose activation nothing has separated from it."""
    node = "%0 = add(%x, %x) {act=silu} : f32[1,4]"
    graph = parse(f"graph @g(%x: f32[1,4]) {{\n  {node}\n  return %0\n}}")
    return {f"quantise.{why_island(graph.topo()[0]).reason}"}


def test_the_table_has_the_ids_that_there_are() -> None:
    found = of_cases() | of_stated_scales() | of_bytes() | of_activations()
    assert found - REMARKS.keys() == set(), "not in mbc/remarks"
    assert REMARKS.keys() - found == set(), "nothing produces it: write a golden case"


def test_every_pass_is_in_it() -> None:
    assert {p.name for p in KNOWN_PASSES} <= PASSES.keys()
    assert all(text.endswith(".") for text in REMARKS.values())


def test_reasons_in_the_code_are_in_the_table() -> None:
    """Also those that no case reaches."""
    known = {reason for reasons in PASSES.values() for reason in reasons}
    names = {"Refusal", "_RefusedError", "did", "note"}
    for path in sorted((ROOT / "passes").rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(call, ast.Call) or not call.args:
                continue
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            reason = call.args[0]
            if name in names and isinstance(reason, ast.Constant):
                assert reason.value in known, f"{path}:{call.lineno}: {reason.value!r}"


def test_the_document_is_current() -> None:
    text = (ROOT / "docs" / "remarks.md").read_text("utf-8")
    assert text == document(), "run: python -m mbc.remarks.document > docs/remarks.md"
