"""scale * x + shift, for each channel, as a layer with one 1x1 filter a channel.

It is what batch norms are, and arithmetic with constants, that no layer beside them takes over; a
layer has an integer form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np

from mbc.ir.activations import Activation
from mbc.ir.elements import F32
from mbc.ir.graph import Constant, Graph, Node
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView
from mbc.ops.elementwise import NORM, Arithmetic, BatchNorm
from mbc.ops.linear import Conv2d
from mbc.ops.normalisation import scale_and_shift
from mbc.passes.fold_affine import affine_of
from mbc.passes.rewrite import ConstantMaker, merge, name_of
from mbc.passmgr.passes import PassContext, PassResult
from mbc.records import dataclass


@dataclass(frozen=True)
class _Affine:
    """A node that computes scale * x + shift."""

    x: ChannelView
    constants: Sequence[Constant]
    numbers: Callable[..., tuple[np.ndarray, np.ndarray]]
    """From the constants to the scale and the shift of each channel."""
    act: Activation | None = None

    def part(self, index: int, shape: tuple[int, ...]) -> Callable[..., np.ndarray]:
        """Return what computes the scales, or the shifts, from the constants."""
        return lambda *arrays: np.broadcast_to(self.numbers(*arrays)[index], shape[-1:]).reshape(
            shape
        )


@dataclass(frozen=True)
class AffineAsLayer:
    """Make a layer of each batch norm, and of arithmetic with a constant for each channel."""

    name: ClassVar[str] = "affine-as-layer"
    tolerance: ClassVar[float] = 1e-4

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Replace what there is of them on images."""
        result, constants = PassResult(), ConstantMaker(graph)
        for node in graph.topo():
            type = node.results[0].type
            if type.rank == 4 and type.element is F32 and (found := _affine(node)):
                _replace(graph, node, found, constants)
                message = f"made a layer: {name_of(node)} = {node.op.label}"
                result.did("made-layer", message, node)
        return result


def _affine(node: Node) -> _Affine | None:
    if isinstance(node.op, BatchNorm):
        known = [c for c in map(node.constant, NORM) if c is not None]
        op = node.op
        return _Affine(node.view("x"), known, lambda *arrays: scale_and_shift(op, *arrays))
    found = affine_of(node)
    if found is None or found.constant.type.elements == 1:
        return None  # of one number there is a table
    assert isinstance(node.op, Arithmetic)
    return _Affine(
        found.x, [found.constant], lambda c: (found.scales(c), found.shifts(c)), node.op.act
    )


def _replace(graph: Graph, node: Node, found: _Affine, constants: ConstantMaker) -> None:
    channels, name = node.result.type.channels, node.result.name
    filters, vector = (1, 1, 1, channels), (channels,)
    weight = constants.derive(
        f"{name}.scale", TensorType(filters), found.constants, found.part(0, filters)
    )
    bias = constants.derive(
        f"{name}.shift", TensorType(vector), found.constants, found.part(1, vector)
    )
    merge(graph, [node], Conv2d(groups=channels, act=found.act), [found.x, weight, bias])
