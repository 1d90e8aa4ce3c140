"""Loading a network's file leaves no trace, and says what is wrong with the file."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from mbc.diag import MbcError, render
from mbc.frontends.dsl import Net, load_network
from mbc.frontends.dsl.explain import LAYERS
from mbc.ir import activations
from mbc.ir.text.printer import print_graph

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"

NET = """
from mbc.frontends.dsl import network
{imports}

@network
def net(nn):
    return nn.relu(nn.input({width}))
"""


def write(path: Path, *, imports: str = "", width: str = "8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(NET.format(imports=imports, width=width))
    return path


def failure(path: Path, network: str | None = None) -> tuple[str, str]:
    with pytest.raises(MbcError) as problem:
        load_network(path, network)
    (diagnostic,) = problem.value.diagnostics
    return diagnostic.code, render(diagnostic).replace(f"{path.parent}/", "")


def test_neighbours_can_be_imported_and_are_forgotten(tmp_path: Path) -> None:
    for folder, width in (("first", 3), ("second", 5)):
        helpers = tmp_path / folder / "helpers"
        path = write(
            tmp_path / folder / "net.py",
            imports="from helpers.widths import WIDTH\nimport colours",
            width="WIDTH",
        )
        helpers.mkdir()
        (helpers / "__init__.py").touch()
        (helpers / "widths.py").write_text(f"WIDTH = {width}")
        (tmp_path / folder / "colours.py").write_text("RED = 1")
        modules, folders = set(sys.modules), list(sys.path)
        graph = load_network(path).trace()
        assert graph.inputs[0].type.shape == (1, width)
        assert set(sys.modules) == modules
        assert sys.path == folders


def test_a_failing_file_leaves_nothing_either(tmp_path: Path) -> None:
    path = write(tmp_path / "net.py", imports="import helpers\nhelpers.missing()")
    (tmp_path / "helpers.py").touch()
    modules, folders = set(sys.modules), list(sys.path)
    assert failure(path)[0] == "E0214"
    assert set(sys.modules) == modules
    assert sys.path == folders


def test_a_library_imported_by_the_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    load_network(write(tmp_path / "net.py", imports="import colorsys"))
    assert "colorsys" in sys.modules


def test_an_error_in_a_neighbour_points_there(tmp_path: Path) -> None:
    path = write(tmp_path / "net.py", imports="import helpers")
    (tmp_path / "helpers.py").write_text("\nWIDTHS = (1, 2")
    code, text = failure(path)
    assert code == "E0213"
    assert "helpers.py:2:10" in text
    (tmp_path / "helpers.py").write_text("WIDTHS = (1, 2)\nWIDTHS.sort()")
    code, text = failure(path)
    assert code == "E0214"
    assert "helpers.py:2:1" in text


def test_a_changed_file_is_shown_as_it_is_now(tmp_path: Path) -> None:
    path = write(tmp_path / "net.py", width="-1")
    with pytest.raises(MbcError):
        load_network(path).trace()
    write(tmp_path / "net.py", width="-200")
    with pytest.raises(MbcError) as problem:
        load_network(path).trace()
    assert "nn.relu(nn.input(-200))" in render(problem.value.diagnostics[0])


def test_networks_of_one_file_are_chosen_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "net.py")
    path.write_text(path.read_text() + "\n@network\ndef other(nn):\n    return nn.input(4)\n")
    assert load_network(path, "other").trace().inputs[0].type.shape == (1, 4)
    assert load_network(path, "net").trace().inputs[0].type.shape == (1, 8)
    assert failure(path, "othr") == (
        "E0212",
        "error[E0212]: net.py has no network 'othr'\n"
        "  = help: did you mean 'other'?\n"
        "  = help: the file has net, other",
    )


def test_an_imported_network_gives_way_to_the_files_own(tmp_path: Path) -> None:
    write(tmp_path / "base.py")
    path = tmp_path / "net.py"
    path.write_text("from base import net, network\n")
    assert load_network(path).name == "net"
    path.write_text(path.read_text() + "@network\ndef mine(nn):\n    return nn.input(4)\n")
    assert load_network(path).name == "mine"


def test_unreadable_files(tmp_path: Path) -> None:
    write(tmp_path / "mobilenet.py")
    assert failure(tmp_path / "mobilnet.py") == (
        "E0701",
        "error[E0701]: cannot read mobilnet.py: No such file or directory\n"
        "  = help: did you mean 'mobilenet.py'?",
    )
    assert failure(tmp_path)[0] == "E0701"
    assert failure(tmp_path / "none" / "net.py")[0] == "E0701"


@pytest.mark.parametrize("content", [b"x = 1\0", b"# coding: klingon\n", b'x = "\xff"\n'])
def test_what_is_no_text(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.py"
    path.write_bytes(content)
    assert failure(path)[0] == "E0213"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_examples_work_in_any_folder(path: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(path, tmp_path))
    here, there = load_network(path), load_network(copy)
    assert here.name == path.stem
    assert {"resolution", "classes"} <= {parameter.name for parameter in here.parameters}
    assert print_graph(here.trace()) == print_graph(there.trace())


@pytest.mark.parametrize(
    "params", [{"groups": 8, "scale": 0.25}, {"groups": 8, "scale": 0.5}, {"scale": 0.3}]
)
def test_shufflenet_v1_refuses_what_does_not_divide(params: dict[str, float]) -> None:
    with pytest.raises(MbcError) as problem:
        load_network(EXAMPLES / "shufflenet_v1.py").trace(params)
    (diagnostic,) = problem.value.diagnostics
    assert diagnostic.code == "E0219"
    assert diagnostic.location is not None
    assert diagnostic.location.file.endswith("shufflenet_v1.py")


def test_the_documented_network_works(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "dsl.md").read_text("utf-8")
    path = tmp_path / "tiny.py"
    path.write_text(text.partition("```python\n")[2].partition("```")[0])
    graph = load_network(path).trace({"width": "16"})
    assert graph.outputs[0].type.shape == (1, 10)
    assert "blocks.2.pw.bn.gamma" in graph.constants()


def test_every_layer_is_documented() -> None:
    text = (ROOT / "docs" / "dsl.md").read_text("utf-8")
    layers = [*LAYERS, "require"]
    assert len(layers) > 15
    assert [name for name in layers if f"nn.{name}(" not in text] == []


def test_what_is_documented_is_a_layer() -> None:
    text = (ROOT / "docs" / "dsl.md").read_text("utf-8")
    named = set(re.findall(r"nn\.(\w+)\(", text))
    assert len(named) > 15
    assert {name for name in named if not hasattr(Net, name)} == set()


def test_activations_are_layers() -> None:
    assert {name for name in activations.names() if name not in LAYERS} == set()
