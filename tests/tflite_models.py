"""Small models of TensorFlow Lite made by hand, and what LiteRT and the oracle say of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import tflite
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from mbc.frontends.options import AS_IT_IS, ModelOptions
from mbc.frontends.tflite import import_tflite
from mbc.interp import run
from mbc.ir.graph import Graph
from mbc.ir.verify import verify

Array = np.ndarray
Shape = tuple[int, ...]

TYPES = {
    "bool": "BOOL",
    "float16": "FLOAT16",
    "float32": "FLOAT32",
    "int32": "INT32",
    "int64": "INT64",
    "int8": "INT8",
    "uint8": "UINT8",
}
"""Elements of constants by the names of numpy's types."""
RELU, RELU_N1_TO_1, RELU6, TANH, SIGN_BIT = 1, 2, 3, 4, 5
SAME, VALID = 0, 1

PLAIN, XNNPACK = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, OpResolverType.AUTO
"""LiteRT's two sets of kernels: its own, and those that it takes where it can."""

MEDIAPIPE = b"Convolution2DTransposeBias"
"""The op that XNNPACK alone computes."""


@dataclass(frozen=True)
class Drawn:
    """A tensor: its data, if it is a constant."""

    name: str
    shape: Shape
    element: str = "FLOAT32"
    data: bytes | None = None
    scales: tuple[float, ...] = ()
    zeros: tuple[int, ...] | None = None
    """None: as many 0 as there are scales."""
    axis: int = 0
    """The axis along which there are several."""
    details: int = 0
    """Number of the kind of other details of them."""
    sparsity: Any = None
    """A function that writes the table of a sparse tensor."""
    is_variable: bool = False


