"""Conversions between codes and floats in models of TensorFlow Lite, and weights in other forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mbc.frontends.options import ModelOptions
from mbc.frontends.tflite import import_tflite
from mbc.ir.elements import F32, S8
from tests.tflite_models import (
    RELU,
    SAME,
    XNNPACK,
    Array,
    Drawing,
    Drawn,
    inputs_of,
    interpreter,
    ops,
)
from tests.tflite_quantised import by_oracle, on_codes, quantised, steps_apart

ONE: dict[str, Any] = {"StrideW": 1, "StrideH": 1, "Padding": SAME}


# ---- conversions


def coded(d: Drawing, made: str, kind: str, scale: float, zero: int) -> str:
    """Say what the codes of a value are, which has the shape of x."""
    d.tensors[d.number(made)] = Drawn(
        made, d.tensors[0].shape, kind, scales=(scale,), zeros=(zero,)
    )
    return made


def converted(d: Drawing, x: str, kind: str, scale: float, zero: int) -> str:
    return coded(d, d.op("QUANTIZE", x), kind, scale, zero)


def test_codes_of_another_scale_or_sign(tmp_path: Path) -> None:
    d = Drawing({"x": (1, 6, 6, 8)})
    first = converted(d, "x", "INT8", 0.03, 5)
    same = converted(d, first, "UINT8", 0.03, 133)
    same = coded(d, d.op("LOGISTIC", same), "UINT8", 1 / 256, 0)
    other = converted(d, same, "INT8", 0.005, -100)
    content = d.written([same, other])
    graph = on_codes(content, tmp_path)
    assert ops(graph) == {"quantize": 1, "lookup": 1, "requantize": 1, "dequantize": 2}
    found = steps_apart(content, inputs_of(d), by_oracle(graph))
    assert max(found) <= 1
    assert found[1] <= 0.02 * found.total()


def test_a_concatenation_of_several_scales(tmp_path: Path) -> None:
    """As uint8 may have."""
    d = Drawing({"x": (1, 6, 6, 8)})
    parts = [converted(d, "x", "UINT8", 0.03, 120), converted(d, "x", "UINT8", 0.01, 100)]
    made = d.op("CONCATENATION", *parts, options="ConcatenationOptions", Axis=3)
    place = d.number(made)
    d.tensors[place] = Drawn(made, (1, 6, 6, 16), "UINT8", scales=(0.03,), zeros=(120,))
    content = d.written([made])
    graph = on_codes(content, tmp_path)
    assert max(steps_apart(content, inputs_of(d), by_oracle(graph))) <= 1
    assert ops(graph)["requantize"] == 1


def test_float_inside(tmp_path: Path) -> None:
    """What the model computes in float between DEQUANTIZE and QUANTIZE is computed in float."""
    d = Drawing({"x": (1, 6, 6, 8)})
    x = d.op("DEQUANTIZE", converted(d, "x", "INT8", 0.03, 5))
    x = d.conv(x, 8, 8, act=RELU)
    d.tensors[-1] = Drawn(x, (1, 6, 6, 8))
    inner = converted(d, x, "INT8", 0.02, -128)
    d.tensors = [t if t.name != "dequantize1" else Drawn(t.name, (1, 6, 6, 8)) for t in d.tensors]
    content = d.written([inner])
    graph = on_codes(content, tmp_path)
    (conv,) = (node for node in graph.topo() if node.op.label == "conv2d")
    assert conv.result.type.element is F32
    assert max(steps_apart(content, inputs_of(d), by_oracle(graph))) <= 1


def test_indices(tmp_path: Path) -> None:
    d = Drawing({"x": (1, 6, 6, 8)})
    options = {"options": "ArgMaxOptions", "OutputType": 2, "element": "INT32"}
    made = d.op("ARG_MAX", converted(d, "x", "INT8", 0.03, 5), d.constant(3), **options)
    d.tensors[-1] = Drawn(made, (1, 6, 6), "INT32")
    content = d.written([made])
    file, given = interpreter(content), inputs_of(d)
    file.set_tensor(0, given["x"])
    file.invoke()
    (ours,) = by_oracle(on_codes(content, tmp_path))([given["x"]])
    assert np.array_equal(ours, file.get_tensor(d.number(made)))


# ---- weights in other forms


def weights_of(
    d: Drawing, codes: Array, element: str, scales: tuple[float, ...], zero: int, data: bytes
) -> str:
    zeros = (zero,) * len(scales)
    d.tensors.append(Drawn(f"w{len(d.tensors)}", codes.shape, element, data, scales, zeros))
    return d.tensors[-1].name


def layer(d: Drawing, x: str, weight: str, outputs: int) -> bytes:
    made = d.op("FULLY_CONNECTED", x, weight, "", options="FullyConnectedOptions")
    d.tensors[-1] = Drawn(made, (1, outputs), "INT8", scales=(0.05,), zeros=(3,))
    return d.written([made])


def test_weights_of_four_bits(tmp_path: Path) -> None:
    """They are codes like others; there is an odd number of them."""
    d = Drawing({"x": (1, 5)})
    d.tensors[0] = Drawn("x", (1, 5), "INT8", scales=(0.02,), zeros=(-3,))
    codes = d.rng.integers(-7, 8, (3, 5))
    halves = np.append(codes.ravel() & 15, 0).reshape(-1, 2)
    data = (halves[:, 0] | halves[:, 1] << 4).astype(np.uint8).tobytes()
    content = layer(d, "x", weights_of(d, codes, "INT4", (0.1,), 0, data), 3)
    graph = on_codes(content, tmp_path)
    assert max(steps_apart(content, inputs_of(d), by_oracle(graph))) == 0
    (weight,) = (c for c in graph.constants().values() if c.type.element is S8)
    assert np.array_equal(weight.array, codes.T)


@pytest.mark.parametrize("zero", [0, 90])
def test_weights_beyond_127_steps(zero: int, tmp_path: Path) -> None:
    """Channels that have some are rounded to 127 steps, which is told; others are as they are."""
    d = Drawing({"x": (1, 5)})
    d.tensors[0] = Drawn("x", (1, 5), "UINT8", scales=(0.02,), zeros=(125,))
    codes = np.array([[255, 200, 90, 0, 91], [90, 91, 200, 80, 0]])
    data = codes.astype(np.uint8).tobytes()
    weight = weights_of(d, codes, "UINT8", (0.01,), zero, data)
    made = d.op("FULLY_CONNECTED", "x", weight, "", options="FullyConnectedOptions")
    d.tensors[-1] = Drawn(made, (1, 2), "UINT8", scales=(0.05,), zeros=(128,))
    content, notes = d.written([made]), list[str]()
    graph = on_codes(content, tmp_path, notes)
    assert max(steps_apart(content, inputs_of(d), by_oracle(graph))) <= 1
    (found,) = (c.array for c in graph.constants().values() if c.type.element is S8)
    if zero:
        assert np.array_equal(found[:, 1], codes[1] - zero)
        assert "1 output channel has weights beyond 127 steps" in "".join(notes)
    else:
        assert "2 output channels have weights beyond 127 steps" in "".join(notes)
    assert not any("quantised here" in note for note in notes)


def test_the_least_weight_is_one_more(tmp_path: Path) -> None:
    """-128 is -127, and the others of its channel stay."""
    d = Drawing({"x": (1, 5)})
    d.tensors[0] = Drawn("x", (1, 5), "INT8", scales=(0.02,), zeros=(-3,))
    codes = np.array([[-128, 127, 3, -5, 0], [1, 2, 3, 4, -127], [1, 1, 1, 1, 1]])
    weight = weights_of(d, codes, "INT8", (0.01,), 0, codes.astype(np.int8).tobytes())
    notes = list[str]()
    graph = on_codes(layer(d, "x", weight, 3), tmp_path, notes)
    (found,) = (c.array for c in graph.constants().values() if c.type.element is S8)
    assert np.array_equal(found, np.maximum(codes, -127).T)
    assert "1 output channel has weights beyond 127 steps" in "".join(notes)


def test_weights_of_dead_channels(tmp_path: Path) -> None:
    """Their scales may be next to 0: what they and their bias add to a sum is nothing."""
    d = Drawing({"x": (1, 5)})
    d.tensors[0] = Drawn("x", (1, 5), "INT8", scales=(0.02,), zeros=(-3,))
    codes = d.rng.integers(-127, 128, (4, 5))
    scales = (0.01, 0.0, 1e-42, 1e-37)
    weight = weights_of(d, codes, "INT8", scales, 0, codes.astype(np.int8).tobytes())
    bias = d.constant([100, 2**20, -(2**20), 7])
    made = d.op("FULLY_CONNECTED", "x", weight, bias, options="FullyConnectedOptions")
    d.tensors[-1] = Drawn(made, (1, 4), "INT8", scales=(0.05,), zeros=(3,))
    content, notes = d.written([made]), list[str]()
    graph = on_codes(content, tmp_path, notes)
    assert max(steps_apart(content, inputs_of(d), by_oracle(graph), kernels=XNNPACK)) == 0
    assert not any("quantised here" in note for note in notes)


def test_weights_of_floats(tmp_path: Path) -> None:
    """As the converter's dynamic ranges make them: they are read as floats, which is told."""
    d = Drawing()
    codes = d.rng.integers(-127, 128, (4, 1, 1, 8))
    weight = d.constant(codes, np.int8, scales=(0.01, 0.02, 0.03, 0.04))
    made = d.op("CONV_2D", "x", weight, d.weight(4), options="Conv2DOptions", **ONE)
    content, notes = d.model(made), list[str]()
    path = tmp_path / "net.tflite"
    path.write_bytes(content)
    found = import_tflite(path, note=notes.append)
    assert found.quantisation is None
    assert len(notes) == 1
    assert notes[0].startswith("constants of int8 of operators that compute in float, 1 in all")
    (made_of,) = (c.array for c in found.graph.constants().values() if c.array.ndim == 4)
    numbers = codes * np.array([0.01, 0.02, 0.03, 0.04], np.float32).reshape(4, 1, 1, 1)
    assert np.array_equal(made_of, numbers.astype(np.float32).transpose(1, 2, 3, 0))


def test_a_part_of_a_quantised_model(tmp_path: Path) -> None:
    """A value on codes that becomes an input is rounded to them."""
    d = Drawing({"x": (1, 6, 6, 8)})
    first = d.conv("x", 8, 8, 3, act=RELU)
    last = d.conv(first, 4, 8)
    content = quantised(d, [d.op("TANH", last)])
    path = tmp_path / "net.tflite"
    path.write_bytes(content)
    made = import_tflite(path, ModelOptions(inputs=(first,), outputs=(last,)))
    assert made.quantisation is not None
    assert {first, last} <= made.quantisation.elements.keys()
    assert [value.name for value in made.graph.inputs] == [first]
    assert ops(made.graph) == {"conv2d": 1, "clip": 1}
