"""Models of TensorFlow Lite that are broken, hostile, or beyond what mbc imports: a clear error for
each."""

from __future__ import annotations

import struct
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mbc.diag import MbcError
from mbc.frontends.options import ModelOptions
from tests.tflite_models import SIGN_BIT, TANH, Drawing, Drawn, Shape, imported

Break = Callable[[Drawing], bytes]


def refused(content: bytes, folder: Path, **options: Any) -> MbcError:
    with pytest.raises(MbcError) as caught:
        imported(content, folder, ModelOptions(**options))
    return caught.value


def codes(problem: MbcError) -> set[str]:
    return {diagnostic.code for diagnostic in problem.diagnostics}


def messages(content: bytes, folder: Path) -> list[str]:
    return [diagnostic.message for diagnostic in refused(content, folder).diagnostics]


def good(d: Drawing) -> bytes:
    return d.model(d.op("RELU", d.conv("x", 4, 8)))


def changed(d: Drawing, number: int, **changes: Any) -> bytes:
    """The same with another tensor."""
    good(d)
    d.tensors[number] = replace(d.tensors[number], **changes)
    return d.written([d.tensors[-1].name])


def rewired(d: Drawing, **changes: Any) -> bytes:
    """The same with another first node."""
    good(d)
    d.steps[0] = replace(d.steps[0], **changes)
    return d.written([d.tensors[-1].name])


# Each breaks a model in one way.


def cut_off(d: Drawing) -> bytes:
    return good(d)[:-400]


def beheaded(d: Drawing) -> bytes:
    content = good(d)
    return struct.pack("<I", len(content) - 8) + content[4:]


def empty(d: Drawing) -> bytes:
    return b""


def text(d: Drawing) -> bytes:
    return b"<!DOCTYPE html><html>not found</html>"


def endless_list(d: Drawing) -> bytes:
    """The number of outputs of the graph is the largest there is."""
    content, numbers = good(d), struct.pack("<ii", 1, len(d.tensors) - 1)
    place = content.rindex(numbers)
    return content[:place] + b"\xff" * 4 + content[place + 4 :]


def shared_text(d: Drawing) -> bytes:
    """Hundreds of tensors have one long text as their name."""
    good(d)
    d.tensors += [Drawn("n" * 10_000, ())] * 300
    return d.written([d.tensors[4].name])


def not_utf8(d: Drawing) -> bytes:
    name = d.conv("x", 4, 8)
    return d.model(name).replace(name.encode(), b"\xff" * len(name))


def unknown_tensor(d: Drawing) -> bytes:
    return rewired(d, inputs=(0, 99, 2))


def negative_tensor(d: Drawing) -> bytes:
    return rewired(d, outputs=(-1,))


def cycle(d: Drawing) -> bytes:
    return rewired(d, inputs=(4, 1, 2))


def twice(d: Drawing) -> bytes:
    good(d)
    d.steps[1] = replace(d.steps[1], outputs=d.steps[0].outputs)
    return d.written(["conv_2d0"])


def no_results(d: Drawing) -> bytes:
    return rewired(d, outputs=())


def without_data(d: Drawing) -> bytes:
    return changed(d, 1, data=None)


def short_tensor(d: Drawing) -> bytes:
    return changed(d, 1, data=b"\0\0\0\0")


def negative_extent(d: Drawing) -> bytes:
    return changed(d, 1, shape=(4, 1, 1, -8))


def many_axes(d: Drawing) -> bytes:
    return changed(d, 0, shape=(1,) * 100)


def wrong_shape(d: Drawing) -> bytes:
    return changed(d, 3, shape=(1, 6, 6, 5))


def wrong_channels(d: Drawing) -> bytes:
    return changed(d, 0, shape=(1, 6, 6, 9))


def huge(d: Drawing) -> bytes:
    return changed(d, 0, shape=(1, 2**20, 2**20, 8))


def overflowing(d: Drawing) -> bytes:
    return changed(d, 0, shape=(2**31 - 1,) * 3 + (8,))


def no_output(d: Drawing) -> bytes:
    good(d)
    return d.written([])


def bomb(d: Drawing) -> bytes:
    zeros = d.op("FILL", d.constant([2**15, 2**15, 2**15]), d.constant(0, np.float32))
    return d.written([d.op("ADD", "x", zeros)])


def old_version(d: Drawing) -> bytes:
    d.version = 1
    return good(d)


def integers(d: Drawing) -> bytes:
    return changed(d, 0, element="INT64")


def strings(d: Drawing) -> bytes:
    return changed(d, 0, element="STRING")


def several_graphs(d: Drawing) -> bytes:
    d.subgraphs = 3
    return good(d)


def foreign_options(d: Drawing) -> bytes:
    return rewired(d, options=("SoftmaxOptions", {"Beta": 2.0}))


