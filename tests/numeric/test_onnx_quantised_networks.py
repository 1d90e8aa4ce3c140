"""Networks that onnxruntime has quantised, imported as float ones."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from mbc.ops.elementwise import Activate
from tests.onnx_models import (
    Array,
    Drawing,
    by_onnxruntime,
    evaluated,
    imported,
    moves_after_fuse,
)

RNG = np.random.default_rng(8)


def residual(d: Drawing) -> str:
    """Expand, depthwise, project, add, pool, classify."""
    x = d.op("Clip", d.conv("x", 16, 8, 3, pads=[1] * 4), *bounds(d, 0, 6))
    y = d.op("Clip", d.conv(x, 32, 16), *bounds(d, 0, 6))
    y = d.op("Relu", d.conv(y, 32, 1, 3, pads=[1] * 4, group=32))
    x = d.op("Add", x, d.conv(y, 16, 32))
    flat = d.op("Flatten", d.op("GlobalAveragePool", x))
    return d.op("Gemm", flat, d.weight(16, 10), d.weight(10))


def mixed(d: Drawing) -> str:
    """Pools, concatenation, a gate, leaky ReLU, softmax."""
    x = d.op("MaxPool", d.op("Relu", d.conv("x", 8, 8)), kernel_shape=[2, 2], strides=[2, 2])
    y = d.op("AveragePool", d.conv("x", 8, 8), kernel_shape=[2, 2], strides=[2, 2])
    x = d.op("Concat", x, d.op("LeakyRelu", y, alpha=0.1), axis=1)
    x = d.op("Mul", x, d.op("Sigmoid", d.conv(x, 16, 16)))
    flat = d.op("Flatten", x)
    return d.op("Softmax", d.op("MatMul", flat, d.weight(144, 6)))


def bounds(d: Drawing, *numbers: float) -> list[str]:
    return [d.constant(number, np.float32) for number in numbers]


class Samples(CalibrationDataReader):  # type: ignore[misc]
    """The inputs by which the ranges are found."""

    def __init__(self, samples: list[Array]) -> None:
        self._left: Iterator[Array] = iter(samples)

    def get_next(self) -> dict[str, Array] | None:
        found = next(self._left, None)
        return None if found is None else {"x": found}


@pytest.mark.parametrize("network", [residual, mixed], ids=lambda n: n.__name__)
@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator], ids=lambda f: f.name)
@pytest.mark.parametrize("type", [QuantType.QUInt8, QuantType.QInt8], ids=lambda t: t.name)
def test_a_quantised_network(
    network: Callable[[Drawing], str], form: Any, type: Any, tmp_path: Path
) -> None:
    d = Drawing(opset=17)
    model = d.model(network(d))
    samples = [RNG.standard_normal((1, 8, 6, 6)).astype(np.float32) for _ in range(16)]
    source, made = tmp_path / "float.onnx", tmp_path / "int8.onnx"
    source.write_bytes(model.SerializeToString())
    quant_pre_process(str(source), str(tmp_path / "plain.onnx"), skip_symbolic_shape=True)
    quantize_static(
        str(tmp_path / "plain.onnx"),
        str(made),
        Samples(samples),
        quant_format=form,
        per_channel=True,
        activation_type=type,
        weight_type=QuantType.QInt8,
    )
    notes: list[str] = []
    graph = imported(made.read_bytes(), tmp_path, note=notes.append)
    assert [note.startswith("the model is quantised; ") for note in notes] == [True]
    for x in samples[:4]:
        found = evaluated(graph, x)
        (exact,) = by_onnxruntime(model, {"x": x})
        (coarse,) = by_onnxruntime(made.read_bytes(), {"x": x})
        scale = np.abs(exact).max()
        np.testing.assert_allclose(found, exact, atol=0.05 * scale)
        np.testing.assert_allclose(found, coarse, atol=0.1 * scale)
    if network is residual:
        assert not moves_after_fuse(graph)
        assert sum(isinstance(node.op, Activate) for node in graph.topo()) == 2  # input and mean
