"""`--weights-from`: the layers of libraries become those of our pages, one for one and in order."""

import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from mbc.diag import MbcError
from mbc.driver.request import Request, Silent
from mbc.driver.source import load, read_graph
from mbc.frontends.dsl import load_network
from mbc.frontends.weights import load_weights
from mbc.frontends.weights.presets import FOLDER, PRESETS, SOURCES, find_preset
from mbc.frontends.weights.rules import rename
from mbc.ir.literals import weights_of
from tests.example_networks import EXAMPLES
from tests.library_layers import Case, cases, drawn

DOCS = EXAMPLES.parent / "docs" / "weights.md"
CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.source}-{case.name}")
def test_layers_of_a_library(case: Case) -> None:
    graph = load_network(EXAMPLES / f"{case.page}.py").trace(case.options)
    ours = dict.fromkeys(name.rpartition(".")[0] for name in weights_of(graph))
    renamed = rename(case.layers, find_preset(case.page, case.source).rules())
    assert list(renamed.names.values()) == list(ours)


def test_safetensors_of_a_library(tmp_path: Path) -> None:
    """Any kind of file may have a library's names; their order in it does not matter."""
    drawn_graph, state = drawn("timm", "ghostnet")
    contiguous = {name: np.ascontiguousarray(state[name]) for name in sorted(state)}
    save_file(contiguous, tmp_path / "model.safetensors")
    graph = load_network(EXAMPLES / "ghostnet.py").trace({})
    load_weights(graph, tmp_path / "model.safetensors", find_preset("ghostnet", "timm"))
    expected = {name: constant.array for name, constant in drawn_graph.constants().items()}
    found = graph.constants()
    assert all(np.array_equal(found[name].array, expected[name]) for name in expected)


def test_every_preset_is_tried() -> None:
    tried = {(case.page, case.source) for case in CASES}
    assert {(p.network, p.source) for p in PRESETS} - tried == {
        ("efficientnet", "efficientnet-pytorch")  # whose package no registry's build needs
    }
    assert {preset.source for preset in PRESETS} == set(SOURCES)
    assert {f"{preset.file}.rules" for preset in PRESETS} == {p.name for p in FOLDER.iterdir()}


def test_every_preset_is_documented() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| `([\w-]+)` \| (.*) \|$", DOCS.read_text("utf-8"), re.MULTILINE
    )
    assert {(network, source): settings for network, source, settings in rows} == {
        (preset.network, preset.source): " ".join(
            f"`{name}={value}`" for name, value in preset.settings.items()
        )
        for preset in PRESETS
    }


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: f"{preset.network}-{preset.source}")
def test_settings_are_parameters_of_the_page(preset: object) -> None:
    assert isinstance(preset, type(PRESETS[0]))
    request = Request(EXAMPLES / f"{preset.network}.py", weights_from=preset.source)
    parameters = read_graph(request).meta["parameters"].split()
    found = dict(word.split("=") for word in parameters)
    for name, value in preset.settings.items():
        assert found[name] == value or float(found[name]) == float(value)


def test_the_user_has_the_last_word() -> None:
    request = Request(EXAMPLES / "mobilenet_v2.py", {"padding": "same"}, weights_from="torchvision")
    assert "padding=same" in read_graph(request).meta["parameters"]


def test_mistakes() -> None:
    page = EXAMPLES / "mobilenet_v1.py"
    for request, code in (
        (Request(page, weights_from="torchvision"), "E0416"),
        (Request(page, weights_from="timm"), "E0106"),
    ):
        with pytest.raises(MbcError) as caught:
            load(request, Silent())
        assert caught.value.diagnostics[0].code == code
