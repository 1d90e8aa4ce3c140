"""Models that are broken, hostile, or beyond what mbc imports: a clear error for each."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from mbc.diag import MbcError, render
from mbc.frontends.onnx.importer.external import read_external
from mbc.frontends.onnx.importer.folding import Folding
from mbc.frontends.onnx.importer.functions import inlined
from tests.hostile.broken_onnx import BROKEN, Break, good, laughs
from tests.onnx_models import Drawing, imported


def refused(model: Any, folder: Path, **options: Any) -> MbcError:
    with pytest.raises(MbcError) as caught:
        imported(model, folder, **options)
    return caught.value


def codes(problem: MbcError) -> set[str]:
    return {diagnostic.code for diagnostic in problem.diagnostics}


@pytest.mark.parametrize(("broken", "code"), BROKEN, ids=[b.__name__ for b, _ in BROKEN])
def test_a_broken_model(broken: Break, code: str, tmp_path: Path) -> None:
    assert codes(refused(broken(Drawing()), tmp_path)) == {code}


def test_constants_that_grow_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    d = Drawing()
    model = d.model(d.op("Add", "x", d.op("ConstantOfShape", d.constant([8, 6, 6]))))
    imported(model, tmp_path)
    monkeypatch.setattr(f"{Folding.__module__}.MAX_FOLDED", 8 * 36 - 1)
    assert codes(refused(model, tmp_path)) == {"E0807"}


def test_nodes_of_functions_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = laughs(Drawing(), 2, 4)
    assert len(imported(model, tmp_path).topo()) == 16
    monkeypatch.setattr(f"{inlined.__module__}.MAX_NODES", 15)
    assert codes(refused(model, tmp_path)) == {"E0807"}


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=lambda make: make.__name__)
def test_what_is_no_file_is_not_read(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "net.data")
    (found,) = refused(external(good(Drawing()), location="net.data"), tmp_path).diagnostics
    assert found.message.endswith("net.data is not a regular file")


def test_folded_constants_are_bounded_in_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them is small."""
    d, x = Drawing(), "x"
    for _ in range(3):
        x = d.op("Add", x, d.op("ConstantOfShape", d.constant([8, 6, 6])))
    model = d.model(x)
    imported(model, tmp_path)
    monkeypatch.setattr(f"{Folding.__module__}.MAX_TOTAL", 3 * 4 * 8 * 36 - 1)
    assert codes(refused(model, tmp_path)) == {"E0807"}


def test_what_is_named_cannot_control_the_terminal(tmp_path: Path) -> None:
    d = Drawing()
    model = d.model(d.op("Hardmax", "x"))
    model.graph.node[0].name = "\x1b[2J\nerror[E0000]: gone"
    text = render(refused(model, tmp_path).diagnostics[0])
    assert "\x1b" not in text
    assert "\nerror[E0000]" not in text


def test_the_model_of_an_adversary_takes_seconds_at_most(tmp_path: Path) -> None:
    """Many nodes of the kinds that take most time."""
    d = Drawing(inputs={"x": (1, 1, 8, 8)})
    pads, one = d.constant([0] * 8), d.constant(1.0, np.float32)
    x, count = "x", 1500
    for _ in range(count):
        x = d.op("Add", d.op("Pad", x, pads), one)
    for _ in range(count):
        d.op("Mul", one, one)
    start = time.process_time()
    graph = imported(d.model(x), tmp_path)
    assert len(graph.topo()) >= count
    assert time.process_time() - start < 30


def external(model: Any, **place: object) -> Any:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in place.items():
        tensor.external_data.add(key=key, value=str(value))
    return model


def test_external_data_of_the_folder_are_read(tmp_path: Path) -> None:
    model = good(Drawing())
    raw = model.graph.initializer[0].raw_data
    (tmp_path / "net.data").write_bytes(b"12345678" + raw)
    graph = imported(external(model, location="net.data", offset=8, length=len(raw)), tmp_path)
    array = graph.constants()["c0"].array.transpose(3, 2, 0, 1)
    assert np.array_equal(array.ravel(), np.frombuffer(raw, np.float32))


