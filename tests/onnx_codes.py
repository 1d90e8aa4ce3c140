"""Models that onnxruntime has quantised, in onnxruntime and on our codes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from mbc.accuracy import Steps
from mbc.frontends.lowered import Lowered
from mbc.frontends.onnx.importer import import_onnx
from mbc.frontends.options import ModelOptions
from mbc.interp import run
from mbc.ir.elements import Q8
from mbc.ir.graph import Graph
from mbc.ir.verify import verify
from mbc.ops import Dequantize
from mbc.passes.quantise import Quantise
from mbc.passes.quantising.portable import Portable
from mbc.passmgr.passes import PassContext

Array = np.ndarray

FORMS: dict[str, dict[str, Any]] = {
    "QDQ u8s8": {"per_channel": True},
    "QDQ s8s8": {"per_channel": True, "activation_type": QuantType.QInt8},
    "QDQ s8s8, symmetric": {
        "per_channel": True,
        "activation_type": QuantType.QInt8,
        "extra_options": {"ActivationSymmetric": True},
    },
    "QDQ u8s8, one scale a weight": {"per_channel": False},
    "QDQ u8s8, a pair a reader": {
        "per_channel": True,
        "extra_options": {"DedicatedQDQPair": True},
    },
    "QOperator u8s8": {"per_channel": True, "quant_format": QuantFormat.QOperator},
    "QOperator s8s8": {
        "per_channel": False,
        "quant_format": QuantFormat.QOperator,
        "activation_type": QuantType.QInt8,
    },
}
"""What `quantize_static` is asked for, whose weights are codes of ours too. They have 7 bits, as
onnxruntime's pairs of products saturate on CPUs without VNNI."""


class Samples(CalibrationDataReader):  # type: ignore[misc]
    """The inputs by which the ranges are found."""

    def __init__(self, name: str, samples: Sequence[Array]) -> None:
        self._name = name
        self._left: Iterator[Array] = iter(samples)

    def get_next(self) -> dict[str, Array] | None:
        found = next(self._left, None)
        return None if found is None else {self._name: found}


def quantised(model: bytes, samples: Sequence[Array], folder: Path, **wanted: Any) -> bytes:
    """Quantise a model of one input statically."""
    source, plain, made = (folder / f"{name}.onnx" for name in ("float", "plain", "made"))
    source.write_bytes(model)
    quant_pre_process(str(source), str(plain), skip_symbolic_shape=True)
    (given,) = onnxruntime.InferenceSession(str(plain)).get_inputs()
    usual = {
        "activation_type": QuantType.QUInt8,
        "weight_type": QuantType.QInt8,
        "reduce_range": True,
    }
    quantize_static(str(plain), str(made), Samples(given.name, samples), **usual | wanted)
    return made.read_bytes()


def on_integers(model: bytes, x: Array) -> Array:
    """The first output of onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(model, options)
    (given,) = session.get_inputs()
    found: Array = session.run(None, {given.name: x})[0]
    return found


def imported_codes(
    model: bytes, folder: Path, **options: Any
) -> tuple[Lowered, Graph, list[str], list[str]]:
    """A model, the same on codes, the notes of the import, and the remarks of the pass."""
    path, notes = folder / "net.onnx", list[str]()
    path.write_bytes(model)
    made = import_onnx(path, ModelOptions(**options), notes.append)
    verify(made.graph)
    assert made.quantisation is not None
    graph = made.graph.clone()
    result = Quantise().run(graph, PassContext(Portable(), made.quantisation))
    verify(graph)
    return made, graph, notes, [remark.message for remark in result.remarks]


def apart(graph: Graph, model: bytes, xs: Sequence[Array]) -> Steps:
    """How far the codes of the only output are from those of onnxruntime."""
    last = graph.producer(graph.outputs[0].value)
    assert last is not None
    assert isinstance(last.op, Dequantize)
    element = last.view("x").type.element
    assert isinstance(element, Q8)
    pairs = [(ours(graph, x), theirs(on_integers(model, x))) for x in xs]
    found, wanted = (np.concatenate([p[i].ravel() for p in pairs]) for i in (0, 1))
    return Steps.of(found, wanted, element.scale)


def ours(graph: Graph, x: Array) -> Array:
    """What the oracle computes of an input in ONNX's order."""
    (value,) = graph.inputs
    given = x if x.shape == value.type.shape else x.transpose(0, 2, 3, 1)
    (found,) = run(graph, {value.name: np.ascontiguousarray(given)}).values()
    return found


def theirs(array: Array) -> Array:
    """A result in our order."""
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
