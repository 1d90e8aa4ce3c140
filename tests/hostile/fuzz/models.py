"""ONNX models, and random changes to their structure."""

from collections.abc import Callable, Sequence
from functools import cache
from random import Random
from typing import Any

import numpy as np
from onnx import AttributeProto, ModelProto, TensorProto, helper

from tests.hostile.fuzz.mutate import ODD, mutate_bytes, some
from tests.onnx_models import Drawing

NUMBERS = (0, 1, -1, 2, 3, 4, 7, 8, 9, 16, 255, 1000, 65537, 2**24, 2**31 - 1, 2**31, 2**40, 2**62)
EXTREMES = (*NUMBERS, -(2**31), -(2**63), 2**63 - 1)
REALS = (0.0, -0.0, 1.0, -1.0, 1e-45, 3.4e38, float("nan"), float("inf"), -float("inf"))
KINDS = (
    *("Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Constant", "Conv"),
    *("ConstantOfShape", "ConvTranspose", "DequantizeLinear", "DepthToSpace", "Expand", "Flatten"),
    *("Gather", "Gemm", "GlobalAveragePool", "Identity", "If", "LayerNormalization", "Loop"),
    *("MatMul", "MaxPool", "Mul", "Pad", "PRelu", "QLinearConv", "QuantizeLinear", "Range"),
    *("ReduceMean", "Reshape", "Resize", "Shape", "Slice", "Softmax", "SpaceToDepth", "Split"),
    *("Squeeze", "Tile", "Transpose", "Unsqueeze", "Where", "", "no such op"),
)

Edit = Callable[[Random, Any], None]


def mutated_model(random: Random) -> bytes:
    """A model after a few edits of its structure, or of its bytes."""
    data = random.choice(models())
    if random.random() < 0.2:
        return mutate_bytes(random, data)
    model = ModelProto.FromString(data)
    for _ in range(some(random)):
        random.choice(EDITS)(random, model)
    return bytes(model.SerializeToString())


@cache
def models() -> Sequence[bytes]:
    """What is mutated."""
    drawn = (network(), computed_shapes(), quantised(), functions())
    return [bytes(model.SerializeToString()) for model in drawn]


def network() -> Any:
    """Layers, a shuffle, a branch with a gate, and the ends of a classifier."""
    d = Drawing()
    x = d.op("BatchNormalization", d.conv("x", 8, 8, 3, pads=[1] * 4), *[d.weight(8)] * 4)
    y = d.op("Reshape", d.op("Relu", x), d.constant([1, 2, 4, 6, 6]))
    y = d.op("Reshape", d.op("Transpose", y, perm=[0, 2, 1, 3, 4]), d.constant([1, 8, 6, 6]))
    y = d.conv(y, 8, 1, 3, pads=[0, 0, 1, 1], group=8, strides=[2, 2])
    z = d.op("Pad", x, d.constant([0, 0, 1, 1, 0, 0, 0, 0]))
    z = d.op("MaxPool", z, kernel_shape=[3, 3], strides=[2, 2], auto_pad="VALID")
    y = d.op("Concat", d.op("Resize", y, "", "", d.constant([1, 8, 3, 3])), z, axis=1)
    gate = d.op("Sigmoid", d.conv(d.op("GlobalAveragePool", y), 16, 16))
    first = d.op("Split", d.op("Mul", y, gate), d.constant([8, 8]), results=2, axis=1)
    flat = d.op("Flatten", d.op("AveragePool", first, kernel_shape=[2, 2]))
    return d.model(d.op("Softmax", d.op("Gemm", flat, d.weight(32, 5), d.weight(5))))


def computed_shapes() -> Any:
    """All that makes constants and shapes; the batch is symbolic in what follows the input."""
    d = Drawing()
    batch = d.op("Gather", d.op("Shape", "x"), d.constant([0]))
    shape = d.op("Concat", batch, d.constant([8, 36]), axis=0)
    x = d.op("Reshape", "x", shape)
    zeros = d.op("ConstantOfShape", d.constant([8, 1]))
    numbers = d.op("Range", *(d.constant(number) for number in (0, 36, 1)))
    numbers = d.op("Cast", d.op("Unsqueeze", numbers, d.constant([0])), to=TensorProto.FLOAT)
    x = d.op("Add", x, d.op("Add", zeros, d.op("Expand", numbers, d.constant([8, 36]))))
    tiled = d.op("Tile", d.weight(1, 8, 1), d.constant([1, 1, 36]))
    x = d.op("Where", d.op("Less", tiled, d.constant(0, np.float32)), x, x)
    return d.model(d.op("Slice", d.op("Mul", x, tiled), *(d.constant([n]) for n in (0, 9, 2, 1))))


