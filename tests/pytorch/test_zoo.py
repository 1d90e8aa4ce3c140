"""Networks of torchvision and timm come to mbc with PyTorch's answers; `make zoo` tries all."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

import mbc
from mbc.driver.imported import Imported
from mbc.frontends.onnx.importer import import_onnx
from mbc.ir.graph import Graph
from tests.onnx_models import moves_after_fuse
from tests.zoo.definitions import DEFINITIONS, EVERYDAY, Definition
from tests.zoo.ways import TOLERANCE, WAYS, answer, drawn, error_of

SIZE = 32
SLOW = "dynamo ONNX"
"""The way that takes 13 s a network: tried with one."""

SHUFFLENET = Definition("torchvision", "shufflenet_v2_x0_5")


def imported(way: str, module: Any, x: Any, folder: Path) -> Graph:
    made = WAYS[way](module, x, folder)
    return made.graph if isinstance(made, Imported) else import_onnx(made).graph


@pytest.mark.parametrize(
    ("definition", "way"),
    [*zip((d for d in DEFINITIONS if d.name in EVERYDAY), cycle(w for w in WAYS if w != SLOW))],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_network_computes_the_same(definition: Definition, way: str, tmp_path: Path) -> None:
    """By one of the ways, in turn."""
    module, x = definition.module(), drawn(SIZE)
    net = mbc.compile(Imported(imported(way, module, x, tmp_path)), backend="oracle")
    assert error_of(net, x, answer(module, x)) <= TOLERANCE


@pytest.mark.parametrize("way", WAYS)
def test_nothing_in_a_shufflenet_only_moves_data(way: str, tmp_path: Path) -> None:
    graph = imported(way, SHUFFLENET.module(), drawn(64), tmp_path)
    assert not moves_after_fuse(graph)
