"""Quantised models as float ones, and what they state of their codes.

A quantised value is read as the number that it stands for, (q - zero) * scale. So QuantizeLinear is
a clip to the range of q, which may also stand for a Relu that the exporter has left out, and
DequantizeLinear is nothing; ops on integers are those on floats between the same constants.
Rounding to steps is left out of that network; which values have which codes is noted beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mbc.frontends.lowering.model import FLOAT
from mbc.frontends.lowering.names import unique
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.scales import dequantised
from mbc.frontends.onnx.importer.quantised_ops import (
    BYTES,
    CONCAT,
    OPERATORS,
    OWN_ATTRIBUTES,
    Operator,
    Steps,
    op_of,
)
from mbc.frontends.onnx.importer.steps import Scaled
from mbc.frontends.onnx.importer.versions import opset_of
from mbc.ir.elements import Q8
from mbc.records import dataclass

CLIP_INPUTS, SOFTMAX = 11, 13
"""The opsets since which the bounds of Clip are inputs, and Softmax is over one axis."""

NUMBERS = ("alpha", "channels_last", "opset")
"""Attributes of ops on integers that are one number."""

MOVES = frozenset({
    "Concat", "DepthToSpace", "Flatten", "Gather", "Identity", "MaxPool", "Reshape", "Resize",
    "Slice", "SpaceToDepth", "Split", "Squeeze", "Transpose", "Unsqueeze",
})  # fmt: skip
"""Ops whose results on quantised tensors are quantised alike."""


@dataclass(frozen=True)
class Dequantised:
    """What a quantised model says beside its ops."""

    refused: Mapping[int, Unsupported]
    """Why nodes cannot be read, by their numbers."""
    elements: Mapping[str, Q8]
    """The codes of values, by their names."""
    scaled: Mapping[str, Scaled]
    """By what constants are quantised that stand for codes."""


def dequantise(
    onnx: Any, model: Any, note: Callable[[str], None], *, floats: bool
) -> Dequantised | None:
    """Make a quantised model one on floats, and tell of it; None for a model that is not quantised.
    Codes are found unless it is to be computed in floats."""
    graph = model.graph
    if not any(map(op_of, graph.node)):
        return None
    made, refused = Dequantising(onnx, graph, opset_of(model)), dict[int, Unsupported]()
    for node in [*graph.node]:
        problem = made.add(node)
        if problem is not None:
            refused[len(made.nodes) - 1] = problem
    inputs, outputs = [*made.inputs], made.finish()
    if floats or not made.elements:
        how = "in float32, with the ranges of its values as clips"
        made.elements.clear()
    else:
        how = "on its codes of 8 bits; --float takes it in float32"
        _tell_of_others(made.others, note)
    note(f"the model is quantised; mbc computes {how}")
    if inputs:
        names = ", ".join(f"{name!r}" for name in inputs)
        note(
            f"inputs that are integers in the model are the numbers that they stand for: {names}; "
            "--input-dtype u8 takes codes"
        )
    if outputs:
        names = ", ".join(f"{name!r}" for name in outputs)
        note(f"outputs that are integers in the model are floats: {names}")
    return Dequantised(refused, made.elements, made.scaled)


def _tell_of_others(names: Sequence[str], note: Callable[[str], None]) -> None:
    """Say which values are computed in float though the model rounds them."""
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        note(f"values that are not on codes of 8 bits are computed in float32: {names[0]!r}{more}")


def operand(node: Any, at: int) -> str:
    """Return the name of an operand; "" for an absent one."""
    return node.input[at] if at < len(node.input) else ""


class Dequantising:
    """A graph whose nodes become ones on floats, in dependency order."""

    def __init__(self, onnx: Any, graph: Any, opset: int) -> None:
        self.onnx, self.graph, self.opset = onnx, graph, opset
        self.nodes: list[Any] = []
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self.elements: dict[str, Q8] = {}
        """The codes of values, by their names."""
        self.scaled: dict[str, Scaled] = {}
        """By what constants are quantised that are read as floats."""
        self.others: list[str] = []
        """Values on other codes than those of 8 bits."""
        self.inputs: list[str] = []
        """Inputs that are integers."""
        self._steps: dict[str, Steps] = {}
        self._clips: dict[tuple[str, Steps], str] = {}
        self._same: dict[str, str] = {}  # results of DequantizeLinear, and of like QuantizeLinear
        self._refused: set[str] = set()
        self._constant = set(self._tensors)
        kinds = {value.name: value.type.tensor_type.elem_type for value in graph.input}
        self._integers = {n: BYTES[kind] for n, kind in kinds.items() if kind in BYTES}
        results = {name for node in graph.node for name in node.output}
        self._taken = Counter(self._constant | results)
        self._outputs = {value.name for value in graph.output}

    def add(self, node: Any) -> Unsupported | None:
        """Add what stands for a node, or the node itself with the reason why nothing does. Those
        that depend on that one are added as they are."""
        problem = None
        if not self._refused & {*node.input}:
            try:
                with np.errstate(all="ignore"):
                    self._add(node)
                return None
            except Unsupported as reason:
                problem = reason
        self._refused.update(filter(None, node.output))
        self.nodes.append(node)
        return problem

    def _add(self, node: Any) -> None:
        if all(not name or name in self._constant for name in node.input):
            self._add_constant(node)
        elif op_of(node) and not (node.output and node.output[0]):
            raise Unsupported("it has no result")
        elif op_of(node) == "QuantizeLinear":
            self._quantise(node)
        elif op_of(node) == "DequantizeLinear":
            self._dequantise(node)
        elif op_of(node):
            self._expand(node)
        else:
            self._add_other(node)

    def finish(self) -> list[str]:
        """Put the nodes into the graph; returns the outputs that were integers."""
        for value in self.graph.input:
            if value.name in self.inputs:
                value.type.tensor_type.elem_type = FLOAT
        for node in self.nodes:
            for at, name in enumerate(node.input):
                node.input[at] = self._same.get(name, name)
        del self.graph.node[:]
        self.graph.node.extend(self.nodes)
        quantised = [value for value in self.graph.output if value.name in self._steps]
        for value in quantised:
            value.type.tensor_type.elem_type = FLOAT
        return [value.name for value in quantised]

    def _add_constant(self, node: Any) -> None:
        """Leave a node to the folding of constants."""
        if node.op_type == "Constant":
            found = [a.t for a in node.attribute if a.name == "value"]
            self._tensors.update(zip(node.output, found, strict=False))
        if op_of(node) and node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            node.domain = ""
        self._constant.update(filter(None, node.output))
        self.nodes.append(node)

    def _add_other(self, node: Any) -> None:
        found = [self._steps[name] for name in node.input if name in self._steps]
        if found:
            if node.op_type not in (*MOVES, "Pad") or any(each != found[0] for each in found):
                raise Unsupported("it computes with integers that are quantised floats")
            if node.op_type == "Pad":
                self._pad(node, found[0])
            self._steps.update(dict.fromkeys(filter(None, node.output), found[0]))
        self.nodes.append(node)

    def _pad(self, node: Any, steps: Steps) -> None:
        """Pad with the number that an integer stands for."""
        if len(node.input) < 2:
            raise Unsupported("it pads with integers that are quantised floats")
        given = self._array(node.input[2], "value") if operand(node, 2) else np.zeros(1)
        if given.size != 1:
            raise Unsupported("its value is no single number")
        value = np.float32(int(given.reshape(-1)[0]) - steps.zero) * np.float32(steps.scale)
        first, second, *rest = node.input
        del node.input[:]
        stored = self._stored(f"{first}.value", value)
        node.input.extend([first, second, stored, *rest[1:]])

    def _dequantise(self, node: Any) -> None:
        x, result = operand(node, 0), node.output[0]
        known = self._known(node, 0)
        if self._parameters(node, 1, known.dtype) != known:
            raise Unsupported("it has another scale or zero point than the value that it reads")
        if result in self._outputs:
            self._make(node, "Identity", [x], result, {})
        else:
            self._same[result] = self._same.get(x, x)

    def _known(self, node: Any, at: int) -> Steps:
        """Return how an operand is quantised; an input of the model as what reads it says first."""
        x = operand(node, at)
        if x in self._integers and x not in self._steps:
            self._state(x, self._parameters(node, at + 1, self._integers[x]))
            self.inputs.append(x)
        if x not in self._steps:
            help = f"take the part that follows it: --inputs {node.output[0]}"
            raise Unsupported(f"its operand '{x}' is quantised outside the model", help)
        return self._steps[x]

    def _state(self, name: str, steps: Steps) -> None:
        """Note how a value is quantised."""
        self._steps[name] = steps
        if steps.element is None:
            self.others.append(name)
        else:
            self.elements[name] = steps.element

    def _quantise(self, node: Any) -> None:
        """Add a clip, or what one that does the same has made: exporters repeat them for each that
        reads a value."""
        x, steps, result = node.input[0], self._result(node, 1), node.output[0]
        known = self._clips.setdefault((self._same.get(x, x), steps), result)
        if known == result or result in self._outputs:
            self._clip(node, x, steps)
        else:
            self._same[result] = known
            self._steps[result] = steps

    def _expand(self, node: Any) -> None:
        """Add the op on floats, and the clip to the range of its result."""
        attributes = {a.name: self.onnx.helper.get_attribute_value(a) for a in node.attribute}
        for name, given in attributes.items():
            plain = int | float if name in NUMBERS else int | float | bytes | list
            if not isinstance(given, plain) or given == []:
                raise Unsupported(f"its attribute '{name}' is no number")
        if attributes.get("channels_last", 0):
            raise Unsupported("its channels are last")
        if (attributes.get("opset", self.opset) < SOFTMAX) != (self.opset < SOFTMAX):
            raise Unsupported("its opset is not that of the model")
        kept = {name: v for name, v in attributes.items() if name not in OWN_ATTRIBUTES}
        concat = op_of(node) == CONCAT
        kind, inputs, result = self._joined(node) if concat else self._operator(node, kept)
        if result is None:
            self._make(node, kind, inputs, node.output[0], kept)
            return
        name = unique(f"{node.output[0]}.float", self._taken)
        self._make(node, kind, inputs, name, kept)
        self._clip(node, name, result)

    def _joined(self, node: Any) -> tuple[str, list[str], Steps]:
        inputs = [self._operand(node, at, 0) for at in range(2, len(node.input), 3)]
        return "Concat", inputs, self._result(node, 0)

    def _operator(
        self, node: Any, attributes: dict[str, Any]
    ) -> tuple[str, list[str], Steps | None]:
        op = OPERATORS[op_of(node)]
        axis = 0 if attributes.get("transB", 0) else op.axis
        inputs = [self._operand(node, at, axis) for at in op.operands]
        if op.bias is not None and operand(node, op.bias):
            inputs.append(self._bias(node, op, float(attributes.get("alpha", 1.0))))
        floats = op.kind == "Gemm" and not operand(node, op.result)
        return op.kind, inputs, None if floats else self._result(node, op.result)

    def _operand(self, node: Any, at: int, axis: int) -> str:
        """Return a tensor as floats: a value that is quantised so, or a constant."""
        name = operand(node, at)
        if name not in self._constant:
            known = self._known(node, at)
            if self._parameters(node, at + 1, known.dtype) != known:
                raise Unsupported("it has another scale or zero point than the value that it reads")
            return name
        scale, zero = self._array(operand(node, at + 1), "scale"), self._zero(node, at + 2)
        q = self._array(name, "weight")
        made = self._floats(name, q, scale, zero, axis)
        scaled = Scaled.of(scale, axis, q.shape)
        if scaled is not None:
            self.scaled[made] = scaled
        return made

    def _bias(self, node: Any, op: Operator, alpha: float) -> str:
        assert op.bias is not None
        name = node.input[op.bias]
        scales = [self._array(operand(node, at + 1), "scale") for at in op.operands]
        if scales[0].size != 1 or scales[1].ndim > 1:
            raise Unsupported("its scales do not fit")
        product = np.float32(alpha) * scales[0].reshape(()) * scales[1]
        return self._floats(name, self._array(name, "bias"), product, None, -1)

    def _floats(
        self, name: str, q: np.ndarray, scale: np.ndarray, zero: np.ndarray | None, axis: int
    ) -> str:
        try:
            return self._stored(f"{name}.float", dequantised(q, scale, zero, axis))
        except ValueError as problem:
            raise Unsupported(f"'{name}' does not fit: {problem}") from None

    def _clip(self, node: Any, x: str, steps: Steps) -> None:
        result, (low, high) = node.output[0], steps.range
        if self.opset < CLIP_INPUTS:
            bounds = {"min": float(low), "max": float(high)}
            self._make(node, "Clip", [x], result, bounds)
        else:
            ends = [self._stored(f"{result}.{n}", v) for n, v in (("low", low), ("high", high))]
            self._make(node, "Clip", [x, *ends], result, {})
        self._state(result, steps)

    def _result(self, node: Any, at: int) -> Steps:
        given = {a.name: a.i for a in node.attribute}.get("output_dtype", 0)
        dtype = self.onnx.helper.tensor_dtype_to_np_dtype(given) if given else np.dtype(np.uint8)
        return self._parameters(node, at, dtype)

    def _parameters(self, node: Any, at: int, default: np.dtype[Any]) -> Steps:
        """Read scale and zero point of a whole tensor."""
        scale, zero = self._array(operand(node, at), "scale"), self._zero(node, at + 1)
        if scale.size != 1 or (zero is not None and zero.size != 1):
            raise Unsupported("its values are quantised by channels")
        dtype = default if zero is None else zero.dtype
        if dtype not in (np.int8, np.uint8, np.int16, np.uint16):
            raise Unsupported(f"its values are quantised to {dtype}")
        number = float(np.float32(scale.reshape(-1)[0]))
        steps = Steps(number, 0 if zero is None else int(zero.reshape(-1)[0]), dtype)
        if not (number > 0 and np.isfinite(steps.range).all()):
            raise Unsupported(f"its scale is {number:g}")
        return steps

    def _zero(self, node: Any, at: int) -> np.ndarray | None:
        name = operand(node, at)
        return self._array(name, "zero point") if name else None

    def _array(self, name: str, what: str) -> np.ndarray:
        if name not in self._tensors:
            raise Unsupported(f"its {what} is not constant")
        try:
            array: np.ndarray = self.onnx.numpy_helper.to_array(self._tensors[name])
        except Exception as problem:  # noqa: BLE001  whatever damaged data lead to
            raise Unsupported(f"its {what} is damaged: {problem}") from None
        return array

    def _stored(self, name: str, array: Any) -> str:
        made = unique(name, self._taken)
        tensor = self.onnx.numpy_helper.from_array(np.asarray(array), made)
        self.graph.initializer.append(tensor)
        self._constant.add(made)
        return made

    def _make(
        self, node: Any, kind: str, inputs: Iterable[str], result: str, attributes: dict[str, Any]
    ) -> None:
        made = self.onnx.helper.make_node(kind, [*inputs], [result], name=node.name, **attributes)
        made.metadata_props.extend(node.metadata_props)
        self.nodes.append(made)
