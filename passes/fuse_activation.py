"""relu(conv(x)) = conv(x) {act=relu}, for every activation and every op that has an epilogue;
prelu(conv(x), s) = conv(x) {slope=s}, or {act=leaky_relu} where one number is the slope of all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, TypeAlias

import numpy as np

from mbc.ir.activations import LeakyRelu
from mbc.ir.elements import F32
from mbc.ir.graph import Constant, Graph, Node, Operand
from mbc.ir.op import Activated
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView
from mbc.ops import OPS
from mbc.ops.broadcast import aligned
from mbc.ops.elementwise import Activate, Prelu
from mbc.ops.linear import Conv2d, Dense
from mbc.passes.rewrite import ConstantMaker, candidate, merge, name_of, why_shared
from mbc.passmgr.passes import PassContext, PassResult, Refusal
from mbc.records import dataclass

Changed: TypeAlias = tuple[Activated, Sequence[Operand | None]]
"""The op of a producer and its operands, with what it takes over."""


@dataclass(frozen=True)
class FuseActivation:
    """Fuse activations into the epilogue of the conv2d, dense, add or avg_pool before them."""

    name: ClassVar[str] = "fuse-activation"
    tolerance: ClassVar[float] = 0.0

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Fuse every activation that alone reads its producer."""
        result, constants = PassResult(), ConstantMaker(graph)
        for node in graph.topo():
            if isinstance(node.op, Activate | Prelu):
                _visit(graph, context, node, constants, result)
        return result


def _visit(
    graph: Graph, context: PassContext, node: Node, constants: ConstantMaker, result: PassResult
) -> None:
    view = node["a" if isinstance(node.op, Prelu) else "x"]
    if not isinstance(view, ChannelView) or not view.is_plain:
        result.note("view", f"not fused: {name_of(node)} reads through a channel view", node)
        return
    producer = graph.producer(view.value)
    if producer is None or not isinstance(producer.op, Activated):
        source = "a graph input" if producer is None else f"the result of {producer.op.label}"
        result.note(
            "no-epilogue",
            f"not fused: {name_of(node)} reads {name_of(view.value)}, {source}, "
            f"not of a {_epilogues()}",
            node,
        )
        return
    changed = _changed(graph, context, producer, node, constants)
    if isinstance(changed, Refusal):
        message = f"not fused: {name_of(node)} into {name_of(producer)}, which {changed}"
        result.note(changed.reason, message, node)
        return
    merge(graph, [producer, node], *changed)
    result.did("fused", f"fused: {name_of(node)} into {name_of(producer)}", node)


def _changed(
    graph: Graph, context: PassContext, producer: Node, node: Node, constants: ConstantMaker
) -> Changed | Refusal:
    """Return the producer with what it takes over, or why it does not."""
    assert isinstance(producer.op, Activated)
    if producer.op.act is not None:
        return Refusal("activation", f"has act={producer.op.act}")
    if shared := why_shared(graph, producer.result):
        return Refusal("shared", shared)
    if isinstance(node.op, Activate):
        found: Changed | Refusal = producer.op.with_act(node.op.act), producer.operands
    else:
        found = _sloped(producer, producer.op, node, constants)
    if isinstance(found, Refusal):
        return found
    support = context.backend.supports(candidate(*found))
    return found if support else Refusal("no-kernel", f"the backend refuses: {support.reason}")


def _sloped(
    producer: Node, op: Activated, node: Node, constants: ConstantMaker
) -> Changed | Refusal:
    """Return a producer with the slopes of a prelu after it; one for all is an activation."""
    slope, type, prelu = node["b"], node.result.type, node.op
    assert isinstance(prelu, Prelu)
    if not isinstance(slope, Constant):
        return Refusal("slopes", "takes no slopes that are computed")
    if slope.type.elements == 1 and slope.data is not None and prelu.act is None:
        return op.with_act(LeakyRelu(float(slope.array.ravel()[0]))), producer.operands
    if not isinstance(op, Conv2d | Dense):
        return Refusal("slopes", "takes no slopes")
    if (element := producer.view("x").type.element) is not F32:
        return Refusal("element", f"multiplies {element}")
    if producer["slope"] is not None:
        return Refusal("slopes", "has slopes")
    shape = aligned(slope.type.shape, type.rank)
    if shape is None or any(extent != 1 for extent in shape[:-1]):
        return Refusal("slopes", "takes one slope a channel")
    if slope.type.shape != (type.channels,):
        each = partial(np.broadcast_to, shape=(type.channels,))
        vector = TensorType((type.channels,))
        slope = constants.derive(f"{slope.name}.each", vector, [slope], lambda s: each(s.ravel()))
    return op.with_act(prelu.act), producer.operands_with({"slope": slope})


def _epilogues() -> str:
    *others, last = (op.mnemonic for op in OPS if issubclass(op, Activated))
    return f"{', '.join(others)} or {last}"
