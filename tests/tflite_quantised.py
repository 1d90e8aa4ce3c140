"""Quantised models of TensorFlow Lite, made of drawings of float ones by the ranges that LiteRT
finds in them, and how many steps mbc is from LiteRT.

As the converter does it: values have one scale, those that an op only moves share theirs, weights
of int8 have one for each output channel, and biases are steps of the sums.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from mbc.frontends.tflite import import_tflite
from mbc.frontends.tflite.ops.quantised import KEEPING
from mbc.interp import run
from mbc.ir.graph import Graph
from mbc.ir.verify import verify
from mbc.passes.quantising.prepare import prepare
from mbc.passes.quantising.rewrite import rewrite
from mbc.passmgr.passes import PassResult
from tests.tflite_models import PLAIN, Array, Drawing, Drawn, Step, inputs_of, interpreter

LAYERS = {"CONV_2D": (0, 1), "DEPTHWISE_CONV_2D": (0, 1), "FULLY_CONNECTED": (0, 1)}
LAYERS["TRANSPOSE_CONV"] = (2, 1)
"""Places of image and weight; the bias is behind both."""

FIXED = {
    "LOGISTIC": (1 / 256, 0),
    "L2_NORMALIZATION": (1 / 128, 128),
    "LOG_SOFTMAX": (16 / 256, 255),
    "SOFTMAX": (1 / 256, 0),
    "TANH": (1 / 128, 128),
}
"""The scale of some results, and the zero point of uint8."""

SIGNED = {"INT8": 128, "UINT8": 0}


@dataclass(frozen=True)
class Codes:
    """How values of a drawing become codes."""

    element: str = "INT8"
    per_channel: bool = True
    """Whether each output channel of a weight has a scale."""
    float_ends: bool = False
    """Whether inputs and outputs stay float, between QUANTIZE and DEQUANTIZE."""


def values_of(
    drawing: Drawing, content: bytes, draws: int = 3
) -> Mapping[int, tuple[float, float]]:
    """Return the range of each tensor of a float model over some inputs."""
    made = Interpreter(
        model_content=content,
        experimental_op_resolver_type=PLAIN,
        experimental_preserve_all_tensors=True,
        num_threads=1,
    )
    made.allocate_tensors()
    found = dict[int, tuple[float, float]]()
    for draw in range(draws):
        for each in made.get_input_details():
            made.set_tensor(each["index"], inputs_of(drawing, draw)[each["name"]])
        made.invoke()
        for number, drawn in enumerate(drawing.tensors):
            if drawn.data is None and drawn.element == "FLOAT32":
                x = made.get_tensor(number)
                low, high = found.get(number, (0.0, 0.0))
                found[number] = min(low, float(x.min())), max(high, float(x.max()))
    return found


def quantised(drawing: Drawing, outputs: Sequence[str], codes: Codes = Codes()) -> bytes:
    """Return the file of a float drawing on codes."""
    content = drawing.model(*outputs)
    made = _Quantising(drawing, codes, values_of(drawing, content))
    return made.written(outputs)


class _Quantising:
    def __init__(
        self, drawing: Drawing, codes: Codes, ranges: Mapping[int, tuple[float, float]]
    ) -> None:
        self.drawing, self.codes = drawing, codes
        self.tensors = [*drawing.tensors]
        self.root = list(range(len(self.tensors)))
        self.ranges = dict(ranges)
        self._share()
        for number in ranges:
            self._value(number)
        self.steps = [self._step(step) for step in drawing.steps]

    def _share(self) -> None:
        """Give the union of their ranges to values that share a scale."""
        for step in self.drawing.steps:
            if step.kind in KEEPING or step.kind == "CONCATENATION":
                first, *others = [n for n in (*step.inputs, *step.outputs) if n in self.ranges]
                for other in others:
                    self.root[self._top(other)] = self._top(first)
        for number, (low, high) in [*self.ranges.items()]:
            top = self._top(number)
            least, largest = self.ranges[top]
            self.ranges[top] = min(low, least), max(high, largest)

    def _top(self, number: int) -> int:
        while self.root[number] != number:
            number = self.root[number]
        return number

    def _value(self, number: int) -> None:
        scale, zero = self._scale(*self.ranges[self._top(number)])
        for step in self.drawing.steps:
            if self._top(number) in map(self._top, step.outputs) and step.kind in FIXED:
                scale, zero = FIXED[step.kind]
        self.tensors[number] = self._on_codes(self.tensors[number], scale, zero)

    def _on_codes(self, drawn: Drawn, scale: float, zero: int) -> Drawn:
        zeros = (zero - SIGNED[self.codes.element],)
        return replace(drawn, element=self.codes.element, scales=(scale,), zeros=zeros)

    @staticmethod
    def _scale(low: float, high: float) -> tuple[float, int]:
        scale = float(np.float32(max(high - low, 1e-6) / 255))
        return scale, int(np.clip(round(-low / scale), 0, 255))

    def _step(self, step: Step) -> Step:
        if step.kind in LAYERS:
            return self._layer(step)
        inputs = tuple(
            self._constant(number) if number >= 0 and self._is_constant(number) else number
            for number in step.inputs
        )
        return replace(step, inputs=inputs)

    def _is_constant(self, number: int) -> bool:
        drawn = self.drawing.tensors[number]
        return drawn.data is not None and drawn.element == "FLOAT32"

    def _array(self, number: int) -> Array:
        drawn = self.drawing.tensors[number]
        return np.frombuffer(drawn.data or b"", np.float32).reshape(drawn.shape)

    def _constant(self, number: int) -> int:
        """Quantise a constant operand by its own range."""
        array = self._array(number)
        scale, zero = self._scale(min(0.0, float(array.min())), max(0.0, float(array.max())))
        made = self._on_codes(self.tensors[number], scale, zero)
        return self._add(made, np.clip(np.rint(array / scale) + zero, 0, 255))

    def _add(self, made: Drawn, codes: Array) -> int:
        moved = codes - SIGNED[self.codes.element]
        data = moved.astype(made.element.lower()).tobytes()
        self.tensors.append(replace(made, name=f"{made.name}.{len(self.tensors)}", data=data))
        return len(self.tensors) - 1

    def _layer(self, step: Step) -> Step:
        image, place = LAYERS[step.kind]
        numbers = [*step.inputs]
        axis = 3 if step.kind == "DEPTHWISE_CONV_2D" else 0
        numbers[place], scales = self._weight(step.inputs[place], axis)
        bias = max(image, place) + 1
        if len(numbers) > bias and numbers[bias] >= 0:
            steps = scales * self.tensors[step.inputs[image]].scales[0]
            numbers[bias] = self._bias(step.inputs[bias], steps)
        return replace(step, inputs=tuple(numbers))

    def _weight(self, number: int, axis: int) -> tuple[int, Array]:
        array, drawn = self._array(number), self.tensors[number]
        if self.codes.element == "UINT8":
            scale, zero = self._scale(min(0.0, float(array.min())), max(0.0, float(array.max())))
            codes = np.clip(np.rint(array / scale) + zero, 0, 255)
            return self._add(self._on_codes(drawn, scale, zero), codes), np.array([scale])
        others = tuple(each for each in range(array.ndim) if each != axis)
        most = np.abs(array).max(axis=others if self.codes.per_channel else None, keepdims=True)
        scales = np.maximum(most / 127, 1e-9).astype(np.float32)
        given = tuple(map(float, scales.ravel()))
        made = replace(drawn, element="INT8", scales=given, zeros=(0,) * len(given), axis=axis)
        return self._add(made, np.rint(array / scales) + 128), scales.ravel().astype(np.float64)

    def _bias(self, number: int, steps: Array) -> int:
        codes = np.rint(self._array(number) / steps).astype(np.int32)
        given = tuple(map(float, steps.astype(np.float32)))
        made = replace(self.tensors[number], element="INT32", scales=given, zeros=(0,) * len(given))
        self.tensors.append(replace(made, name=f"{made.name}.s32", data=codes.tobytes()))
        return len(self.tensors) - 1

    def written(self, outputs: Sequence[str]) -> bytes:
        """Return the file."""
        made = replace(self.drawing)
        read = {number for step in self.steps for number in step.inputs}
        made.tensors = [  # without the floats that codes stand for
            each if number in read or each.data is None else replace(each, data=None)
            for number, each in enumerate(self.tensors)
        ]
        made.steps = self.steps
        names = outputs or (made.tensors[made.steps[-1].outputs[0]].name,)
        if self.codes.float_ends:
            names = self._float_ends(made, names)
        return made.written(names)

    def _float_ends(self, made: Drawing, outputs: Iterable[str]) -> list[str]:
        """Put QUANTIZE behind the inputs and DEQUANTIZE before the outputs."""
        for name in made.inputs:
            number = made.number(name)
            codes = replace(made.tensors[number], name=f"{name}.codes")
            made.tensors[number] = replace(self.drawing.tensors[number])
            made.tensors.append(codes)
            new = len(made.tensors) - 1
            made.steps = [
                replace(step, inputs=tuple(new if n == number else n for n in step.inputs))
                for step in made.steps
            ]
            made.steps.insert(0, Step("QUANTIZE", (number,), (new,), None))
        found = list[str]()
        for name in outputs:
            number = made.number(name)
            made.tensors.append(Drawn(f"{name}.float", made.tensors[number].shape))
            last = len(made.tensors) - 1
            made.steps.append(Step("DEQUANTIZE", (number,), (last,), None))
            found.append(f"{name}.float")
        return found


def on_codes(content: bytes, folder: Path, notes: list[str] | None = None) -> Graph:
    """Import a quantised model, and quantise it by what it states."""
    path = folder / "net.tflite"
    path.write_bytes(content)
    made = import_tflite(path, note=(notes if notes is not None else []).append)
    assert made.quantisation is not None
    result = PassResult()
    prepare(made.graph)
    rewrite(made.graph, made.quantisation, result)
    verify(made.graph)
    if notes is not None:
        notes += [remark.message for remark in result.remarks]
    return made.graph


Answer = Callable[[Sequence[Array]], Sequence[Array]]
"""An engine, which takes and gives floats."""


def by_oracle(graph: Graph) -> Answer:
    """The oracle, of a graph on codes."""
    return lambda given: [
        *run(graph, {v.name: x for v, x in zip(graph.inputs, given, strict=True)}).values()
    ]


def steps_apart(
    content: bytes,
    given: Mapping[str, Array],
    answer: Answer,
    step: float = 0.0,
    kernels: OpResolverType = PLAIN,
) -> Counter[int]:
    """Count by how many steps an engine's answers differ from LiteRT's; `step` is that of outputs
    that are floats."""
    made = interpreter(content, kernels)
    numbers = list[Array]()
    for each in made.get_input_details():
        x = given[each["name"]]
        if each["dtype"] != np.float32:
            scale, zero = each["quantization"]
            limits = np.iinfo(each["dtype"])
            x = np.clip(np.rint(x / scale) + zero, limits.min, limits.max)
            numbers.append(((x - zero) * scale).astype(np.float32))
        else:
            numbers.append(x)
        made.set_tensor(each["index"], x.astype(each["dtype"]))
    made.invoke()
    found = Counter[int]()
    details = made.get_output_details()
    for each, ours in zip(details, answer(numbers), strict=True):
        theirs = made.get_tensor(each["index"])
        assert ours.shape == theirs.shape
        if each["dtype"] == np.float32:
            apart = np.rint(np.abs(ours - theirs) / step)
        else:
            scale, zero = each["quantization"]
            limits = np.iinfo(each["dtype"])
            codes = np.clip(np.rint(ours / scale) + zero, limits.min, limits.max)
            apart = np.abs(codes - theirs.astype(np.float64))
        found.update(apart.astype(int).ravel().tolist())
    return found
