"""Constant folding, in rounds with onnx's shape inference, until neither finds more.

Sizes are known before anything is computed, and limited.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from mbc.diag import MbcError, error
from mbc.frontends.lowering.model import Shape
from mbc.frontends.lowering.scales import dequantised, quantised
from mbc.frontends.onnx.importer.expansion import completed, expanded, is_expanded
from mbc.frontends.onnx.importer.extents import extents_of
from mbc.frontends.onnx.importer.long_values import Extents, shortened
from mbc.frontends.onnx.importer.steps import Scaled
from mbc.frontends.onnx.importer.structure import check_operands

MAX_ROUNDS = 100
MAX_INFERRED = 2**18
"""Nodes whose shapes are inferred, in all rounds together."""
MAX_FOLDED = 2**22
"""Elements of a folded tensor that has more than what it is computed from."""
MAX_PRODUCTS = 2**24
"""Multiplications of a folded convolution, which embeddings of positions contain."""
MAX_TOTAL = 2**29
"""Bytes of all folded tensors."""
MAX_VISIBLE = 4096
"""Elements of a constant whose values shape inference sees."""

# fmt: off
FOLDABLE = frozenset({
    "Abs", "Add", "And", "Cast", "CastLike", "Ceil", "Clip", "Concat", "Constant",
    "ConstantOfShape", "Conv", "Cos", "CumSum", "DequantizeLinear", "Div", "Equal", "Exp", "Expand",
    "Flatten", "Floor", "Gather", "GatherElements", "GatherND", "Greater", "GreaterOrEqual",
    "Identity", "IsInf", "IsNaN", "Less", "LessOrEqual", "Log", "Max", "Min", "Mod", "Mul", "Neg",
    "Not", "Or", "Pow", "QuantizeLinear", "Range", "Reciprocal", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceProd", "ReduceSum", "Reshape", "Round", "ScatterND", "Shape", "Sign",
    "Sin", "Size", "Slice", "Split", "Sqrt", "Squeeze", "Sub", "Tile", "Transpose", "Trilu",
    "Unsqueeze", "Where", "Xor",
})
# fmt: on
"""Ops that are computed where all that they read is constant."""

Types = Mapping[str, tuple[int, Shape | None]]


SCALED: Mapping[str, Callable[..., np.ndarray]] = {
    "DequantizeLinear": dequantised,
    "QuantizeLinear": quantised,
}


class Folding:
    """A model whose nodes become constants, round by round."""

    def __init__(self, onnx: Any, model: Any, nodes: Sequence[Any]) -> None:
        self.onnx = onnx
        self.constants: dict[str, np.ndarray] = {}
        self.types: dict[str, tuple[int, Shape | None]] = {}
        self.scaled: dict[str, Scaled] = {}
        """By what constants are quantised that stand for codes."""
        self._opsets, self._total = list(model.opset_import), 0
        self.nodes = [completed(onnx, node, self._opset) for node in nodes]
        self._outputs = [value.name for value in model.graph.output]
        self._inputs = list(model.graph.input)
        for tensor in model.graph.initializer:
            self.constants[tensor.name] = self._array(tensor)

    def run(self) -> None:
        """Infer and fold until nothing changes; E0806, E0807."""
        check_operands(self.onnx, self.nodes, max(entry.version for entry in self._opsets))
        inferred = 0
        for _ in range(MAX_ROUNDS):
            before = len(self.nodes)
            inferred += before
            if inferred > MAX_INFERRED:
                break
            self.types = self._infer()
            left = [node for node in self.nodes if not self._fold(node)]
            self.nodes = [made for node in left for made in self._plainer(node)]
            if len(self.nodes) == before == len(left):
                return
        raise error("E0807", "the model's shapes take too many rounds of inference")

    @property
    def _opset(self) -> int:
        """The version of ONNX's own ops."""
        return int(max(o.version for o in self._opsets if o.domain in ("", "ai.onnx")))

    def _plainer(self, node: Any) -> list[Any]:
        """Return the nodes of a node's definition, where that is how it is imported, and a Cast for
        one that names its type by a value; else the node."""
        helper = self.onnx.helper
        if node.op_type == "CastLike" and node.input[1] in self._all_types():
            to = self._all_types()[node.input[1]].tensor_type.elem_type
            return [helper.make_node("Cast", node.input[:1], node.output, node.name, to=to)]
        if node.domain not in ("", "ai.onnx") or not is_expanded(node):
            return [node]
        return expanded(self.onnx, node, self._all_types(), self._opset) or [node]

    def _all_types(self) -> dict[str, Any]:
        """Return the types of all values, as TypeProtos."""
        made = self.onnx.helper.make_tensor_type_proto
        return {name: made(kind, shape) for name, (kind, shape) in self.types.items() if kind} | {
            name: self._info(name, array).type for name, array in self.constants.items()
        }

    def _array(self, tensor: Any) -> np.ndarray:
        try:
            array: np.ndarray = self.onnx.numpy_helper.to_array(tensor)
        except Exception as problem:  # noqa: BLE001  whatever damaged data lead to
            message = f"tensor '{tensor.name}' is damaged: {problem}"
            raise error("E0806", message) from None
        return array

    def _infer(self) -> dict[str, tuple[int, Shape | None]]:
        """Infer types and shapes; elements are followed only where shapes are computed."""
        values = self._inferred(self._model(self.nodes, []), follow=False)
        if any(node.op_type in ("Shape", "Size") for node in self.nodes):
            nodes, inputs = shortened(self.onnx, self.nodes, values)
            values = self._inferred(self._model(nodes, inputs), follow=True)
        return {
            name: (kind, None if extents is None or 0 in extents else extents)
            for name, (kind, extents) in values.items()
        }

    def _inferred(self, model: Any, *, follow: bool) -> dict[str, tuple[int, Extents]]:
        infer = self.onnx.shape_inference.infer_shapes
        try:
            done = infer(model, strict_mode=True, data_prop=follow)
        except Exception as problem:  # noqa: BLE001  what C++ raises has no class of its own
            first = str(problem).strip().partition("\n")[0]
            raise error("E0806", f"the model's shapes do not fit: {first}") from None
        graph = done.graph
        values = (*graph.input, *graph.value_info, *graph.output)
        return {v.name: (v.type.tensor_type.elem_type, extents_of(v)) for v in values}

    def _model(self, nodes: Sequence[Any], more: Sequence[Any]) -> Any:
        """Return the model as it stands, with large constants as inputs, and with more inputs."""
        helper = self.onnx.helper
        used = {name for node in nodes for name in node.input} & self.constants.keys()
        small = [n for n in used if self.constants[n].size <= MAX_VISIBLE]
        large = [self._info(name, self.constants[name]) for name in used - {*small}]
        produced = {name for node in nodes for name in node.output}
        outputs = [helper.make_empty_tensor_value_info(n) for n in self._outputs if n in produced]
        initializers = [
            self.onnx.numpy_helper.from_array(self.constants[name], name) for name in small
        ]
        graph = helper.make_graph(nodes, "g", [*self._inputs, *large, *more], outputs, initializers)
        return helper.make_model(graph, opset_imports=self._opsets, ir_version=10)

    def _info(self, name: str, array: np.ndarray) -> Any:
        kind = self.onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        return self.onnx.helper.make_tensor_value_info(name, kind, array.shape)

    def _fold(self, node: Any) -> bool:
        """Replace a node by constants; returns whether that could be done."""
        if node.domain not in ("", "ai.onnx") or node.op_type not in FOLDABLE:
            return False
        if node.op_type in ("Shape", "Size") and node.input[0] not in self.constants:
            return self._fold_shape(node)
        if any(name and name not in self.constants for name in node.input):
            return False
        shapes = [self.types.get(name, (0, None))[1] for name in node.output]
        if node.op_type not in ("Constant", "Split") and not self._may_fold(node, shapes):
            return False
        if node.op_type == "Conv" and not self._is_short(node, shapes):
            return False
        self._store(node, self._evaluate(node))
        return True

    def _is_short(self, node: Any, shapes: Sequence[Shape | None]) -> bool:
        """Whether a convolution of constants is pointwise, and small enough to be computed here."""
        (shape,), weight = shapes, self.constants[node.input[1]]
        padded = any(
            any(a.ints) or a.s not in (b"", b"NOTSET") for a in node.attribute if "pad" in a.name
        )
        few = shape is not None and prod(shape) * weight.shape[1] <= MAX_PRODUCTS
        return few and not padded and set(weight.shape[2:]) == {1}

    def _fold_shape(self, node: Any) -> bool:
        shape = self.types.get(node.input[0], (0, None))[1]
        if shape is None:
            return False
        ends = {a.name: a.i for a in node.attribute}
        part = shape[ends.get("start", 0) : ends.get("end", len(shape))]
        value = np.array(prod(shape) if node.op_type == "Size" else part, np.int64)
        self._store(node, [value])
        return True

    def _may_fold(self, node: Any, shapes: Sequence[Shape | None]) -> bool:
        """Check the sizes of the results; an unknown one may be that of a small input."""
        unknown = sum(self.constants[name].size for name in {*node.input} - {""})
        for name, shape in zip(node.output, shapes, strict=True):
            size = prod(shape) if shape is not None else unknown
            if size > max(MAX_FOLDED, unknown):
                message = f"constant '{name}' would have {size:,} elements"
                raise error("E0807", message, label=f"mbc folds {MAX_FOLDED:,} at most")
        growing = node.op_type in ("Expand", "Tile", "ConstantOfShape", "Range")
        return None not in shapes or (not growing and unknown <= MAX_VISIBLE)

    def _evaluate(self, node: Any) -> list[Any]:
        if node.op_type in SCALED:
            return [self._scaled(node)]
        return self._by_reference(node)

    def _scaled(self, node: Any) -> np.ndarray:
        """Quantise or dequantise a constant, which onnx's reference does not do in old opsets."""
        attributes = {attribute.name: attribute.i for attribute in node.attribute}
        x, scale, zero = (self.constants.get(n) for n in (*node.input, "", "")[:3])
        place = attributes.get("axis", 1), attributes.get("block_size", 0)
        try:
            if x is None or scale is None:
                raise ValueError("it lacks an operand")
            found = SCALED[node.op_type](x, scale, zero, *place)
        except (ValueError, TypeError) as problem:
            raise _malformed(node, problem) from None
        known = Scaled.of(scale, place[0], found.shape)
        if known is not None and node.op_type == "DequantizeLinear":
            self.scaled[node.output[0]] = known
        return found

    def _by_reference(self, node: Any) -> list[Any]:
        helper, names = self.onnx.helper, [*dict.fromkeys(filter(None, node.input))]
        feeds = {name: self.constants[name] for name in names}
        inputs = [self._info(name, array) for name, array in feeds.items()]
        outputs = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
        graph = helper.make_graph([node], "g", inputs, outputs)
        model = helper.make_model(graph, opset_imports=self._opsets, ir_version=10)
        try:
            from onnx.reference import ReferenceEvaluator

            with np.errstate(all="ignore"):
                return [*ReferenceEvaluator(model).run(None, feeds)]
        except Exception as problem:  # noqa: BLE001  whatever a malformed node leads to
            raise _malformed(node, problem) from None

    def _store(self, node: Any, arrays: Sequence[Any]) -> None:
        before = self.scaled.get(node.input[0]) if len(node.input) else None
        if before is not None and (moved := before.moved(node)) is not None:
            self.scaled[node.output[0]] = moved
        for name, array in zip(filter(None, node.output), arrays, strict=True):
            self.constants[name] = np.asarray(array)
            self._total += self.constants[name].nbytes
        if self._total > MAX_TOTAL:
            raise error("E0807", f"folded constants have more than {MAX_TOTAL:,} bytes")


def _malformed(node: Any, problem: Exception) -> MbcError:
    message = f"{node.op_type} '{node.output[0]}' cannot be computed: {problem}"
    return error("E0806", message)