@dataclass(frozen=True)
class Step:
    """A node."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: tuple[str, Mapping[str, Any]] | None
    custom: bytes = b""


@dataclass
class Drawing:
    """A model under construction: nodes by `op`, constants drawn from a seed by `weight`."""

    inputs: dict[str, Shape] = field(default_factory=lambda: dict[str, Shape](x=(1, 6, 6, 8)))
    tensors: list[Drawn] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))
    version: int = 3
    subgraphs: int = 1

    def __post_init__(self) -> None:
        self.tensors = [Drawn(name, shape) for name, shape in self.inputs.items()]

    def number(self, name: str) -> int:
        """The number of a tensor; -1 for the absent one."""
        return next((i for i, t in enumerate(self.tensors) if t.name == name), -1)

    def op(self, kind: str, *inputs: str, **values: Any) -> str:
        """Add a node, and return the name of its first result; the others end in .1, .2, ….

        `options` is the name of the table of its options, which are given by their names too."""
        options, custom = values.pop("options", ""), values.pop("custom", b"")
        results, element = values.pop("results", 1), values.pop("element", "FLOAT32")
        name = f"{kind.lower()}{len(self.steps)}"
        outputs = [name, *(f"{name}.{i}" for i in range(1, results))]
        numbers = tuple(map(self.number, inputs))
        self.tensors += [Drawn(each, (), element) for each in outputs]
        made = tuple(map(self.number, outputs))
        given = (options, values) if options else None
        self.steps.append(Step(kind, numbers, made, given, custom))
        return name

    def constant(self, value: Any, dtype: Any = np.int32, **more: Any) -> str:
        """Store a constant, and return its name."""
        name, array = f"c{len(self.tensors)}", np.ascontiguousarray(value, dtype)
        element = TYPES[array.dtype.name]
        shape = np.shape(value)
        self.tensors.append(Drawn(name, shape, element, array.tobytes(), **more))
        return name

    def weight(self, *shape: int) -> str:
        """Store a drawn constant of a size for the reach of a filter, and return its name."""
        scale = np.sqrt(max(np.prod(shape[1:], dtype=int), 1))
        return self.constant(self.rng.standard_normal(shape) / scale, np.float32)

    def conv(
        self, x: str, outputs: int, inputs: int, kernel: int = 1, act: int = 0, **values: Any
    ) -> str:
        """Add a convolution with a bias."""
        given = {"Padding": SAME, "StrideW": 1, "StrideH": 1, **values}
        weight = self.weight(outputs, kernel, kernel, inputs)
        bias = self.weight(outputs)
        given["FusedActivationFunction"] = act
        return self.op("CONV_2D", x, weight, bias, options="Conv2DOptions", **given)

    def model(self, *outputs: str) -> bytes:
        """Return the file, with the shapes that LiteRT infers."""
        names = outputs or (self.tensors[self.steps[-1].outputs[0]].name,)
        try:
            made = interpreter(self.written(names))
            made.invoke()  # some shapes are known no sooner
            details = made.get_tensor_details()
        except (RuntimeError, ValueError):  # it does not know the op either
            return self.written(names)
        shapes = {each["index"]: tuple(map(int, each["shape"])) for each in details}
        for number, drawn in enumerate(self.tensors):
            self.tensors[number] = replace(drawn, shape=shapes.get(number, drawn.shape))
        return self.written(names)

    def written(self, outputs: Sequence[str]) -> bytes:
        """Return the file, with the shapes as they are."""
        return Writer(self).model(outputs)


class Writer:
    """Writes a drawing by the functions of the schema package."""

    def __init__(self, drawing: Drawing) -> None:
        self.drawing, self.b = drawing, flatbuffers.Builder(1024)
        self.kinds = list(dict.fromkeys(step.kind for step in drawing.steps))

    def table(self, name: str, **fields: Any) -> int:
        """Write a table of the schema."""
        getattr(tflite, f"{name}Start")(self.b)
        for key, value in fields.items():
            getattr(tflite, f"{name}Add{key}")(self.b, value)
        made: int = getattr(tflite, f"{name}End")(self.b)
        return made

    def offsets(self, parts: Sequence[int]) -> int:
        """Write a list of tables."""
        self.b.StartVector(4, len(parts), 4)
        for part in reversed(parts):
            self.b.PrependUOffsetTRelative(part)
        made: int = self.b.EndVector()
        return made

    def numbers(self, values: Any, dtype: Any = np.int32) -> int:
        """Write a list of numbers."""
        made: int = self.b.CreateNumpyVector(np.array(values, dtype))
        return made

    def model(self, outputs: Sequence[str]) -> bytes:
        """Write all."""
        drawing = self.drawing
        datas = [t.data for t in drawing.tensors if t.data is not None]
        buffers = [self.table("Buffer"), *map(self.buffer, datas)]
        number = iter(range(1, len(buffers)))
        tensors = [self.tensor(t, 0 if t.data is None else next(number)) for t in drawing.tensors]
        steps = [self.operator(step) for step in drawing.steps]
        graph = self.graph(tensors, steps, outputs)
        codes = [self.code(kind) for kind in self.kinds]
        lists = self.offsets(codes), self.offsets([graph] * drawing.subgraphs)
        all_buffers = self.offsets(buffers)
        root = self.table(
            "Model",
            Version=drawing.version,
            OperatorCodes=lists[0],
            Subgraphs=lists[1],
            Buffers=all_buffers,
        )
        self.b.Finish(root, b"TFL3")
        return bytes(self.b.Output())

    def graph(self, tensors: Sequence[int], steps: Sequence[int], outputs: Sequence[str]) -> int:
        """Write the graph."""
        drawing = self.drawing
        parts = {
            "Tensors": self.offsets(tensors),
            "Inputs": self.numbers([drawing.number(name) for name in drawing.inputs]),
            "Outputs": self.numbers([drawing.number(name) for name in outputs]),
            "Operators": self.offsets(steps),
        }
        return self.table("SubGraph", **parts)

    def buffer(self, data: bytes) -> int:
        """Write the data of a constant."""
        return self.table("Buffer", Data=self.numbers(np.frombuffer(data, np.uint8), np.uint8))

    def tensor(self, drawn: Drawn, buffer: int) -> int:
        """Write a tensor."""
        name, shape = self.b.CreateSharedString(drawn.name), self.numbers(drawn.shape)
        more = {}
        if drawn.scales:
            scale = self.numbers(drawn.scales, np.float32)
            zeros = [0] * len(drawn.scales) if drawn.zeros is None else drawn.zeros
            fields = {"Scale": scale, "ZeroPoint": self.numbers(zeros, np.int64)}
            fields["QuantizedDimension"] = drawn.axis
            fields |= {"DetailsType": drawn.details} if drawn.details else {}
            more["Quantization"] = self.table("QuantizationParameters", **fields)
        if drawn.sparsity is not None:
            more["Sparsity"] = drawn.sparsity(self)
        if drawn.is_variable:
            more["IsVariable"] = True
        kind = getattr(tflite.TensorType, drawn.element)
        return self.table("Tensor", Shape=shape, Type=kind, Buffer=buffer, Name=name, **more)

    def code(self, kind: str) -> int:
        """Write an op."""
        builtin, _, custom = kind.partition(" ")
        number = getattr(tflite.BuiltinOperator, builtin)
        more = {"CustomCode": self.b.CreateString(custom)} if custom else {}
        old = min(number, 127)
        fields = {"DeprecatedBuiltinCode": old, "BuiltinCode": number, "Version": 1, **more}
        return self.table("OperatorCode", **fields)

    def operator(self, step: Step) -> int:
        """Write a node."""
        fields: dict[str, Any] = {
            "OpcodeIndex": self.kinds.index(step.kind),
            "Inputs": self.numbers(step.inputs),
            "Outputs": self.numbers(step.outputs),
        }
        if step.options is not None:
            name, values = step.options
            lists = {k: self.numbers(v) for k, v in values.items() if isinstance(v, list)}
            fields["BuiltinOptions"] = self.table(name, **{**values, **lists})
            fields["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, name)
        if step.custom:
            fields["CustomOptions"] = self.numbers(np.frombuffer(step.custom, np.uint8), np.uint8)
        return self.table("Operator", **fields)


def sparse(w: Writer) -> int:
    """A matrix [4,8] in blocks of 1x4, of which rows 0 and 2 have one and row 3 has two."""
    dense = w.table("DimensionMetadata", Format=0, DenseSize=4)
    segments = w.table("Int32Vector", Values=w.numbers([0, 1, 1, 2, 4]))
    indices = w.table("Uint8Vector", Values=w.numbers([1, 0, 0, 1], np.uint8))
    fields = {"Format": 1, "ArraySegmentsType": 1, "ArraySegments": segments}
    fields |= {"ArrayIndicesType": 3, "ArrayIndices": indices}
    rows = w.table("DimensionMetadata", **fields)
    block = w.table("DimensionMetadata", Format=0, DenseSize=4)
    order, blocks = w.numbers([0, 1, 2]), w.numbers([1])
    dimensions = w.offsets([dense, rows, block])
    parts = {"TraversalOrder": order, "BlockMap": blocks, "DimMetadata": dimensions}
    return w.table("SparsityParameters", **parts)


def interpreter(content: bytes, kernels: OpResolverType = PLAIN) -> Any:
    """Return LiteRT's interpreter, with memory."""
    made = Interpreter(
        model_content=content,
        experimental_op_resolver_type=XNNPACK if MEDIAPIPE in content else kernels,
        num_threads=1,
    )
    made.allocate_tensors()
    return made


