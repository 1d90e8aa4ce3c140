"""What an op becomes in a quantised network."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from mbc.ir.activations import Activation, Clip
from mbc.ir.elements import F32
from mbc.ir.graph import Constant, Node
from mbc.ir.op import Activated, Op, OpError
from mbc.ops import (
    Activate,
    Add,
    ArgMax,
    AvgPool,
    BatchNorm,
    ChannelShuffle,
    Concat,
    ConcatAlong,
    Conv2d,
    Dense,
    DepthToSpace,
    Dequantize,
    Div,
    Fused,
    Gather,
    GlobalAvgPool,
    InstanceNorm,
    L2Normalize,
    LayerNorm,
    LogSoftmax,
    Lookup,
    Lrn,
    MatMul,
    Max,
    MaxPool,
    Min,
    Mul,
    Pad,
    Prelu,
    Quantize,
    ReduceMax,
    ReduceMean,
    ReduceSum,
    Requantize,
    Reshape,
    Resize,
    Slice,
    Softmax,
    SpaceToDepth,
    Split,
    Sub,
    Transpose,
    TransposedConv,
)
from mbc.ops.elementwise import Arithmetic
from mbc.ops.quantized import LARGEST_CODE, LARGEST_WEIGHT, MAX_SUM, check_sum
from mbc.ops.unary import UNARY, Unary
from mbc.passmgr.passes import ACCEPTED, Refusal


class Form(StrEnum):
    """How a node of a quantised network computes."""

    MOVES = "moves codes"
    INTEGER = "integer"
    ISLAND = "island"


FORMS: dict[type[Op], Form] = {
    **dict.fromkeys((Conv2d, Dense, AvgPool, GlobalAvgPool), Form.INTEGER),
    **dict.fromkeys((Add, Sub, Mul, Min, Max, ReduceMean, ReduceSum, Resize), Form.INTEGER),
    **dict.fromkeys((Quantize, Dequantize, Requantize, Lookup), Form.INTEGER),
    **dict.fromkeys((MaxPool, Activate, ReduceMax, Pad), Form.MOVES),
    **dict.fromkeys((Concat, Split, ChannelShuffle, Reshape, Transpose), Form.MOVES),
    **dict.fromkeys((Slice, ConcatAlong, Gather, DepthToSpace, SpaceToDepth), Form.MOVES),
    **dict.fromkeys((TransposedConv, BatchNorm, Softmax, LogSoftmax, LayerNorm), Form.ISLAND),
    **dict.fromkeys((Div, Prelu, ArgMax), Form.ISLAND),
    **dict.fromkeys((L2Normalize, InstanceNorm, Lrn, MatMul, Fused), Form.ISLAND),
    **dict.fromkeys(UNARY, Form.INTEGER),
}
"""The form of each op, whatever its operands; `form_of` says where these prevent it, and what
becomes of activations that are no clips, and of arithmetic with one number."""


def form_of_activation(kind: type[Activation]) -> Form:
    """Return the form of an activation as an op: bounds of codes, or a table of them."""
    return Form.MOVES if kind is Clip else Form.INTEGER


def form_of(node: Node) -> Form:
    """Return the form of a float node: that of its op, or an island where integers cannot do it."""
    if why_island(node):
        return Form.ISLAND
    if is_function(node):
        return Form.INTEGER
    if isinstance(node.op, Resize) and node.op.mode == "nearest":
        return Form.MOVES
    return FORMS[type(node.op)]


def is_function(node: Node) -> bool:
    """Return whether each element of the result is a function of one element that is read, by which
    a table of all codes can be made."""
    match node.op:
        case Activate(act=act):
            return act.bounds is None
        case Unary():
            return True
        case Arithmetic():
            known = [c for c in node.operands if isinstance(c, Constant)]
            shapes = [view.type.shape for view in node.views]
            return any(c.type.elements == 1 for c in known) and shapes == [node.result.type.shape]
    return False


def why_island(node: Node) -> Refusal:
    """Return why a node computes in float, if it does."""
    if FORMS[type(node.op)] is Form.ISLAND and not is_function(node):
        return Refusal("no-form", f"{node.op.label} has no integer form")
    others = [t for t in (*node.operand_types, *(r.type for r in node.results)) if t is not None]
    if element := next((t.element for t in others if t.element is not F32), None):
        return Refusal("element", f"it computes with {element}")
    if is_function(node):
        return ACCEPTED
    if not _clips(act := _act(node)):
        return Refusal("activation", f"codes are not bounded by {act}")
    return _REASONS.get(type(node.op), _no_reason)(node)


def _act(node: Node) -> Activation | None:
    return node.op.act if isinstance(node.op, Activated) else None


def _clips(act: Activation | None) -> bool:
    return act is None or act.bounds is not None


def _no_reason(node: Node) -> Refusal:
    return ACCEPTED


def _of_layer(node: Node) -> Refusal:
    weight = node.type_of("weight")
    assert weight is not None
    if node["slope"] is not None:
        return Refusal("slopes", "it has slopes")
    try:
        check_sum(node.op.label, weight.elements // weight.channels, LARGEST_CODE * LARGEST_WEIGHT)
    except OpError as problem:
        return Refusal("large-sums", problem.message)
    return ACCEPTED


def _of_arithmetic(node: Node) -> Refusal:
    constants = any(isinstance(operand, Constant) for operand in node.operands)
    text = "it has a constant of several numbers"
    return Refusal("constant", text) if constants else ACCEPTED


def _of_mean(node: Node) -> Refusal:
    x = node.view("x").type
    terms = x.elements // (node.result.type.elements if x.elements else 1)
    if isinstance(node.op, AvgPool):
        terms = node.op.kernel[0] * node.op.kernel[1]
    if terms * LARGEST_CODE <= MAX_SUM:
        return ACCEPTED
    return Refusal("large-sums", f"it adds {terms:,} terms")


_REASONS: dict[type[Op], Callable[[Node], Refusal]] = {
    **dict.fromkeys((Conv2d, Dense), _of_layer),
    **dict.fromkeys((Add, Sub, Mul, Min, Max), _of_arithmetic),
    **dict.fromkeys((AvgPool, GlobalAvgPool, ReduceMean, ReduceSum), _of_mean),
}
