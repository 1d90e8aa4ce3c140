"""Nodes as matrix products: pointwise, dense, other convolutions, and depthwise + pointwise."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from mbc.backends.tvm.gpu.draft import Draft
from mbc.backends.tvm.gpu.gemm import Epilogue, Gemm, SourceA
from mbc.backends.tvm.gpu.gemm_kernels import gemm_kernel
from mbc.backends.tvm.gpu.launch import NodeKernel
from mbc.backends.tvm.gpu.pack import packed_bias, packed_weight
from mbc.backends.tvm.gpu.reader import LANES, reader_of
from mbc.backends.tvm.gpu.schedule import Product, chosen, tiles_for
from mbc.backends.tvm.gpu.sources import Depthwise, Patches, Pixels, Window
from mbc.ir.activations import Activation
from mbc.ir.graph import Constant, Node
from mbc.ir.permute import Reindex, absorbed
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelMap, ChannelView, Value
from mbc.ops import Conv2d, Dense, Fused
from mbc.ops.linear import is_depthwise, is_pointwise
from mbc.records import dataclass
from mbc.schedules import ThreadTile
from mbc.targets.gpu import Gpu

MOST_TAPS = 49  # taps of a fused depthwise convolution, which are unrolled in the fetch


@dataclass(frozen=True)
class WeightedLayer:
    """A layer that multiplies by weights, of any op."""

    x: ChannelView
    """The operand, in the order in which it is read."""
    weight: np.ndarray
    """Weights [taps, depth of a group, channels], rows in the order of `x`."""
    bias: np.ndarray | None
    """Bias [channels]."""
    residual: ChannelView | None
    """Operand that is added to the sums."""
    groups: int
    """Groups of channels."""
    act: Activation | None
    """Activation, applied last."""
    out: Value
    """The result."""

    @property
    def depth(self) -> int:
        """Input channels of a group."""
        return int(self.weight.shape[1])

    @property
    def columns(self) -> int:
        """Output channels of a group."""
        return int(self.weight.shape[2]) // self.groups

    @property
    def rows(self) -> int:
        """Output pixels of all images."""
        return prod(self.out.type.shape[:-1])


def layer_of(node: Node) -> WeightedLayer:
    """Convert a convolution or dense layer.

    Its operand is read in memory order as far as the groups allow: the order of the view is
    absorbed by that of the weights' rows.
    """
    op, weight = node.op, weight_of(node)
    assert isinstance(op, Conv2d | Dense)
    groups = op.channel_groups
    x, rows = absorbed(node.view("x"), groups)
    taps = weight.array.reshape(-1, *weight.type.shape[-2:])
    array = Reindex(ChannelMap.identity(weight.type.channels), rows)(taps)
    bias, residual = vector(node, "bias"), residual_of(node)
    return WeightedLayer(x, array, bias, residual, groups, op.act, node.result)


def residual_of(node: Node) -> ChannelView | None:
    """Return the residual of a convolution, if it has one."""
    found = node["residual"]
    return found if isinstance(found, ChannelView) else None


def weight_of(node: Node) -> Constant:
    """Return the weight of a layer that has one."""
    weight = node.constant("weight")
    assert weight is not None
    return weight


def convolution(node: Node) -> tuple[Conv2d, tuple[int, int]]:
    """Return the op of a convolution, and the extents of its filter."""
    assert isinstance(node.op, Conv2d)
    height, width, _, _ = weight_of(node).type.shape
    return node.op, (height, width)


def slope_refusal(node: Node) -> str:
    """Return why a node, or one of its body, has no kernel for its slopes; "" if it has none."""
    inner = node.op.body.topo() if isinstance(node.op, Fused) else [node]
    sloped = any(each["slope"] is not None for each in inner)
    return "no kernel multiplies by slopes" if sloped else ""


def vector(node: Node, role: str) -> np.ndarray | None:
    """Return the data of an optional constant along the channels."""
    constant = node.constant(role)
    return None if constant is None else constant.array


@dataclass(frozen=True)
class Depth:
    """The depthwise convolution before the product of a fused node."""

    op: Conv2d
    """Its op."""
    x: TensorType
    """Type of its operand."""
    kernel: tuple[int, int]
    """Extents of its filter."""
    middle: TensorType
    """Type of its result."""
    weight: np.ndarray
    """Weights [taps, channels], in the order in which the product reads channels."""
    bias: np.ndarray | None
    """Bias [channels], in the same order."""


UNFUSED = "only a depthwise convolution, of one filter a channel, and a pointwise one are fused"


def fused_refusal(node: Node) -> str:
    """Return why a fused node has no kernel; "" if it has one."""
    assert isinstance(node.op, Fused)
    body = node.op.body.topo()
    if [type(inner.op) for inner in body] != [Conv2d, Conv2d]:
        return UNFUSED
    first, second = body
    (one, _), (two, _) = convolution(first), convolution(second)
    if not is_depthwise(one, weight_of(first).type) or not is_pointwise(
        two, weight_of(second).type
    ):
        return UNFUSED
    (output,) = node.op.body.outputs
    view, residual = second.view("x"), residual_of(second)
    reads = () if residual is None else residual.values
    whole = view.is_single and view.value is first.result and output.is_plain
    if not whole or first.result in reads or output.value is not second.result:
        return "the pointwise convolution must read the whole depthwise result, and nothing else"
    if prod(convolution(first)[1]) > MOST_TAPS:
        return f"the depthwise filter has more than {MOST_TAPS} taps"
    return "" if len(first.views) == 1 else "the depthwise convolution adds a residual"


def fused_layer(node: Node) -> tuple[WeightedLayer, Depth]:
    """Split a fused node into its product, whose x is the depthwise convolution's operand, and the
    depthwise convolution."""
    assert isinstance(node.op, Fused)
    outside = dict(zip(node.op.body.inputs, node.views, strict=True))
    first, second = node.op.body.topo()
    (before, kernel), (after, _) = convolution(first), convolution(second)
    order, weight, groups = second.view("x").order, weight_of(second), after.groups
    x, rows = absorbed(first.view("x").substitute(outside).through(order), groups)
    size = len(order) // groups
    read = [order[g * size + i] for g, group in enumerate(rows) for i in group.indices]
    array = Reindex(ChannelMap.identity(weight.type.channels), rows)(weight.array[0])
    residual = residual_of(second)
    residual = None if residual is None else residual.substitute(outside)
    layer = WeightedLayer(
        x, array, vector(second, "bias"), residual, groups, after.act, node.result
    )
    bias, taps = vector(first, "bias"), weight_of(first).array
    return layer, Depth(
        before,
        first.view("x").type,
        kernel,
        first.result.type,
        taps.reshape(-1, taps.shape[-1])[:, read],
        None if bias is None else bias[read],
    )


def is_sliding(node: Node) -> bool:
    """Whether a convolution is a depthwise one without a residual."""
    if not isinstance(node.op, Conv2d) or residual_of(node) is not None:
        return False
    return is_depthwise(node.op, weight_of(node).type)


def is_product(node: Node) -> bool:
    """Whether a node becomes a matrix product."""
    return isinstance(node.op, Conv2d | Dense | Fused) and not is_sliding(node)


def product_of(node: Node) -> Product:
    """Return the sizes of the product that a node becomes. Weights need not be bound."""
    if isinstance(node.op, Fused):
        first, second = node.op.body.topo()
        outside = dict(zip(node.op.body.inputs, node.views, strict=True))
        view = first.view("x").substitute(outside).through(second.view("x").order)
        return _product(second, view, prod(convolution(first)[1]), computed=True)
    taps = prod(weight_of(node).type.shape[:-2])
    product = _product(node, node.view("x"))
    return replace(product, depth=taps * product.depth)


def _product(layer: Node, x: ChannelView, loads: int = 1, *, computed: bool = False) -> Product:
    """Return the product of one pixel's channels and a layer's weights; a vector of A takes `loads`
    vectors of x."""
    groups, (depth, channels) = layer.op.channel_groups, weight_of(layer).type.shape[-2:]
    fetch = loads * _loads(absorbed(x, groups)[0], depth)
    rows = prod(layer.result.type.shape[:-1])
    return Product(rows, depth, channels // groups, groups, fetch, computed)


def tile_of(node: Node, product: Product, gpu: Gpu) -> ThreadTile:
    """Return the tile of a node that becomes a product."""
    return chosen(node, ThreadTile, tiles_for(product, gpu))


def _loads(x: ChannelView, depth: int) -> int:
    """Count the loads for a vector of x."""
    reader = reader_of(Draft(""), x, depth)
    return max(LANES) // reader.lanes * (1 if reader.table is None else 2)


def pointwise_kernel(node: Node, gpu: Gpu) -> NodeKernel:
    """Make the kernel of a 1x1 convolution, grouped or not, or of a dense layer."""
    layer = layer_of(node)
    draft = Draft("dense" if isinstance(node.op, Dense) else "pointwise")
    source = Pixels(reader_of(draft, layer.x, layer.depth), layer.depth)
    return _kernel(draft, layer, source, node, gpu)


def patches_kernel(node: Node, gpu: Gpu) -> NodeKernel:
    """Make the kernel of any other convolution."""
    layer, (op, kernel) = layer_of(node), convolution(node)
    draft = Draft(f"conv {kernel[0]}x{kernel[1]}")
    window = Window.of(op, node.view("x").type, kernel, node.result.type)
    source = Patches(reader_of(draft, layer.x, layer.depth), layer.depth, window)
    return _kernel(draft, layer, source, node, gpu)


def fused_kernel(node: Node, gpu: Gpu) -> NodeKernel:
    """Make the kernel of a pointwise convolution that computes a depthwise one on the fly."""
    layer, before = fused_layer(node)
    draft = Draft(f"depthwise {before.kernel[0]}x{before.kernel[1]} + pointwise")
    reader = reader_of(draft, layer.x, layer.depth)
    source = Depthwise(
        reader,
        layer.depth,
        Window.of(before.op, before.x, before.kernel, before.middle),
        draft.weights(before.weight),
        None if before.bias is None else draft.weights(before.bias),
        before.op.act,
    )
    return _kernel(draft, layer, source, node, gpu)


def _kernel(
    draft: Draft, layer: WeightedLayer, source: SourceA, node: Node, gpu: Gpu
) -> NodeKernel:
    product = product_of(node)
    tile = tile_of(node, product, gpu)
    matrix = layer.weight.reshape(product.depth, -1)
    weight = draft.weights(packed_weight(matrix, product, tile))
    bias = None
    if layer.bias is not None:
        bias = draft.weights(packed_bias(layer.bias, product, tile))
    residual = None
    if layer.residual is not None:
        residual = reader_of(draft, layer.residual, product.columns)
    channels = layer.out.type.channels
    epilogue = Epilogue(draft.write(layer.out), channels, bias, residual, layer.act)
    return gemm_kernel(draft, Gemm(product, tile, source, weight, epilogue))
