"""Arithmetic with constants as part of the layer before or after it.

conv(x, w, b) * s + t = conv(x, w * s, b * s + t), with s and t for each output channel.
conv(x * s + t, w, b) = conv(x, s * w, b + t w), with s and t for each input channel; a shift only
where the layer reads no padding.

Weights are computed in float64 and rounded once for each node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from mbc.ir.elements import F32
from mbc.ir.graph import Constant, Graph, Node
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView
from mbc.ops.broadcast import aligned
from mbc.ops.elementwise import Add, Arithmetic, Div, Mul, Sub
from mbc.ops.linear import Conv2d, Dense
from mbc.passes.rewrite import ConstantMaker, merge, name_of, why_shared
from mbc.passmgr.passes import ACCEPTED, PassContext, PassResult, Refusal
from mbc.records import dataclass

SCALED = ("x", "weight", "bias")
"""The operands of a layer whose results may be scaled."""
READING = (*SCALED, "residual")
"""The operands of a layer whose input may be scaled."""

Array: TypeAlias = npt.NDArray[np.float64]
Numbers: TypeAlias = Callable[[Array], Array]


@dataclass(frozen=True)
class Affine:
    """A node that computes scale * x + shift, both for each channel and from one constant."""

    node: Node
    """The node."""
    x: ChannelView
    """What it reads."""
    constant: Constant
    """Its constant: a number for each channel, or one for all."""
    scale: Numbers | None = None
    """From the constant to the scale; None: 1."""
    shift: Numbers | None = None
    """From the constant to the shift; None: 0."""

    def scales(self, constant: np.ndarray) -> Array:
        """Return the scale of each channel."""
        return self._each(self.scale, 1.0, constant)

    def shifts(self, constant: np.ndarray) -> Array:
        """Return the shift of each channel."""
        return self._each(self.shift, 0.0, constant)

    def _each(self, numbers: Numbers | None, default: float, constant: np.ndarray) -> Array:
        found = numbers(constant.astype(np.float64).ravel()) if numbers else np.array(default)
        return np.broadcast_to(found, (self.x.type.channels,))


@dataclass(frozen=True)
class FoldAffine:
    """Fold arithmetic with constants into the conv2d or dense before or after it."""

    name: ClassVar[str] = "fold-affine"
    tolerance: ClassVar[float] = 1e-4

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Fold into the layers before, then what is left into those after."""
        result = PassResult()
        constants = ConstantMaker(graph)
        for node in graph.topo():
            if affine := affine_of(node):
                _fold_back(graph, affine, constants, result)
        for node in reversed(graph.topo()):
            if affine := affine_of(node):
                _fold_forward(graph, affine, constants, result)
        return result


def affine_of(node: Node) -> Affine | None:
    """Return arithmetic with a constant for each channel as a scale and a shift."""
    if not isinstance(node.op, Arithmetic):
        return None
    match node["a"], node["b"]:
        case ChannelView() as x, Constant() as c:
            first = True
        case Constant() as c, ChannelView() as x:
            first = False
        case _:
            return None
    return _affine(node, x, c, first) if _covers(node, x, c) else None


def _covers(node: Node, x: ChannelView, constant: Constant) -> bool:
    shape = aligned(constant.type.shape, x.type.rank)
    along_channels = shape is not None and all(extent == 1 for extent in shape[:-1])
    return x.type == node.result.type and x.type.element is F32 and along_channels


def _affine(node: Node, x: ChannelView, constant: Constant, first: bool) -> Affine | None:
    match node.op:
        case Add():
            return Affine(node, x, constant, shift=lambda c: c)
        case Mul():
            return Affine(node, x, constant, scale=lambda c: c)
        case Sub() if first:
            return Affine(node, x, constant, shift=lambda c: -c)
        case Sub():
            return Affine(node, x, constant, scale=lambda c: -np.ones(1), shift=lambda c: c)
        case Div() if first and constant.data is not None and np.all(constant.data):
            return Affine(node, x, constant, scale=lambda c: 1 / c)
    return None


