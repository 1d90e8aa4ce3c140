"""Models that are broken or hostile, with the codes of the errors that say so."""

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from tests.onnx_models import Drawing

Break = Callable[[Drawing], Any]


def good(d: Drawing) -> Any:
    return d.model(d.op("Relu", d.conv("x", 4, 8)))


# Each breaks a model in one way.


def cut_off(d: Drawing) -> Any:
    return good(d).SerializeToString()[:-40]


def empty(d: Drawing) -> Any:
    return b""


def text(d: Drawing) -> Any:
    return b"<!DOCTYPE html><html>not found</html>"


def cycle(d: Drawing) -> Any:
    model = good(d)
    model.graph.node[0].input[0] = model.graph.node[1].output[0]
    return model


def twice(d: Drawing) -> Any:
    model = good(d)
    model.graph.node[1].output[0] = model.graph.node[0].output[0]
    return model


def missing(d: Drawing) -> Any:
    model = good(d)
    del model.graph.initializer[0]
    return model


def no_output(d: Drawing) -> Any:
    return d.model()


def huge(d: Drawing) -> Any:
    d.inputs = {"x": (1, 8, 2**20, 2**20)}
    return good(d)


def overflowing(d: Drawing) -> Any:
    d.inputs = {"x": (2**40, 8, 2**40, 2**40)}
    return good(d)


def bomb(d: Drawing) -> Any:
    zeros = d.op("ConstantOfShape", d.constant([2**20, 8, 1, 1]))
    return d.model(d.op("Conv", "x", d.op("Expand", zeros, d.constant([2**20, 8, 512, 512]))))


def short_tensor(d: Drawing) -> Any:
    model = good(d)
    model.graph.initializer[0].raw_data = b"\0\0\0\0"
    return model


def wrong_channels(d: Drawing) -> Any:
    return d.model(d.conv("x", 4, 5))


def out_of_bounds(d: Drawing) -> Any:
    return d.model(d.op("Gather", "x", d.constant([99]), axis=1))


def opset_99(d: Drawing) -> Any:
    d.opset = 99
    return good(d)


def opset_1(d: Drawing) -> Any:
    d.opset = 1
    return good(d)


def no_opset(d: Drawing) -> Any:
    model = good(d)
    del model.opset_import[:]
    return model


def integers(d: Drawing) -> Any:
    model = good(d)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    return model


def unknown_type(d: Drawing) -> Any:
    model = good(d)
    model.graph.input[0].type.tensor_type.elem_type = 75
    return model


def laughs(d: Drawing, calls: int = 2, depth: int = 30) -> Any:
    """A function that calls another one twice, which calls another one twice, and so on."""
    d.nodes.append(helper.make_node("f0", ["x"], ["y"], domain="mine"))
    model = d.model("y")
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("mine", 1)]
    for number in range(depth):
        kind = ("Relu", "") if number == depth - 1 else (f"f{number + 1}", "mine")
        body = [
            helper.make_node(kind[0], [f"v{i}"], [f"v{i + 1}"], domain=kind[1])
            for i in range(calls)
        ]
        ends = ["v0"], [f"v{calls}"]
        model.functions.append(helper.make_function("mine", f"f{number}", *ends, body, opsets))
    model.opset_import.append(helper.make_opsetid("mine", 1))
    return model


def deep_calls(d: Drawing) -> Any:
    return laughs(d, 1, 500)


def recursion(d: Drawing) -> Any:
    model = laughs(d, 1, 3)
    model.functions[-1].node[0].op_type, model.functions[-1].node[0].domain = "f0", "mine"
    return model


def nested_graphs(d: Drawing) -> Any:
    """Deeper than protobuf reads: graphs in attributes of nodes of graphs."""
    graph = b""
    for _ in range(200):
        for field in (6, 5, 1):  # g of an attribute of a node
            graph = bytes([field << 3 | 2]) + _length(len(graph)) + graph
    return good(d).SerializeToString() + bytes([7 << 3 | 2]) + _length(len(graph)) + graph


def _length(number: int) -> bytes:
    return bytes([number & 127 | 128, number >> 7 & 127 | 128, number >> 14])