BROKEN: tuple[tuple[Break, str], ...] = (
    (cut_off, "E0801"),
    (beheaded, "E0801"),
    (empty, "E0801"),
    (text, "E0801"),
    (endless_list, "E0801"),
    (shared_text, "E0801"),
    (not_utf8, "E0801"),
    (negative_extent, "E0801"),
    (many_axes, "E0801"),
    (old_version, "E0803"),
    (unknown_tensor, "E0806"),
    (negative_tensor, "E0806"),
    (cycle, "E0806"),
    (twice, "E0806"),
    (no_results, "E0806"),
    (without_data, "E0806"),
    (short_tensor, "E0806"),
    (wrong_shape, "E0806"),
    (no_output, "E0806"),
    (huge, "E0807"),
    (overflowing, "E0807"),
    (bomb, "E0807"),
    (wrong_channels, "E0802"),
    (integers, "E0802"),
    (strings, "E0802"),
    (several_graphs, "E0802"),
    (foreign_options, "E0802"),
)


@pytest.mark.parametrize(("broken", "code"), BROKEN, ids=[b.__name__ for b, _ in BROKEN])
def test_a_broken_model(broken: Break, code: str, tmp_path: Path) -> None:
    assert codes(refused(broken(Drawing()), tmp_path)) == {code}


def test_all_that_is_not_supported_is_told_at_once(tmp_path: Path) -> None:
    """By the names that the ops have in the file, with what to do."""
    d = Drawing()
    x = d.op("CUMSUM", d.op("CUMSUM", d.conv("x", 4, 8)))
    custom = d.op("CUSTOM Landmarks", d.op("SIN", "x"), custom=b"1234")
    weights = d.op("CONV_2D", "x", "x", "", options="Conv2DOptions", StrideW=1, StrideH=1)
    more = d.op("ADD", "x", "x", options="AddOptions", FusedActivationFunction=TANH)
    sign = d.op("SUB", "x", "x", options="SubOptions", FusedActivationFunction=SIGN_BIT)
    for name, channels in (("conv_2d0", 4), (more, 8), (sign, 8)):
        place = d.number(name)
        d.tensors[place] = replace(d.tensors[place], shape=(1, 6, 6, channels))
    found = refused(d.written([x, custom, weights, more, sign]), tmp_path).diagnostics
    assert [each.message for each in found] == [
        "CUMSUM is not supported",
        "SIN is not supported",
        "CUSTOM Landmarks is not supported",
        "CONV_2D: its weight is not constant",
        "ADD: its fused activation is TANH",
        "SUB: its fused activation is SIGN_BIT",
    ]
    assert found[0].label == "2 nodes, the first is 'cumsum1'"
    assert found[2].helps == (
        "only TensorFlow Lite's own ops are read; convert the model without this op",
    )
    assert found[3].helps == ("convert it with a fixed weight",)
    assert all("onnx" not in help for each in found for help in each.helps)


def fits_not(d: Drawing, kind: str, *inputs: str, shape: Shape = (1, 6, 6, 8)) -> bytes:
    """One node, whose result has a shape."""
    name = d.op(kind, *inputs)
    d.tensors[d.number(name)] = replace(d.tensors[d.number(name)], shape=shape)
    return d.written([name])


def test_operands_that_do_not_fit(tmp_path: Path) -> None:
    """Whatever an op needs of its operands is checked before it is used."""
    d = Drawing()
    wrong, empty = d.constant([1.0, 2], np.float32), d.constant(np.zeros(0), np.float32)
    pair = d.constant([1, 2, 3])
    cases = {
        ("ADD", "x", wrong): "ADD: its operands [1, 6, 6, 8] and [2] do not give [1, 6, 6, 8]",
        ("ADD", "x"): "ADD: it lacks an operand",
        ("ADD", "x", "x", "x"): "ADD: its operands [1, 6, 6, 8] and [1, 6, 6, 8] do not give",
        ("RELU",): "RELU: it lacks an operand",
        ("POW", "x", empty): "POW: its exponent has no elements",
        ("RESIZE_BILINEAR", "x", pair): "RESIZE_BILINEAR: it does not resize an image",
        ("SPLIT", pair, "x"): "SPLIT: its axis is no single number",
        ("TRANSPOSE", "x", pair): "TRANSPOSE: its perm does not name each axis once",
        ("PAD", "x", pair): "PAD: its padding does not fit its operand",
        ("PADV2", "x", d.constant(np.zeros((4, 2))), wrong): "PADV2: its value is no single number",
        ("SLICE", "x", pair, pair): "SLICE: its bounds do not fit its operand",
        ("CONCATENATION", "x", wrong): "CONCATENATION: it joins constants with computed values",
        ("RELU", wrong): "RELU: it computes with constants alone",
    }
    for (kind, *inputs), message in cases.items():
        (found,) = messages(fits_not(deepcopy(d), kind, *inputs), tmp_path)
        assert found.startswith(message)


def test_factors_that_do_not_fit(tmp_path: Path) -> None:
    d = Drawing({"x": (2, 3, 6, 8), "y": (4, 3, 8, 6)})
    found = messages(fits_not(d, "BATCH_MATMUL", "x", "y"), tmp_path)
    assert found == ["BATCH_MATMUL: its operands have shapes [2, 3] and [4, 3]"]