def _fold_back(graph: Graph, affine: Affine, constants: ConstantMaker, result: PassResult) -> None:
    node, op = affine.node, affine.node.op
    layer = graph.producer(affine.x.value) if affine.x.is_plain else None
    if layer is None or not isinstance(layer.op, Conv2d | Dense):
        return
    assert isinstance(op, Arithmetic)
    activated = "" if layer.op.act is None else f"has act={layer.op.act}"
    shared = Refusal("shared", why_shared(graph, layer.result))
    if refusal := Refusal("activation", activated) or _refusal(layer, SCALED) or shared:
        _note(result, refusal, node, layer)
        return
    operands = layer.operands_with(_changes(affine, layer, constants, after=False))
    merge(graph, [layer, node], layer.op.with_act(op.act), operands)
    result.did("into-before", f"folded: {name_of(node)} into {name_of(layer)} before it", node)


def _fold_forward(
    graph: Graph, affine: Affine, constants: ConstantMaker, result: PassResult
) -> None:
    node, op, layer = affine.node, affine.node.op, graph.single_user(affine.node.result)
    if layer is None or not isinstance(layer.op, Conv2d | Dense):
        return
    assert isinstance(op, Arithmetic)
    activated = "" if op.act is None else f"reads act={op.act} of it"
    taken = Refusal("activation", activated) or _refusal(layer, READING)
    if refusal := taken or _why_not_read(affine, layer):
        _note(result, refusal, node, layer)
        return
    changes = _changes(affine, layer, constants, after=True)
    merge(graph, [node, layer], layer.op, layer.operands_with({"x": affine.x, **changes}))
    result.did("into-after", f"folded: {name_of(node)} into {name_of(layer)} after it", node)


def _note(result: PassResult, refusal: Refusal, node: Node, layer: Node) -> None:
    message = f"not folded: {name_of(node)} into {name_of(layer)}, which {refusal}"
    result.note(refusal.reason, message, node)


def _refusal(layer: Node, covered: tuple[str, ...]) -> Refusal:
    """Return why the weights of a layer take no scale or shift, if they do not."""
    if (element := layer.view("x").type.element) is not F32:
        return Refusal("element", f"multiplies {element}")
    others = [role for role, operand in layer.items() if operand and role not in covered]
    return Refusal("operand", f"has an operand '{others[0]}'") if others else ACCEPTED


def _why_not_read(affine: Affine, layer: Node) -> Refusal:
    if not layer.view("x").is_plain:
        return Refusal("view", "reads through a channel view")
    padded = isinstance(layer.op, Conv2d) and any(layer.op.pad)
    return Refusal("padding", "pads what is shifted") if affine.shift and padded else ACCEPTED


def _changes(
    affine: Affine, layer: Node, constants: ConstantMaker, *, after: bool
) -> dict[str, Constant]:
    """Derive the constants of a layer after or before a node that it takes over."""
    weight, bias, c = layer.constant("weight"), layer.constant("bias"), affine.constant
    assert weight is not None
    groups, changes = layer.op.channel_groups, {}

    def scaled(w: np.ndarray, c: np.ndarray) -> Array:
        scale = affine.scales(c)
        scaled: Array = w * (of_inputs(scale, w, groups) if after else scale)
        return scaled

    def shifted(w: np.ndarray, c: np.ndarray, b: np.ndarray | float = 0.0) -> Array:
        shift = affine.shifts(c)
        if after:
            shift = (w * of_inputs(shift, w, groups)).sum(tuple(range(w.ndim - 1)))
        return b * (1.0 if after else affine.scales(c)) + shift

    if affine.scale:
        name = f"{weight.name}.scaled"
        changes["weight"] = constants.derive(name, weight.type, [weight, c], scaled)
    if affine.shift or (bias and not after):
        name = bias.name if bias else f"{weight.name.partition('.weight')[0]}.bias"
        inputs, type = [weight, c, *([bias] if bias else [])], TensorType((weight.type.channels,))
        changes["bias"] = constants.derive(f"{name}.shifted", type, inputs, shifted)
    return changes


def of_inputs(numbers: Array, weight: np.ndarray, groups: int) -> Array:
    """Arrange a number for each input channel as the last two axes of a weight, [i/g,o]."""
    per_group, outputs = weight.shape[-2:]
    return np.repeat(numbers.reshape(groups, per_group).T, outputs // groups, axis=1)
