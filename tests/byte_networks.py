"""Small networks that take bytes, and what numpy makes of these."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mbc.ir.activations import RELU
from mbc.ir.graph import Constant, Graph
from mbc.ir.types import TensorType
from mbc.ir.verify import verify
from mbc.ir.views import Value
from mbc.ops import (
    Add,
    Conv2d,
    Dense,
    MaxPool,
    Mul,
    Softmax,
    Sub,
    Transpose,
)
from mbc.passes.byte_inputs import Numbers, read_bytes
from mbc.runtime.abi import INPUT_LAYOUT, PLANAR
from mbc.runtime.normalisation import Normalisation
from mbc.runtime.preprocessing import PRESETS

IMAGENET, TF = PRESETS["torch"].normalisation, PRESETS["tf"].normalisation
RAW, UNIT = PRESETS["raw"].normalisation, PRESETS["unit"].normalisation
KINDS = {"imagenet": IMAGENET, "tf": TF, "raw": RAW, "unit": UNIT}

Layer = Callable[[Graph, Value], Value]


def constant(graph: Graph, *shape: int) -> Constant:
    count = len(graph.constants())
    data = np.random.default_rng(count).normal(0, 1 / np.sqrt(np.prod(shape[:-1])), shape)
    return Constant.of(f"c{count}", data)


def conv(pad: int, groups: int = 1, *, bias: bool = True) -> Layer:
    def layer(graph: Graph, x: Value) -> Value:
        channels = x.type.channels
        weight = constant(graph, 3, 3, channels // groups, 6)
        op = Conv2d(stride=(2, 1), pad=(pad, pad, pad, 0), groups=groups, act=RELU)
        made = graph.add(op, [x, weight])
        if bias:
            vector = Constant.of("bias", np.linspace(-1, 1, 6))
            graph.set_operands(made, [*made.operands, vector])
        return graph.add(Conv2d(), [made.result, constant(graph, 1, 1, 6, 5)]).result

    return layer


def pooled(graph: Graph, x: Value) -> Value:
    pool = graph.add(MaxPool(kernel=(2, 2), stride=(1, 1)), [x]).result
    return graph.add(Conv2d(), [pool, constant(graph, 1, 1, 3, 4)]).result


def scaled(graph: Graph, x: Value) -> Value:
    """Arithmetic of the network itself, as normalisation would be."""
    shifted = graph.add(Sub(), [x, constant(graph, 3)]).result
    made = graph.add(Mul(), [shifted, constant(graph, 3)]).result
    return conv(1)(graph, made)


def dense(graph: Graph, x: Value) -> Value:
    return graph.add(Dense(), [x, constant(graph, 3, 9)]).result


def several(graph: Graph, x: Value) -> Value:
    """A layer that can read bytes, one that cannot, and what is computed in float."""
    folded = graph.add(Conv2d(), [x, constant(graph, 1, 1, 3, 3)]).result
    padded = graph.add(Conv2d(pad=(1, 1, 1, 1)), [x, constant(graph, 3, 3, 3, 3)]).result
    soft = graph.add(Softmax(), [x]).result
    both = graph.add(Add(), [folded, padded]).result
    return graph.add(Add(), [both, soft]).result


NETWORKS: dict[str, tuple[tuple[int, ...], Layer]] = {
    "unpadded": ((2, 7, 9, 3), conv(0)),
    "without-bias": ((1, 7, 5, 3), conv(0, bias=False)),
    "padded": ((1, 7, 9, 3), conv(1)),
    "depthwise": ((1, 6, 5, 3), conv(0, 3)),
    "scaled": ((1, 5, 4, 3), scaled),
    "pooled": ((1, 5, 6, 3), pooled),
    "dense": ((4, 3), dense),
    "several": ((1, 5, 5, 3), several),
    "nothing": ((1, 2, 2, 3), lambda graph, x: x),
}


def network(name: str, *, planar: bool = False) -> Graph:
    """A float network, whose channels come first if it is planar."""
    shape, layer = NETWORKS[name]
    graph = Graph("net", {INPUT_LAYOUT: PLANAR} if planar else None)
    if planar:
        n, h, w, c = shape
        x = graph.add_input("x", TensorType((n, c, h, w)))
        x = graph.add(Transpose((0, 2, 3, 1)), [x], names=["image"]).result
    else:
        x = graph.add_input("x", TensorType(shape))
    graph.set_outputs([layer(graph, x)])
    return graph


def on_bytes(graph: Graph, how: Normalisation) -> Graph:
    copy = graph.clone()
    read_bytes(copy, copy.inputs[0], Numbers.of(how.centres, how.factors))
    verify(copy)
    return copy


def photo(graph: Graph, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, graph.inputs[0].type.shape, np.uint8)


def numbers(graph: Graph, bytes: np.ndarray, how: Normalisation) -> np.ndarray:
    """What the bytes stand for, in the order of operations of `normalise`."""
    planar = graph.meta.get(INPUT_LAYOUT) == PLANAR
    mean, std = (np.array(each, np.float32) for each in (how.mean, how.std))
    image = bytes.transpose(0, 2, 3, 1) if planar else bytes
    made: np.ndarray = (image.astype(np.float32) / np.float32(how.range) - mean) / std
    return np.ascontiguousarray(made.transpose(0, 3, 1, 2)) if planar else made
