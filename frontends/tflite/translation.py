"""From a model in TensorFlow Lite to the form that all frontends share: ops of ONNX.

Tensors with four axes are images, [n,h,w,c]. In the common form each goes by the order [n,c,h,w],
as ONNX has it, and so it is stored as the file has it; nothing is moved. `plain` is the same tensor
in the file's own order of axes, which is a transpose that moves nothing either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from mbc.frontends.lowering.builder import IMAGE, TO_PLANAR
from mbc.frontends.lowering.model import Model, Node, Refusal, Shape, live
from mbc.frontends.lowering.names import unique
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.tflite.activations import CLIPS, activation_of
from mbc.frontends.tflite.codes import numbers_of, range_of, stands_for_numbers
from mbc.frontends.tflite.known import Known
from mbc.frontends.tflite.model import Operator, Tensor, TfliteModel

HINT = "`mbc ops --tflite` lists what is supported; convert the model without this op"
"""What to do about an op that is not supported."""

LAYERS = ("Conv", "Gemm")
"""Ops with weights that have a form on codes."""

BEYOND = frozenset({
    "Add", "Conv", "ConvTranspose", "Div", "Gemm", "Identity", "MatMul", "Mul", "Sub",
})  # fmt: skip
"""Ops whose results may be far beyond their codes. So these codes are bounds, as relu6 is one, and
no op after them is computed by them."""


class Translation:
    """The nodes, constants and shapes of the common form, as they are made."""

    def __init__(self, model: TfliteModel) -> None:
        self.model = model
        self.nodes = list[Node]()
        self.constants = dict[str, np.ndarray]()
        self.shapes = dict[str, Shape]()
        self.arrays = dict[int, np.ndarray]()
        self.operator = Operator("", (), ())
        self.folded = 0  # elements of constants that the file does not have
        self.known = Known(model)
        self._names = Counter(tensor.name for tensor in model.tensors)
        self._constant_names = dict[tuple[int, str], str]()
        self._plain = dict[int, str]()

    def finished(self) -> Model:
        """Return the model in the common form."""
        inputs, outputs = (
            tuple(self.tensor(number).name for number in numbers)
            for numbers in (self.model.inputs, self.model.outputs)
        )
        for number in self.model.inputs:
            self.shapes[self.tensor(number).name] = as_image(self.tensor(number).shape)
        nodes = live(self.nodes, outputs)
        read = {name for node in nodes for name in (*node.inputs, *node.outputs)} | {*outputs}
        elements = {name: e for name, e in self.known.elements(self.arrays) if name in read}
        given = self.constants, self.shapes, inputs, outputs
        return Model(
            nodes,
            *given,
            hint=HINT,
            channels_last=True,
            elements=elements,
            weights=self.known.weights if elements else {},
            float_layers=frozenset(self.known.float_layers),
        )

    # what translators read

    def tensor(self, number: int) -> Tensor:
        """Return a tensor by its number."""
        return self.model.tensors[number]

    @property
    def result(self) -> Tensor:
        """The first result of the operator."""
        return self.tensor(self.operator.outputs[0])

    def has(self, index: int) -> bool:
        """Whether the operator has an operand."""
        inputs = self.operator.inputs
        return index < len(inputs) and inputs[index] >= 0

    def number(self, index: int) -> int:
        """Return the number of an operand; Unsupported if it is absent."""
        if not self.has(index):
            raise Unsupported("it lacks an operand")
        return self.operator.inputs[index]

    def shape(self, index: int) -> Shape:
        """Return the shape of an operand in the file's order."""
        return self.tensor(self.number(index)).shape

    def is_constant(self, index: int) -> bool:
        """Whether an operand is known."""
        return self.number(index) in self.arrays

    def array(self, index: int, what: str) -> np.ndarray:
        """Return a constant operand; Unsupported if it is computed."""
        if not self.is_constant(index):
            raise Unsupported(f"its {what} is not constant", f"convert it with a fixed {what}")
        return self.arrays[self.number(index)]

    def integers(self, index: int, what: str) -> tuple[int, ...]:
        """Return a constant list of integers."""
        return tuple(int(each) for each in self.array(index, what).ravel())

    def integer(self, index: int, what: str) -> int:
        """Return a constant integer."""
        found = self.integers(index, what)
        if len(found) != 1:
            raise Unsupported(f"its {what} is no single number")
        return found[0]

    def floats(self, index: int, what: str) -> np.ndarray:
        """Return a constant operand of numbers as float32."""
        array, tensor = self.array(index, what), self.tensor(self.number(index))
        if not array.size:
            raise Unsupported(f"its {what} has no elements")
        if array.dtype.kind != "f" and not stands_for_numbers(tensor):
            raise Unsupported(f"its {what} is no float", "convert the model without quantisation")
        if array.dtype.kind != "f" and not self.is_of_codes():
            self.known.widened[self.result.name] = tensor.element.lower()
        return numbers_of(tensor, array)

    def is_of_codes(self) -> bool:
        """Whether the operator makes codes."""
        return self.known.element(self.operator.outputs[0]) is not None

    def axis(self, axis: int, rank: int) -> int:
        """Return where an axis of the file is in the common form."""
        if not -rank <= axis < rank:
            raise Unsupported(f"it has no axis {axis}")
        return image_axis(axis % rank, rank)

    # names of operands in the common form

    def value(self, index: int) -> str:
        """Return an operand, an image in ONNX's order."""
        number = self.number(index)
        if number not in self.arrays:
            return self.tensor(number).name
        array = self.floats(index, "operand")
        return self.keep(index, array.transpose(image_order(array.ndim)), "value")

    def plain(self, index: int) -> str:
        """Return an operand in the file's order."""
        number, tensor = self.number(index), self.tensor(self.number(index))
        if number in self.arrays:
            return self.keep(index, self.floats(index, "operand"), "plain")
        if len(tensor.shape) != len(IMAGE):
            return tensor.name
        if number not in self._plain:
            self._plain[number] = self.node("Transpose", [tensor.name], tensor.shape, perm=IMAGE)
        return self._plain[number]

    def aligned(self, index: int, rank: int) -> str:
        """Return an operand of arithmetic with more axes at the front, as broadcasting has it."""
        shape = self.shape(index)
        if len(shape) == rank or (rank != len(IMAGE) and len(shape) != len(IMAGE)):
            return self.value(index)
        wide = (1,) * (rank - len(shape)) + shape
        if self.is_constant(index):
            array = self.floats(index, "operand").reshape(wide)
            return self.keep(index, array.transpose(image_order(rank)), f"value of {rank}")
        if rank != len(IMAGE):
            return self.plain(index)
        made = self.node("Reshape", [self.plain(index)], wide)
        return self.node("Transpose", [made], as_image(wide), perm=TO_PLANAR)

    def keep(self, index: int, array: np.ndarray, form: str) -> str:
        """Keep a form of a constant operand, under its own name if it is the first."""
        key = self.number(index), form
        if key not in self._constant_names:
            name = self.tensor(key[0]).name
            name = self.fresh(name) if name in self.constants else name
            self._constant_names[key] = name
            self.constants[name] = array
        return self._constant_names[key]

    def listed(self, what: str, numbers: Sequence[float], kind: type = np.int64) -> str:
        """Keep a constant that the operator has as options."""
        name = self.fresh(f"{self.result.name}.{what}")
        self.constants[name] = np.array(numbers, kind)
        return name

    def fresh(self, name: str) -> str:
        """Return a name that nothing else has."""
        return unique(name, self._names)

    # nodes

    def node(self, kind: str, inputs: Sequence[str], shape: Shape, **attributes: object) -> str:
        """Add a node that computes part of the operator, and return its result."""
        name = self.fresh(f"{self.result.name}.{kind.lower()}")
        self.shapes[name] = shape
        self._add(kind, inputs, [name], attributes)
        return name

    def finish(self, kind: str, inputs: Sequence[str], **attributes: object) -> None:
        """Add the node that computes the operator, then its fused activation."""
        self._activated(kind, inputs, attributes, is_plain=False)

    def finish_plain(self, kind: str, inputs: Sequence[str], **attributes: object) -> None:
        """Add the node that computes the operator in the file's order of axes, then its fused
        activation."""
        self._activated(kind, inputs, attributes, is_plain=True)

    def finish_reshaped(
        self, kind: str, inputs: Sequence[str], shape: Shape, **attributes: object
    ) -> None:
        """Add the node that computes the operator in a shape of its own, then its fused activation,
        then its result."""
        name = self.node(kind, inputs, shape, **attributes)
        if self._is_followed(kind):
            followed = self.fresh(f"{name}.act")
            self._follow(kind, name, followed, shape)
            name = followed
        element = self.known.element(self.operator.outputs[0])
        if element is not None:
            self.known.parts[name] = element
        self.to_result(self.node("Reshape", [name], self.result.shape))

    def finish_parts(self, kind: str, inputs: Sequence[str], **attributes: object) -> None:
        """Add the node that computes all results of the operator, images in ONNX's order."""
        tensors = [self.tensor(number) for number in self.operator.outputs]
        for tensor in tensors:
            self.shapes[tensor.name] = as_image(tensor.shape)
        self._add(kind, inputs, [tensor.name for tensor in tensors], attributes)

    def activate(self, act: str, x: str, name: str) -> None:
        """Add an activation by its name in the schema, whose result has a name."""
        match act:
            case "RELU":
                self._add("Relu", [x], [name], {})
            case "RELU6" | "RELU_N1_TO_1" | "RELU_0_TO_1":
                self.clip(x, CLIPS[act], name)
            case _:
                raise Unsupported(f"its fused activation is {act}")

    def clip(self, x: str, bounds: tuple[float, float], name: str) -> None:
        """Add a clip whose result has a name."""
        ends = zip(("low", "high"), bounds, strict=True)
        given = [self.listed(what, [bound], np.float32) for what, bound in ends]
        self._add("Clip", [x, *given], [name], {})

    def name_result(self, x: str) -> None:
        """Name a value in the order of the common form as the result of the operator."""
        self.shapes[self.result.name] = as_image(self.result.shape)
        self._add("Identity", [x], [self.result.name], {})

    def to_result(self, plain: str, number: int | None = None) -> None:
        """Name a value in the file's order as a result of the operator."""
        tensor = self.result if number is None else self.tensor(number)
        self.shapes[tensor.name] = as_image(tensor.shape)
        if len(tensor.shape) == len(IMAGE):
            self._add("Transpose", [plain], [tensor.name], {"perm": TO_PLANAR})
        else:
            self._add("Identity", [plain], [tensor.name], {})

    def refuse(self, reason: str = "", help: str = "") -> None:
        """Add a node that says what is not supported of the operator."""
        names = [self.tensor(number).name for number in self.operator.outputs]
        inputs = [self.tensor(number).name for number in self.operator.inputs if number >= 0]
        self._add(self.operator.kind, inputs, names, {}, Refusal(reason, help))

    def _activated(
        self, kind: str, inputs: Sequence[str], attributes: dict[str, object], *, is_plain: bool
    ) -> None:
        tensor = self.result
        is_followed = self._is_followed(kind)
        is_image = is_plain and len(tensor.shape) == len(IMAGE)
        shape = tensor.shape if is_plain else as_image(tensor.shape)
        name = tensor.name
        if is_followed or is_image:
            name = self.fresh(f"{name}.{kind.lower()}")
        self.shapes[name] = shape
        self._add(kind, inputs, [name], attributes)
        if is_followed:
            made = self.fresh(f"{name}.act") if is_image else tensor.name
            self._follow(kind, name, made, shape)
            name = made
        if is_image:
            self.to_result(name)

    def _is_followed(self, kind: str) -> bool:
        """Whether an activation, or the bounds of its codes, follow the node of an operator."""
        return activation_of(self.operator) != "NONE" or (self.is_of_codes() and kind in BEYOND)

    def _follow(self, kind: str, x: str, name: str, shape: Shape) -> None:
        """Add what follows it."""
        self.shapes[name] = shape
        act, element = activation_of(self.operator), self.known.element(self.operator.outputs[0])
        if element is None or act not in CLIPS:
            self.activate(act, x, name)
            return
        (low, high), (least, largest) = CLIPS[act], range_of(element)
        self.clip(x, (max(low, least), min(high, largest)), name)

    def _add(
        self,
        kind: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        attributes: dict[str, object],
        refusal: Refusal | None = None,
    ) -> None:
        op, name = self.operator.kind, self.result.name
        given, made = tuple(inputs), tuple(outputs)
        if kind in LAYERS and not self.is_of_codes():
            self.known.float_layers.update(made)
        self.nodes.append(Node(kind, name, given, made, attributes, spelled=op, refusal=refusal))


def image_order(rank: int) -> tuple[int, ...]:
    """Return the axes of the file in the order of the common form."""
    return TO_PLANAR if rank == len(TO_PLANAR) else tuple(range(rank))


def image_axis(axis: int, rank: int) -> int:
    """Return where an axis of the file is in the common form."""
    return image_order(rank).index(axis)


def as_image(shape: Shape) -> Shape:
    """Return a shape in the order of the common form."""
    return tuple(shape[axis] for axis in image_order(len(shape)))


Translator: TypeAlias = Callable[[Translation], None]
"""Adds the nodes of an operator, that of the translation."""