def by_litert(
    content: bytes, given: Mapping[str, Array], kernels: OpResolverType = PLAIN
) -> list[Array]:
    """The outputs, in order."""
    made = interpreter(content, kernels)
    for each in made.get_input_details():
        made.set_tensor(each["index"], given[each["name"]])
    made.invoke()
    return [made.get_tensor(each["index"]) for each in made.get_output_details()]


def imported(content: bytes, folder: Path, options: ModelOptions = AS_IT_IS) -> Graph:
    """Write a model, and import it."""
    path = folder / "net.tflite"
    path.write_bytes(content)
    graph = import_tflite(path, options).graph
    verify(graph)
    return graph


def inputs_of(drawing: Drawing, seed: int = 1) -> dict[str, Array]:
    """Draw the inputs of a model."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in drawing.inputs.items()
    }


def agree(drawing: Drawing, folder: Path, *outputs: str, tolerance: float = 1e-5) -> Graph:
    """Import the drawing, check its outputs against LiteRT, and return the graph."""
    content, given = drawing.model(*outputs), inputs_of(drawing)
    graph = imported(content, folder)
    named = {value.name: x for value, x in zip(graph.inputs, given.values(), strict=True)}
    found = run(graph, named).values()
    for ours, expected in zip(found, by_litert(content, given), strict=True):
        assert ours.shape == expected.shape
        largest = max(np.abs(expected).max(), 1)
        np.testing.assert_allclose(ours, expected, atol=tolerance * largest)
    return graph


def ops(graph: Graph) -> Counter[str]:
    """Count the ops of a graph."""
    return Counter(node.op.label for node in graph.topo())
