"""That the table of pages on codes sees what kernels store, and every difference in it.

`make fuzz` runs pages in one variant each, small, on all kinds of machines; everyday runs have
MLPerf Tiny's here.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from mbc.backends.llvm.lower import LoweredNet
from mbc.interp import run
from mbc.ir.elements import Q8
from mbc.ir.graph import Graph
from mbc.ir.types import TensorType
from mbc.ops import Dequantize, Quantize, Softmax
from tests.everyday import part_of
from tests.example_networks import Page
from tests.pages import codes
from tests.pages.codes import (
    NETWORKS,
    WAYS,
    Compared,
    after_passes,
    checked,
    compare,
    inexact_values,
    quantised,
)
from tests.pages.run import FLOAT, INT8, MARK, tables

DS_CNN = next(page for page in NETWORKS if page.name == "tiny/ds_cnn")
EVERYDAY = {("tiny/ds_cnn", "native"), ("tiny/resnet8", "i8mm")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "way"),
    part_of(
        product((page for page in NETWORKS if page.everyday), WAYS),
        lambda page, way: (page.name, way) in EVERYDAY,
        lambda page, way: f"{page}-{way}",
    ),
)
def test_everything_stored_equals_the_oracle(page: Page, way: str, tmp_path: Path) -> None:
    if not WAYS[way].here:
        pytest.skip(f"{way} cannot be had here")
    compared = checked(page, WAYS[way], tmp_path, small=True)
    assert compared.wrong == ()
    assert compared.outputs > 3


def test_all_that_kernels_store_is_compared() -> None:
    graph = after_passes(quantised(DS_CNN, 8, small=True), WAYS["native"].target)
    shown = {value for view in graph.outputs for value in view.values}
    read = {v for node in graph.topo() if isinstance(node.op, Dequantize) for v in node.views}
    shown |= {value for view in read for value in view.values}
    assert shown >= {value for node in graph.topo() for value in node.results}
    (probabilities,) = inexact_values(graph)
    assert graph.outputs[0].values == (probabilities,)


def test_other_weights_are_noticed(tmp_path: Path) -> None:
    def altered(lowered: LoweredNet) -> LoweredNet:
        """One bit of a weight in the middle."""
        weights = bytearray(lowered.weights)
        weights[len(weights) // 2] ^= 4
        return replace(lowered, weights=bytes(weights))

    assert str(checked(DS_CNN, WAYS["native"], tmp_path, small=True, alter=altered)).endswith(MARK)


def test_passes_that_change_a_bit_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = quantised(DS_CNN, 8, small=True)
    ((name, array),) = network.outputs.items()
    other = replace(network, outputs={name: array + 1e-3})
    monkeypatch.setattr(codes, "quantised", lambda page, bits, *, small: other)
    assert checked(DS_CNN, WAYS["native"], tmp_path, small=True).wrong == (name,)


def _with_an_island() -> Graph:
    """Codes, their softmax, and codes of that."""
    graph, element = Graph("net"), Q8.of(1 / 64, 3)
    x = graph.add_input("x", TensorType((1, 8)))
    number = graph.add(Dequantize(), [graph.add(Quantize(to=element), [x]).result]).result
    soft = graph.add(Softmax(), [number]).result
    again = graph.add(Dequantize(), [graph.add(Quantize(to=element), [soft]).result]).result
    graph.set_outputs([number, soft, again], ["number", "soft", "again"])
    return graph


@pytest.mark.parametrize(
    ("name", "far", "wrong"),
    [
        ("number", 1e-7, True),
        ("soft", 1e-7, False),
        ("soft", 1e-3, True),
        ("again", 1 / 64, False),
        ("again", 1 / 32, True),
        ("soft", np.nan, True),
    ],
)
def test_bits_count_but_after_floats(name: str, far: float, wrong: bool) -> None:
    graph = _with_an_island()
    wanted = run(graph, {"x": np.linspace(-1, 1, 8, dtype=np.float32).reshape(1, 8)})
    assert compare(graph, wanted, wanted) == Compared(3, ())
    found = {**wanted, name: wanted[name] + far}
    assert compare(graph, found, wanted).wrong == ((name,) if wrong else ())


def test_tables_are_chosen_by_kind_machine_and_page() -> None:
    assert tables([]) == [FLOAT, INT8]
    (chosen,) = tables(["--int8", "--on", "arm64,tvm", "mobilenet_v2"])
    assert (chosen.title, chosen.ways) == (INT8.title, ("arm64",))
    assert {page.name for page in chosen.pages} == {"mobilenet_v2"}
    both = tables(["--on", "riscv64"])
    assert [table.ways for table in both] == [("riscv64",)] * 2
    assert [table.title for table in tables(["--on", "i8mm"])] == [INT8.title]


@pytest.mark.parametrize(
    "words", [["--on", "z80"], ["--int8", "--on", "tvm"], ["alexnet"]], ids=str
)
def test_nothing_to_do_is_an_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tables(words)
    assert "there are " in capsys.readouterr().err
