"""Ops of ONNX and onnxruntime on quantised tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from mbc.frontends.onnx.importer.versions import DOMAINS
from mbc.ir.elements import Q8, SMALLEST_SCALE
from mbc.records import dataclass

ALSO = "com.microsoft"
"""The domain of onnxruntime's own ops, which has some of ONNX's too."""


class Operator(NamedTuple):
    """An op on quantised tensors, each of which is followed by its scale and zero point."""

    kind: str
    """The same op on floats."""
    operands: tuple[int, ...] = (0,)
    """Places of its tensors among the inputs."""
    result: int = 3
    """Place of the result's scale."""
    bias: int | None = None
    """Place of an int32 bias, whose scale is the product of those of the operands."""
    axis: int = 0
    """Axis of the second operand that its scales run along."""


OPERATORS: Mapping[str, Operator] = {
    "QGemm": Operator("Gemm", (0, 3), 7, bias=6, axis=1),
    "QLinearAdd": Operator("Add", (0, 3), 6),
    "QLinearAveragePool": Operator("AveragePool"),
    "QLinearConv": Operator("Conv", (0, 3), 6, bias=8),
    "QLinearGlobalAveragePool": Operator("GlobalAveragePool"),
    "QLinearLeakyRelu": Operator("LeakyRelu"),
    "QLinearMatMul": Operator("MatMul", (0, 3), 6, axis=-1),
    "QLinearMul": Operator("Mul", (0, 3), 6),
    "QLinearSigmoid": Operator("Sigmoid"),
    "QLinearSoftmax": Operator("Softmax"),
}

CONCAT = "QLinearConcat"
QUANTISED = frozenset({*OPERATORS, CONCAT, "QuantizeLinear", "DequantizeLinear"})
"""The ops that become ops on floats."""

OWN_ATTRIBUTES = frozenset({"channels_last", "opset"})
"""Attributes that the ops on floats do not have."""


BYTES = {2: np.dtype(np.uint8), 3: np.dtype(np.int8)}
"""The integers that inputs may be, by their numbers of TensorProto."""


@dataclass(frozen=True)
class Steps:
    """How a tensor is quantised."""

    scale: float
    """Distance of two steps, in float32."""
    zero: int
    """The integer that stands for 0."""
    dtype: np.dtype[Any]
    """Type of the integers."""

    @property
    def range(self) -> tuple[np.float32, np.float32]:
        """The least and the largest number."""
        limits, scale = np.iinfo(self.dtype), np.float32(self.scale)
        low, high = (np.float32(end - self.zero) * scale for end in (limits.min, limits.max))
        return low, high

    @property
    def element(self) -> Q8 | None:
        """The same as codes of mbc, which have no sign; None for other integers than bytes."""
        if self.dtype not in (np.int8, np.uint8) or self.scale < SMALLEST_SCALE:
            return None
        return Q8(self.scale, self.zero - int(np.iinfo(self.dtype).min))


def plain_kinds() -> dict[str, str]:
    """Return the op on floats that each op on quantised tensors becomes."""
    return {name: op.kind for name, op in OPERATORS.items()} | {CONCAT: "Concat"}


def op_of(node: Any) -> str:
    """Return the name of an op on quantised tensors; "" for all others."""
    return node.op_type if node.op_type in QUANTISED and node.domain in (*DOMAINS, ALSO) else ""
