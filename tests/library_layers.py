"""Layers of networks of torchvision and timm by the names that they have there, and state dicts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mbc.frontends.dsl import load_network
from mbc.frontends.weights import initialise
from mbc.frontends.weights.names import PYTORCH
from mbc.ir.graph import Graph
from tests.example_networks import EXAMPLES
from tests.torch_files import Tensor, legacy_bytes

FILE = Path(__file__).with_suffix(".txt")


class Case(NamedTuple):
    """A network of a library, and our page for it."""

    source: str
    name: str
    page: str
    options: dict[str, str]
    layers: list[str]


def cases() -> list[Case]:
    """All that the file lists."""
    text = FILE.read_text("utf-8")
    found = re.findall(r"^(\S+) (\S+): (\S+) ?(.*)\n(.*)$", text, re.MULTILINE)
    return [
        Case(source, name, page, dict(w.split("=") for w in options.split()), layers.split())
        for source, name, page, options, layers in found
    ]


def state_dict(source: str, page: str, path: Path) -> None:
    """Write drawn weights of a page as a library's network would have them, in the old format."""
    state = {name: Tensor.of(array) for name, array in drawn(source, page)[1].items()}
    path.write_bytes(legacy_bytes(state))


def drawn(source: str, page: str) -> tuple[Graph, dict[str, np.ndarray]]:
    """A page with drawn weights, and the same in the names and orders of a library."""
    case = next(each for each in cases() if (each.source, each.page) == (source, page))
    graph = load_network(EXAMPLES / f"{page}.py").trace(case.options)
    initialise(graph, 0)
    constants = graph.constants()
    ours = dict.fromkeys(name.rpartition(".")[0] for name in constants)
    theirs = dict(zip(ours, case.layers, strict=True))
    roles = {ours: theirs for theirs, ours in PYTORCH.items()}
    state = {}
    for name, constant in constants.items():
        layer, _, role = name.rpartition(".")
        array: np.ndarray = constant.array
        order = {4: (3, 2, 0, 1), 2: (1, 0)}.get(array.ndim, (0,))
        state[f"{theirs[layer]}.{roles.get(role, role)}"] = array.transpose(order)
    return graph, state