def quantised() -> Any:
    """Integers between floats, and an op on integers."""
    d = Drawing(opset=17)
    steps = [d.constant(0.05, np.float32), d.constant(128, np.uint8)]
    weight = d.constant(np.arange(64).reshape(8, 8, 1, 1) - 32, np.int8)
    scales, zeros = d.constant([0.01] * 8, np.float32), d.constant([0] * 8, np.int8)
    floats = d.op("DequantizeLinear", weight, scales, zeros, axis=0)
    x = d.op("QuantizeLinear", d.op("Conv", "x", floats), *steps)
    y = d.op("QLinearConv", x, *steps, weight, scales, zeros, *steps)
    y = d.op("DequantizeLinear", d.op("MaxPool", y, kernel_shape=[2, 2]), *steps)
    return d.model(d.op("DequantizeLinear", x, *steps), y)


def functions() -> Any:
    """A function that calls another one."""
    d = Drawing()
    d.nodes.append(helper.make_node("Outer", ["x"], ["y"], domain="mine"))
    model = d.model("y")
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("mine", 1)]
    for name, inner in (("Outer", "Inner"), ("Inner", "Relu")):
        body = [
            helper.make_node("Add", ["a", "a"], ["b"]),
            helper.make_node(inner, ["b"], ["c"], domain="" if inner == "Relu" else "mine"),
        ]
        model.functions.append(helper.make_function("mine", name, ["a"], ["c"], body, opsets))
    model.opset_import.append(helper.make_opsetid("mine", 1))
    return model


# ---- edits -----------------------------------------------------------------------------------


def names(model: Any) -> list[str]:
    graph = model.graph
    found = [value.name for value in (*graph.input, *graph.output, *graph.initializer)]
    return [*found, *(name for node in graph.node for name in (*node.input, *node.output))]


def nodes(model: Any) -> list[Any]:
    inner = [node for function in model.functions for node in function.node]
    return [*model.graph.node, *inner]


def rewire(random: Random, model: Any) -> None:
    """Have a node read, or make, another value: cycles, duplicates, other shapes."""
    node = random.choice(nodes(model))
    side = random.choice((node.input, node.input, node.output))
    if side:
        side[random.randrange(len(side))] = random.choice((*names(model), "", "nowhere"))


def drop(random: Random, model: Any) -> None:
    graph = model.graph
    part = random.choice((graph.node, graph.initializer, graph.input, graph.output))
    if part:
        del part[random.randrange(len(part))]


def repeat(random: Random, model: Any) -> None:
    graph = model.graph
    part = random.choice((graph.node, graph.initializer, graph.input, graph.output))
    if part:
        part.add().CopyFrom(random.choice([*part]))


def rename(random: Random, model: Any) -> None:
    """A value wherever it stands, to something odd."""
    old = random.choice(names(model))
    new = random.choice((old + random.choice(ODD.replace("\ud800", "")), "a,b", "../x", "x" * 9999))
    for node in nodes(model):
        for side in (node.input, node.output):
            side[:] = [new if name == old else name for name in side]
    graph = model.graph
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = new if value.name == old else value.name


def change_op(random: Random, model: Any) -> None:
    node = random.choice(nodes(model))
    node.op_type = random.choice(KINDS)
    if random.random() < 0.1:
        node.domain = random.choice(("", "ai.onnx", "com.microsoft", "mine", "ai.onnx.ml"))


def change_operands(random: Random, model: Any) -> None:
    node = random.choice(nodes(model))
    if random.random() < 0.5 and node.input:
        node.input.pop()
    else:
        node.input.append(random.choice(names(model)))


def change_attribute(random: Random, model: Any) -> None:
    """To another number, length, type or name."""
    found = [attribute for node in nodes(model) for attribute in node.attribute]
    attribute = random.choice(found or [AttributeProto()])
    match random.randrange(5):
        case 0:
            attribute.i = random.choice(EXTREMES)
        case 1 if attribute.ints:
            attribute.ints[random.randrange(len(attribute.ints))] = random.choice(EXTREMES)
        case 2:
            attribute.ints.extend([1] * random.choice((1, 2, 100)))
        case 3:
            attribute.type = random.randrange(15)
        case _:
            attribute.name = random.choice(("axis", "group", "perm", "pads", "value", "", "axis\0"))


