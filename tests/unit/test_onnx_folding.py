"""Ops that are folded give what onnxruntime computes; external data of each type have a size."""

from typing import Any

import numpy as np
import onnx
import pytest

from mbc.frontends.onnx.importer.external import BITS
from mbc.frontends.onnx.importer.folding import FOLDABLE, Folding
from tests.onnx_models import Drawing, by_onnxruntime

A = np.array([[3.0, -1.5, 2.0], [0.25, 4.0, -7.0]], np.float32)
P = np.abs(A)
B = np.array([[2.0, 2.0, 2.0]], np.float32)
T = np.array([[True, False, True]])
I = np.array([2, 3], np.int64)  # noqa: E741  integers, as A, B, P, T
ONE = np.array([1], np.int64)
ZERO = np.array([0], np.int64)
SCALE = np.float32(0.5)

SAMPLES: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    **{
        op: ((A,), {}) for op in ("Abs", "Ceil", "Exp", "Floor", "Identity", "Neg", "Round", "Sign")
    },
    **{op: ((A,), {}) for op in ("Cos", "Flatten", "IsInf", "IsNaN", "Sin", "Trilu")},
    **{op: ((P,), {}) for op in ("Sqrt", "Log", "Reciprocal")},
    **{op: ((A, B), {}) for op in ("Add", "Div", "Equal", "Greater", "GreaterOrEqual", "Less")},
    **{op: ((A, B), {}) for op in ("LessOrEqual", "Max", "Min", "Mul", "Pow", "Sub")},
    **{op: ((A, ZERO), {}) for op in ("ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum")},
    "ReduceMean": ((A, ZERO), {}),
    "CumSum": ((A, np.int64(1)), {}),
    "GatherND": ((A, np.array([[0, 1]])), {}),
    "ScatterND": ((A, np.array([[1]]), B), {}),
    **{op: ((T, ~T), {}) for op in ("And", "Or", "Xor")},
    **{op: ((A,), {}) for op in ("Shape", "Size")},
    "Cast": ((A,), {"to": onnx.TensorProto.INT64}),
    "CastLike": ((A, I), {}),
    "Clip": ((I, np.int64(0), np.int64(2)), {}),
    "Concat": ((A, B), {"axis": 0}),
    "Constant": ((), {"value_ints": [1, 2]}),
    "ConstantOfShape": ((I,), {}),
    "Conv": ((np.ones((1, 3, 2, 4), np.float32), A[:, :, None, None]), {"kernel_shape": [1, 1]}),
    "DequantizeLinear": ((np.array([1, 5], np.uint8), SCALE, np.uint8(2)), {}),
    "Expand": ((B, I), {}),
    "Gather": ((A, ONE), {"axis": 1}),
    "GatherElements": ((A, np.array([[0, 1, 0]])), {"axis": 0}),
    "Mod": ((I, np.array([2, 2])), {}),
    "Not": ((T,), {}),
    "QuantizeLinear": ((A, SCALE, np.int8(-3)), {}),
    "Range": ((np.int64(0), np.int64(5), np.int64(2)), {}),
    "Reshape": ((A, np.array([3, -1])), {}),
    "Slice": ((A, ONE, np.array([9]), ONE), {}),
    "Split": ((A,), {"axis": 0, "num_outputs": 2}),
    "Squeeze": ((B, ZERO), {}),
    "Tile": ((A, I), {}),
    "Transpose": ((A,), {}),
    "Unsqueeze": ((A, ZERO), {}),
    "Where": ((T, A, B), {}),
}


@pytest.mark.parametrize("kind", sorted(FOLDABLE | SAMPLES.keys()))
def test_it_is_folded(kind: str) -> None:
    operands, attributes = SAMPLES[kind]
    d = Drawing(21)
    names = [d.constant(operand, np.asarray(operand).dtype) for operand in operands]
    d.op(kind, *names, results=2 if kind == "Split" else 1, **attributes)
    outputs = [*d.nodes[0].output]
    model = d.model(*outputs, ir_version=10)
    for value in model.graph.output:
        value.ClearField("type")
    folding = Folding(onnx, model, model.graph.node)
    folding.run()
    assert folding.nodes == []
    inferred = onnx.shape_inference.infer_shapes(model)
    x = np.zeros((1, 8, 6, 6), np.float32)
    for name, expected in zip(outputs, by_onnxruntime(inferred, {"x": x}), strict=True):
        found = folding.constants[name]
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_types_of_external_data() -> None:
    kinds = onnx.TensorProto
    names = "FLOAT UINT8 INT8 UINT16 INT16 INT32 INT64 BOOL FLOAT16 DOUBLE UINT32 UINT64 BFLOAT16"
    for name in names.split():
        number = kinds.DataType.Value(name)
        assert BITS[number] == 8 * onnx.helper.tensor_dtype_to_np_dtype(number).itemsize


@pytest.mark.parametrize(
    ("channels", "size", "kernel", "pads"),
    [(512, 256, 1, [0] * 4), (4, 8, 3, [0] * 4), (4, 8, 1, [1] * 4)],
    ids=["large", "with larger filters", "padded"],
)
def test_other_convolutions_of_constants_stay(
    channels: int, size: int, kernel: int, pads: list[int]
) -> None:
    d = Drawing(21)
    x = d.constant(np.zeros((1, channels, size, size)), np.float32)
    weight = d.constant(np.zeros((2, channels, kernel, kernel)), np.float32)
    model = d.model(d.op("Conv", x, weight, pads=pads), ir_version=10)
    model.graph.output[0].ClearField("type")
    folding = Folding(onnx, model, model.graph.node)
    folding.run()
    assert [node.op_type for node in folding.nodes] == ["Conv"]
