"""Dumps: text files whose constants lie in one content-addressed file beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mbc.diag import MbcError
from mbc.interp import run
from mbc.ir.graph import Constant, Graph
from mbc.ir.text import DumpFolder, load_module, print_graph, write_dump
from mbc.ir.text.module import SIDECAR, content_hash
from mbc.ir.types import TensorType
from mbc.ops.linear import Dense


def network(**weights: np.ndarray) -> Graph:
    """A chain of square dense layers, one a weight."""
    graph = Graph("net", {"network": "net"})
    value = graph.add_input("x", TensorType((1, 4)))
    for name, data in weights.items():
        value = graph.add(Dense(), [value, Constant.of(name, data)]).result
    graph.set_outputs([value])
    return graph


EYE, ONES, RAMP = np.eye(4), np.ones((4, 4)), np.arange(16.0).reshape(4, 4)


def test_a_dump_loads_with_its_data(tmp_path: Path) -> None:
    graph = network(a=RAMP, b=ONES)
    path = write_dump(graph, tmp_path / "new" / "ir", "00-import.mbc")
    again = load_module(path)
    assert print_graph(again) == print_graph(graph)
    x = {"x": np.array([[1, 2, 3, 4]])}
    np.testing.assert_array_equal(run(again, x)["y"], run(graph, x)["y"])
    assert (path.parent / SIDECAR).is_file()
    assert again.topo()[0].locations[0].file == str(path)


def test_the_text_names_the_content(tmp_path: Path) -> None:
    path = write_dump(network(a=RAMP), tmp_path, "00.mbc")
    digits = content_hash(Constant.of("other", RAMP))
    assert f"  const @a : f32[4,4] = #{digits}\n" in path.read_text()
    assert content_hash(Constant.of("a", RAMP.reshape(2, 8))) != digits
    assert content_hash(Constant.of("a", RAMP + 1)) != digits


def test_dumps_share_arrays(tmp_path: Path) -> None:
    with DumpFolder(tmp_path) as dumps:
        dumps.write(network(a=RAMP, b=ONES), "00.mbc")
        dumps.write(network(a=RAMP, b=RAMP, c=EYE), "01.mbc")
        assert not (tmp_path / SIDECAR).exists()
    assert len(load_file(tmp_path / SIDECAR)) == 3
    for name in ("00.mbc", "01.mbc"):
        load_module(tmp_path / name)


def test_equal_dumps_are_equal_files(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write_dump(network(a=RAMP, b=ONES), tmp_path / folder, "00.mbc")
    for name in ("00.mbc", SIDECAR):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_other_dumps_keep_their_data_and_none_else(tmp_path: Path) -> None:
    kept = write_dump(network(a=RAMP), tmp_path, "kept.mbc")
    write_dump(network(a=ONES), tmp_path, "replaced.mbc")
    write_dump(network(a=EYE), tmp_path, "replaced.mbc")
    assert len(load_file(tmp_path / SIDECAR)) == 2
    load_module(kept)


def test_a_damaged_sidecar_is_replaced_by_the_next_dump(tmp_path: Path) -> None:
    (tmp_path / SIDECAR).write_bytes(b"nonsense")
    load_module(write_dump(network(a=RAMP), tmp_path, "00.mbc"))


def test_nothing_else_is_left_in_the_folder(tmp_path: Path) -> None:
    write_dump(network(a=RAMP), tmp_path, "00.mbc")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00.mbc", SIDECAR]


def test_unbound_constants_have_no_hash_and_stay_unbound(tmp_path: Path) -> None:
    graph = network(a=RAMP)
    graph.constants()["a"].data = None
    again = load_module(write_dump(graph, tmp_path, "00.mbc"))
    assert again.constants()["a"].data is None
    assert not (tmp_path / SIDECAR).exists()


def load_error(path: Path) -> str:
    with pytest.raises(MbcError) as caught:
        load_module(path)
    return str(caught.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    assert load_error(tmp_path / "no.mbc").startswith("E0701: cannot read ")
    assert load_error(tmp_path).startswith("E0701: cannot read ")


def test_a_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "net.mbc"
    path.write_bytes(b"graph \xff")
    assert load_error(path) == f"E0301: {path} is not UTF-8 text: byte 6"


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "net.mbc"
    path.write_text("graph @g(%x: f32[4]) {\n  %0 = rlu(%x) : f32[4]\n  return %0\n}\n")
    with pytest.raises(MbcError) as caught:
        load_module(path)
    assert str(caught.value.diagnostics[0].location) == f"{path}:2:8"


@pytest.mark.parametrize("content", [None, b"", b"nonsense", b"\xff" * 100])
def test_a_sidecar_that_cannot_be_read_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = write_dump(network(a=RAMP), tmp_path, "00.mbc")
    sidecar = tmp_path / SIDECAR
    if content is None:
        sidecar.unlink()
    else:
        sidecar.write_bytes(content)
    assert load_error(path).startswith(f"E0320: cannot read the constants in {sidecar}: ")


def test_a_truncated_sidecar_is_an_error(tmp_path: Path) -> None:
    path = write_dump(network(a=RAMP), tmp_path, "00.mbc")
    sidecar = tmp_path / SIDECAR
    sidecar.write_bytes(sidecar.read_bytes()[:-1])
    assert load_error(path).startswith("E0320: cannot read the constants")


def test_data_that_the_sidecar_lacks_is_an_error(tmp_path: Path) -> None:
    path = write_dump(network(a=RAMP, b=ONES), tmp_path, "00.mbc")
    save_file({"other": np.zeros(3, np.float32)}, tmp_path / SIDECAR)
    with pytest.raises(MbcError) as caught:
        load_module(path)
    codes = [(d.code, d.location.line if d.location else 0) for d in caught.value.diagnostics]
    assert codes == [("E0321", 3), ("E0321", 4)]
    assert "@a: there is no data #" in str(caught.value)


def test_damaged_data_is_an_error(tmp_path: Path) -> None:
    path = write_dump(network(a=RAMP), tmp_path, "00.mbc")
    (name,) = load_file(tmp_path / SIDECAR)
    save_file({name: RAMP.astype(np.float32) + 1}, tmp_path / SIDECAR)
    assert f"E0321: @a: the data #{name} is damaged" in load_error(path)


@pytest.mark.parametrize("data", [RAMP, np.zeros(3, np.float32)])
def test_data_of_another_type_is_an_error(tmp_path: Path, data: np.ndarray) -> None:
    path = write_dump(network(a=RAMP), tmp_path, "00.mbc")
    (name,) = load_file(tmp_path / SIDECAR)
    save_file({name: data}, tmp_path / SIDECAR)
    found = f"{data.dtype}{list(data.shape)}"
    assert f"E0321: @a: the data #{name} is {found}, expected f32[4,4]" in load_error(path)


def test_an_unwritable_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MbcError, match="E0703: cannot write"):
        write_dump(network(a=RAMP), tmp_path / "file", "00.mbc")
    (tmp_path / "00.mbc").mkdir()
    with pytest.raises(MbcError, match="E0703: cannot write"):
        write_dump(network(a=RAMP), tmp_path, "00.mbc")
    assert not list(tmp_path.glob(".*"))