def add_attribute(random: Random, model: Any) -> None:
    value = random.choice((-1, 2**40, 1.5, [1], [-5, 2**62, 3, 1], "SAME_UPPER", "nonsense"))
    name = random.choice(("axis", "group", "auto_pad", "pads", "ceil_mode", "alpha", "perm"))
    random.choice(nodes(model)).attribute.append(helper.make_attribute(name, value))


def nest(random: Random, model: Any) -> None:
    """Graphs in graphs, as deep as the format is read, or deeper."""
    node = random.choice(nodes(model))
    for _ in range(random.choice((1, 3, 20, 60))):
        outer = helper.make_node("If", [*node.input], [*node.output])
        attribute = outer.attribute.add(name="then_branch", type=AttributeProto.GRAPH)
        attribute.g.node.add().CopyFrom(node)
        node.CopyFrom(outer)


def call(random: Random, model: Any) -> None:
    """A function where a node was, maybe in itself."""
    if model.functions:
        node, called = random.choice(nodes(model)), random.choice([*model.functions])
        node.op_type, node.domain = called.name, called.domain


def resize(random: Random, model: Any) -> None:
    """The shape of an input, or of a constant."""
    if random.random() < 0.5 and model.graph.input:
        dims = random.choice([*model.graph.input]).type.tensor_type.shape.dim
        dim = random.choice([*dims] or [dims.add()])
        if random.random() < 0.3:
            dim.dim_param = random.choice(("", "n", "ß"))
        else:
            dim.dim_value = random.choice(EXTREMES)
    elif model.graph.initializer:
        tensor = random.choice([*model.graph.initializer])
        if tensor.dims and random.random() < 0.7:
            tensor.dims[random.randrange(len(tensor.dims))] = random.choice(EXTREMES)
        else:
            tensor.dims.append(random.choice(EXTREMES))


def change_type(random: Random, model: Any) -> None:
    graph = model.graph
    if random.random() < 0.5 and graph.initializer:
        random.choice([*graph.initializer]).data_type = random.randrange(-1, 30)
    elif graph.input:
        value = random.choice([*graph.input])
        value.type.tensor_type.elem_type = random.randrange(0, 30)
        if random.random() < 0.2:
            value.ClearField("type")


def change_numbers(random: Random, model: Any) -> None:
    """In a constant: shapes, axes and bounds become extreme."""
    if not model.graph.initializer:
        return
    tensor = random.choice([*model.graph.initializer])
    dtype, values = ("<i8", EXTREMES) if tensor.data_type == TensorProto.INT64 else ("<f4", REALS)
    size = np.dtype(dtype).itemsize
    data = np.frombuffer(tensor.raw_data[: len(tensor.raw_data) // size * size], dtype).copy()
    if data.size:
        data[random.randrange(data.size)] = random.choice(values)
        tensor.raw_data = data.tobytes()
    if random.random() < 0.2:
        tensor.raw_data = tensor.raw_data[: random.randrange(len(tensor.raw_data) + 1)]


def point_outside(random: Random, model: Any) -> None:
    """Data in another file, or in a part of one."""
    if model.graph.initializer:
        tensor = random.choice([*model.graph.initializer])
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        places = ("net.onnx", "/etc/passwd", "../../secret", "/dev/zero", "", "nowhere", ".")
        tensor.external_data.add(key="location", value=random.choice(places))
        if random.random() < 0.5:
            tensor.external_data.add(key="offset", value=str(random.choice(EXTREMES)))
        if random.random() < 0.5:
            tensor.external_data.add(key="length", value=str(random.choice(EXTREMES)))


def change_version(random: Random, model: Any) -> None:
    if random.random() < 0.3:
        model.ir_version = random.choice((0, 1, 3, 4, 13, -1, 2**62))
    for entry in model.opset_import:
        entry.version = random.choice((7, 9, 10, 11, 12, 13, 17, 19, 21, 24, 1, 0, -3, 2**62))


EDITS: Sequence[Edit] = (
    *[rewire] * 3,
    *[change_numbers] * 3,
    *[change_attribute] * 3,
    *[resize] * 2,
    *[change_op] * 2,
    drop,
    repeat,
    rename,
    change_operands,
    add_attribute,
    nest,
    call,
    change_type,
    point_outside,
    change_version,
)