def test_tensors_without_elements(tmp_path: Path) -> None:
    (message,) = messages(changed(Drawing(), 3, shape=(1, 0, 6, 4)), tmp_path)
    assert message == "CONV_2D: 'conv_2d0' has no elements"


@pytest.mark.parametrize("element", ["INT16", "INT4"])
def test_inputs_of_other_codes(element: str, tmp_path: Path) -> None:
    (message,) = messages(changed(Drawing(), 0, element=element, scales=(0.1,)), tmp_path)
    assert message.startswith(f"the model is quantised to {element.lower()}")


@pytest.mark.parametrize("element", ["INT8", "UINT8"])
def test_codes_where_floats_are_computed(element: str, tmp_path: Path) -> None:
    (message,) = messages(changed(Drawing(), 0, element=element, scales=(0.1,)), tmp_path)
    assert message == "CONV_2D: it computes with both floats and codes"


def test_inputs_that_are_no_floats(tmp_path: Path) -> None:
    (message,) = messages(changed(Drawing(), 0, element="UINT8"), tmp_path)
    assert message == "input 'x' is uint8 without a scale; mbc takes float32 and float16"


def test_an_input_with_data_is_an_input(tmp_path: Path) -> None:
    graph = imported(changed(Drawing(), 0, data=bytes(4 * 6 * 6 * 8)), tmp_path)
    assert graph.use_count(graph.inputs[0]) == 1


def test_states_of_recurrent_ops(tmp_path: Path) -> None:
    """Their ops are what is not supported, not the tensors that nothing computes."""
    d = Drawing()
    d.tensors.append(Drawn("state", (1, 8), is_variable=True))
    content = d.written([d.op("UNIDIRECTIONAL_SEQUENCE_LSTM", "x", "state")])
    assert messages(content, tmp_path) == ["UNIDIRECTIONAL_SEQUENCE_LSTM is not supported"]


def test_inputs_of_half_precision(tmp_path: Path) -> None:
    d = Drawing()
    wide = d.op("CAST", "x", options="CastOptions", InDataType=1, OutDataType=0)
    content = d.model(d.op("NEG", wide))
    d.tensors[0] = replace(d.tensors[0], element="FLOAT16")
    assert len(imported(content, tmp_path).topo()) == 1
    assert len(imported(d.written([d.tensors[-1].name]), tmp_path).topo()) == 1


def test_ops_that_are_known_by_other_means(tmp_path: Path) -> None:
    """They are not listed as what is not supported beside the rest."""
    d = Drawing()
    d.tensors[0] = replace(d.tensors[0], element="INT16", scales=(0.1,))
    dense = d.op("DENSIFY", d.constant([0.0], np.float32))
    wide = d.op("DEQUANTIZE", d.constant([0.0], np.float16))
    shape = d.op("SHAPE", "x", element="INT32")
    (message,) = messages(d.written([dense, wide, shape]), tmp_path)
    assert message.startswith("the model is quantised")


def quantised(d: Drawing, shape: Shape = (4, 1, 1, 8)) -> str:
    return d.constant(np.ones(shape), np.int8, scales=(0.1,))


def test_codes_of_16_bits(tmp_path: Path) -> None:
    """One sentence, what to do, and the ops that are not supported in any case."""
    d = Drawing()
    d.tensors[0] = replace(d.tensors[0], element="INT16", scales=(0.1,))
    conv = {"options": "Conv2DOptions", "StrideW": 1, "StrideH": 1, "element": "INT16"}
    x = d.op("CONV_2D", "x", quantised(d), "", **conv)
    d.tensors[-1] = replace(d.tensors[-1], scales=(0.1,))
    x = d.op("CUMSUM", d.op("CONV_2D", x, quantised(d, (4, 1, 1, 4)), "", **conv))
    first, second = refused(d.written([x]), tmp_path).diagnostics
    assert first.message == "the model is quantised to int16; mbc computes with int8 and uint8"
    assert first.label == "2 of 3 operators, the first is 'conv_2d0'"
    assert "TFLITE_BUILTINS_INT8" in first.helps[0]
    assert second.message == "CUMSUM is not supported"


def test_parts_that_the_model_does_not_have(tmp_path: Path) -> None:
    d = Drawing({"x": (1, 6, 6, 8), "y": (1, 6, 6, 8)})
    first = d.op("NEG", "x")
    content = d.model(d.op("ADD", first, "y"))
    for given, message in (
        ({"outputs": ("neg1",)}, "--outputs: the model has no value 'neg1'"),
        ({"inputs": (first,)}, "--inputs: the outputs depend on the model's input 'y' too"),
        ({"inputs": ("x", "y"), "outputs": (first,)}, "--inputs: no output depends on 'y'"),
    ):
        (found,) = refused(content, tmp_path, **given).diagnostics
        assert found.code == "E0808"
        assert found.message.startswith(message)


def test_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = good(Drawing())
    monkeypatch.setitem(__import__("sys").modules, "tflite", None)
    (found,) = refused(content, tmp_path).diagnostics
    assert found.code == "E0610"
    assert "mbc[tflite]" in found.helps[0]
