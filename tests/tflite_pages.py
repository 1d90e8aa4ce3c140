"""Pages of examples/ as drawings of TensorFlow Lite models, with weights from a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import Any

import numpy as np

from mbc.frontends.weights import initialise
from mbc.ir.graph import Constant, Node
from mbc.ir.op import Activated, Op
from mbc.ops import Activate, Add, Conv2d, Dense, GlobalAvgPool, Reshape, Softmax
from mbc.passes.fold_batch_norm import FoldBatchNorm
from mbc.passes.fuse_activation import FuseActivation
from mbc.passes.quantising.portable import Portable
from mbc.passmgr.passes import PassContext
from tests.example_networks import Example
from tests.tflite_models import RELU, RELU6, SAME, VALID, Array, Drawing

ACTIVATIONS: Mapping[Any, int] = {(0, inf): RELU, (0, 6): RELU6}
"""Those that clip, by their bounds."""

HWIO_TO_OHWI, HWIO_TO_IHWO = (3, 0, 1, 2), (2, 0, 1, 3)


def drawing_of(example: Example, **parameters: str) -> tuple[Drawing, str]:
    """Return the drawing of a page, and the name of its output."""
    graph = example.graph(**parameters)
    initialise(graph, 0)
    for step in (FoldBatchNorm(), FuseActivation()):
        step.run(graph, PassContext(Portable()))
    (image,) = graph.inputs
    drawing = Drawing({image.name: image.type.shape})
    names = {image.name: image.name}
    for node in graph.topo():
        names[node.result.name] = DRAWN[type(node.op)](drawing, node, names)
    (output,) = graph.outputs
    return drawing, names[output.value.name]


Names = Mapping[str, str]


def _x(node: Node, names: Names, role: str = "x") -> str:
    return names[node.view(role).value.name]


def _array(node: Node, role: str) -> Array:
    operand = node[role]
    assert isinstance(operand, Constant)
    return operand.array


def _act(node: Node) -> Mapping[str, Any]:
    act = node.op.act if isinstance(node.op, Activated | Activate) else None
    if act is None:
        return {}
    return {"FusedActivationFunction": ACTIVATIONS[act.bounds]}


def _conv(d: Drawing, node: Node, names: Names) -> str:
    op, weight = node.op, _array(node, "weight")
    assert isinstance(op, Conv2d)
    assert op.dilation == (1, 1)
    same = weight.shape[0] > 1
    given = {"Padding": SAME if same else VALID, "StrideH": op.stride[0], "StrideW": op.stride[1]}
    bias = d.constant(_array(node, "bias"), np.float32)
    if op.groups == 1:
        filters = d.constant(weight.transpose(HWIO_TO_OHWI), np.float32)
        kind, options = "CONV_2D", "Conv2DOptions"
    else:
        filters = d.constant(weight.transpose(HWIO_TO_IHWO), np.float32)
        kind, options = "DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions"
        given["DepthMultiplier"] = 1
    return d.op(kind, _x(node, names), filters, bias, options=options, **given, **_act(node))


def _dense(d: Drawing, node: Node, names: Names) -> str:
    weight = d.constant(_array(node, "weight").T, np.float32)
    bias = d.constant(_array(node, "bias"), np.float32)
    given = {"options": "FullyConnectedOptions", **_act(node)}
    return d.op("FULLY_CONNECTED", _x(node, names), weight, bias, **given)


def _add(d: Drawing, node: Node, names: Names) -> str:
    operands = _x(node, names, "a"), _x(node, names, "b")
    return d.op("ADD", *operands, options="AddOptions", **_act(node))


def _mean(d: Drawing, node: Node, names: Names) -> str:
    return d.op("MEAN", _x(node, names), d.constant([1, 2]), options="ReducerOptions")


def _reshape(d: Drawing, node: Node, names: Names) -> str:
    return d.op("RESHAPE", _x(node, names), d.constant(node.result.type.shape))


def _softmax(d: Drawing, node: Node, names: Names) -> str:
    return d.op("SOFTMAX", _x(node, names), options="SoftmaxOptions", Beta=1.0)


DRAWN: Mapping[type[Op], Callable[[Drawing, Node, Names], str]] = {
    Add: _add,
    Conv2d: _conv,
    Dense: _dense,
    GlobalAvgPool: _mean,
    Reshape: _reshape,
    Softmax: _softmax,
}
"""How ops are drawn."""