def many_nodes(d: Drawing) -> Any:
    d.nodes = [helper.make_node("Relu", [f"v{i}"], [f"v{i + 1}"]) for i in range(2**15 + 1)]
    d.inputs = {"v0": (1, 8)}
    return d.model(f"v{2**15 + 1}")


def without_operands(d: Drawing) -> Any:
    return d.model(d.op("Expand", "x", d.op("Shape")))


def unfit_slopes(d: Drawing) -> Any:
    """Which shape inference does not notice."""
    return d.model(d.op("PRelu", "x", d.weight(3, 5)))


def unfit_scale(d: Drawing) -> Any:
    return d.model(d.op("LayerNormalization", "x", d.weight(2, 2)))


def infinite_range(d: Drawing) -> Any:
    steps = d.constant(1e38, np.float32), d.constant(0, np.uint8)
    return d.model(d.op("DequantizeLinear", d.op("QuantizeLinear", "x", *steps), *steps))


def many_outputs(d: Drawing) -> Any:
    return d.model(*(d.op("Relu", "x") for _ in range(300)))


def tiled(d: Drawing) -> Any:
    return d.model(
        d.op("Add", "x", d.op("Tile", d.weight(1, 8, 1, 1), d.constant([9**9, 1, 1, 1])))
    )


def long_range(d: Drawing) -> Any:
    """Shape inference would list its elements, as there is a Shape in the model."""
    numbers = d.op("Range", *(d.constant(number) for number in (0, 2**60, 1)))
    shape = d.op("Concat", d.op("Shape", "x"), d.op("Add", numbers, d.constant(1)), axis=0)
    return d.model(d.op("Reshape", "x", shape))


def long_fill(d: Drawing) -> Any:
    """Whose length only following the elements of shapes tells."""
    length = d.op("Mul", d.op("Gather", d.op("Shape", "x"), d.constant([1])), d.constant([2**50]))
    numbers = d.op("Add", d.op("ConstantOfShape", length), d.constant(1))
    return d.model(d.op("Reshape", "x", numbers))


def long_input(d: Drawing) -> Any:
    d.inputs = {"x": (2**26,)}
    sums = d.op("Add", d.op("Cast", "x", to=TensorProto.INT64), d.op("Shape", "x"))
    return d.model(d.op("Expand", "x", sums))


def doublings(d: Drawing) -> Any:
    shape = d.op("Shape", "x")
    for _ in range(40):
        shape = d.op("Concat", shape, shape, axis=0)
    return d.model(d.op("Expand", "x", shape))


def filled(d: Drawing) -> Any:
    return d.model(d.op("Add", "x", d.op("ConstantOfShape", d.constant([2**40, 8, 6, 6]))))


def padded(d: Drawing) -> Any:
    return d.model(d.op("Pad", "x", d.constant([0, 0, 2**40, 0, 0, 0, 0, 0])))


def resized(d: Drawing) -> Any:
    return d.model(d.op("Resize", "x", "", "", d.constant([1, 8, 2**33, 2**33])))


BROKEN: tuple[tuple[Break, str], ...] = (
    (cut_off, "E0801"),
    (empty, "E0801"),
    (text, "E0801"),
    (cycle, "E0806"),
    (twice, "E0806"),
    (missing, "E0806"),
    (no_output, "E0806"),
    (huge, "E0807"),
    (overflowing, "E0807"),
    (bomb, "E0807"),
    (short_tensor, "E0806"),
    (wrong_channels, "E0802"),
    (out_of_bounds, "E0802"),
    (opset_99, "E0803"),
    (opset_1, "E0803"),
    (no_opset, "E0803"),
    (integers, "E0802"),
    (unknown_type, "E0802"),
    (laughs, "E0807"),
    (deep_calls, "E0807"),
    (recursion, "E0806"),
    (nested_graphs, "E0801"),
    (many_nodes, "E0807"),
    (many_outputs, "E0807"),
    (unfit_slopes, "E0802"),
    (unfit_scale, "E0802"),
    (infinite_range, "E0802"),
    (without_operands, "E0806"),
    (tiled, "E0807"),
    (long_range, "E0807"),
    (long_fill, "E0807"),
    (long_input, "E0807"),
    (doublings, "E0807"),
    (filled, "E0807"),
    (padded, "E0807"),
    (resized, "E0807"),
)
