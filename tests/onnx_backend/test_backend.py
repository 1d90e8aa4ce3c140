"""ONNX's own backend tests: what is claimed is right, and `refused.txt` lists exactly the rest."""

from pathlib import Path

import pytest

from mbc.frontends.onnx.importer import EXPANDED, IMPORTERS
from tests import everyday
from tests.onnx_backend import light
from tests.onnx_backend.cases import KINDS, cases_of
from tests.onnx_backend.listing import (
    FILE,
    LIGHT,
    PARTS,
    SECTIONS,
    listed,
    names_of,
    part_of,
    refusals,
    text_of,
)
from tests.onnx_backend.outcome import refusal_of_light

LEAST = {"node": 320, "pytorch-converted": 65, "pytorch-operator": 22, "simple": 5, "light": 9}
"""How many cases of a kind pass at least."""

WITHOUT_CASES = {"GlobalLpPool", "ReduceLogSumExp"}
"""Ops that ONNX has no test of, or of double precision alone."""


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("kind", KINDS)
def test_cases_pass_or_are_listed(kind: str, part: int) -> None:
    names = part_of(kind, part)
    refused, wrong = refusals(kind, names)
    assert wrong == {}
    known = listed()[kind]
    assert refused == {name: known[name] for name in names if name in known}, (
        "left: what happens; right: what refused.txt lists. `python -m tests.onnx_backend.listing` "
        "writes it anew"
    )


WHOLE = everyday.part_of(((n,) for n in light.NAMES), light.EVERYDAY.__contains__, str)


@pytest.mark.parametrize("name", WHOLE)
def test_whole_networks_pass_or_are_listed(name: str, tmp_path: Path) -> None:
    assert refusal_of_light(name, tmp_path) == listed()[LIGHT].get(name)


@pytest.mark.parametrize("kind", SECTIONS)
def test_every_listed_case_exists(kind: str) -> None:
    assert listed()[kind].keys() <= {*names_of(kind)}


@pytest.mark.parametrize("kind", SECTIONS)
def test_enough_cases_pass(kind: str) -> None:
    passing = {*names_of(kind)} - listed()[kind].keys()
    assert len(passing) >= LEAST[kind]


def test_every_op_that_is_claimed_has_a_case_that_passes() -> None:
    passing = (
        case.model
        for kind in KINDS
        for name, case in cases_of(kind).items()
        if name not in listed()[kind]
    )
    used = {node.op_type for model in passing for node in model.graph.node}
    assert {*IMPORTERS, *EXPANDED} - used <= WITHOUT_CASES


def test_the_list_is_as_it_is_written() -> None:
    text = FILE.read_text("utf-8")
    for kind in SECTIONS:
        assert text_of(kind, listed()[kind], len(names_of(kind))) in text