@pytest.mark.parametrize(
    "place",
    [
        {"location": "../secret.data"},
        {"location": "/etc/hostname"},
        {"location": "link.data"},
        {"location": "absent.data"},
        {"location": ""},
        {"location": "."},
        {"location": "short.data"},
        {"location": "net.data", "offset": 4},
        {"location": "net.data", "offset": -4},
        {"location": "net.data", "length": 2**60},
        {"location": "pipe.data"},
        {"location": "sub/../../secret.data"},
        {"location": "sub"},
        {"location": "null.data"},
        {"location": "a\0b"},
        {"location": "x" * 5000},
        {"location": "net.data", "offset": "9" * 19},
        {"location": "net.data", "offset": "٣"},
    ],
    ids=lambda place: str(place)[:40],
)
def test_external_data_elsewhere_are_not(place: dict[str, object], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    model = good(Drawing())
    raw = model.graph.initializer[0].raw_data
    (tmp_path / "secret.data").write_bytes(raw)
    (folder / "net.data").write_bytes(raw)
    (folder / "short.data").write_bytes(raw[:-1])
    (folder / "link.data").symlink_to(tmp_path / "secret.data")
    (folder / "null.data").symlink_to("/dev/zero")
    (folder / "sub").mkdir()
    os.mkfifo(folder / "pipe.data")
    assert codes(refused(external(model, **place), folder)) == {"E0805"}


@pytest.mark.parametrize("place", ["linked", "elsewhere"])
def test_another_folder_can_be_allowed(place: str, tmp_path: Path) -> None:
    """As Hugging Face's cache has it, whose files are links to blobs; and for data apart."""
    model = good(Drawing())
    raw = model.graph.initializer[0].raw_data
    folder, blobs = tmp_path / "snapshot", tmp_path / "blobs"
    folder.mkdir()
    blobs.mkdir()
    (blobs / "net.data").write_bytes(raw)
    if place == "linked":
        (folder / "net.data").symlink_to("../blobs/net.data")
    external(model, location="net.data")
    (found,) = refused(model, folder).diagnostics
    if place == "linked":
        assert found.helps[1].endswith(f"--external-data {blobs}")
    graph = imported(model, folder, external_data=blobs)
    assert graph.constants()["c0"].array.size == len(raw) // 4
    assert codes(refused(model, folder, external_data=tmp_path / "absent")) == {"E0805"}
    (blobs / "net.data").unlink()
    (blobs / "net.data").symlink_to("/dev/zero")
    assert codes(refused(model, folder, external_data=blobs)) == {"E0805"}


def test_external_data_are_bounded_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many tensors may be the same part of one file."""
    model = good(Drawing())
    raw = model.graph.initializer[0].raw_data
    (tmp_path / "net.data").write_bytes(raw)
    external(model, location="net.data")
    for number in range(3):
        again = model.graph.initializer.add()
        again.CopyFrom(model.graph.initializer[0])
        again.name = f"again{number}"
    imported(model, tmp_path)
    monkeypatch.setattr(f"{read_external.__module__}.MAX_TOTAL", 4 * len(raw) - 1)
    assert codes(refused(model, tmp_path)) == {"E0807"}


def test_all_that_is_not_supported_is_told_at_once(tmp_path: Path) -> None:
    """Before shapes are asked for; with the module and the line that the exporter kept."""
    d = Drawing(inputs={"x": ("batch", 8, 6, 6)})
    script = tmp_path / "model.py"
    script.write_text("class Neck:\n    return F.grid_sample(x, grid)\n")
    x = d.op("GridSample", d.conv("x", 4, 8), d.weight(1, 6, 6, 2))
    x = d.op("Hardmax", d.op("GridSample", x, d.weight(1, 6, 6, 2)))
    model = d.model(x)
    notes = {
        "pkg.torch.onnx.stack_trace": f'File "{script}", line 2, in forward\n'
        'File "/usr/lib/python3/torch/nn/functional.py", line 1, in f',
        "pkg.torch.onnx.name_scopes": "['', 'neck', 'neck.align']",
    }
    for key, value in notes.items():
        model.graph.node[1].metadata_props.add(key=key, value=value)
    first, second = refused(model, tmp_path).diagnostics
    assert (first.code, first.message) == ("E0802", "GridSample is not supported")
    assert first.label == "2 nodes, the first is '/gridsample1' in module neck.align"
    assert first.location is not None
    assert (first.location.file, first.location.line) == (str(script), 2)
    assert (second.message, second.label) == ("Hardmax is not supported", "node '/hardmax3'")


def test_uses_that_are_not_supported_are_told_at_once(tmp_path: Path) -> None:
    d = Drawing(19)
    d.inputs["y"] = (1, 8, 7, 1)
    pool = d.op("Resize", "x", "", d.constant([1, 1, 1, 2], np.float32), mode="spline")
    more = d.op("Relu", d.op("MaxPool", pool, kernel_shape=[9, 9], dilations=[2, 2]))
    column = d.op("ReduceMean", "x", d.constant([2]))
    product, total = d.op("Mul", column, "y"), d.op("Add", "y", column)
    cut = d.op("Pow", "x", d.constant([0, 1, 2, 3, 4, 5], np.float32))
    problem = refused(d.model(more, product, total, cut), tmp_path)
    assert [diagnostic.message for diagnostic in problem.diagnostics] == [
        "Resize: its mode is spline",
        "Pow: its exponent is no single number",
        "Mul: neither operand has the shape of the result, [1, 8, 7, 6]",
        "Add: neither operand has the shape of the result, [1, 8, 7, 6]",
    ]
    assert all(diagnostic.helps for diagnostic in problem.diagnostics)


def test_training_is_refused_with_the_cure(tmp_path: Path) -> None:
    d = Drawing()
    vectors = [d.weight(8) for _ in range(4)]
    norm = d.op("BatchNormalization", "x", *vectors, results=3, training_mode=1)
    (found,) = refused(d.model(norm), tmp_path).diagnostics
    assert found.message == "BatchNormalization: it is in training mode"
    assert found.helps == ("export the model after model.eval()",)


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ({}, "an input has no static shape: x [batch,8,h,?]"),
        ({"y": (1, 8, 6, 6)}, "--shape: the model has no input 'y'"),
        ({"x": (1, 9, 6, 6)}, "--shape x=1x9x6x6 contradicts the model: x [batch,8,h,?]"),
        ({"x": (1, 8, 6)}, "--shape x=1x8x6 contradicts the model: x [batch,8,h,?]"),
    ],
)
def test_shapes(shapes: dict[str, tuple[int, ...]], expected: str, tmp_path: Path) -> None:
    d = Drawing(inputs={"x": ("batch", 8, "h", -1)})
    (found,) = refused(good(d), tmp_path, shapes=shapes).diagnostics
    assert (found.code, found.message) == ("E0804", expected)


def test_a_function_is_inlined(tmp_path: Path) -> None:
    d = Drawing()
    d.nodes.append(helper.make_node("Twice", ["x"], ["y"], domain="mine"))
    model = d.model("y")
    body = [helper.make_node("Add", ["a", "a"], ["b"]), helper.make_node("Relu", ["b"], ["c"])]
    opsets = [helper.make_opsetid("", 18)]
    model.functions.append(helper.make_function("mine", "Twice", ["a"], ["c"], body, opsets))
    model.opset_import.append(helper.make_opsetid("mine", 1))
    graph = imported(model, tmp_path)
    assert [node.op.label for node in graph.topo()] == ["add", "relu"]
