"""Moves along any axis: several in one graph, each from the caller's dense tensor and from a padded
one in the arena."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from mbc.ir.activations import RELU
from mbc.ir.graph import Graph
from mbc.ir.op import Op
from mbc.ir.views import Value
from mbc.ops import (
    Activate,
    Add,
    ChannelShuffle,
    Concat,
    ConcatAlong,
    DepthToSpace,
    Gather,
    Pad,
    Reshape,
    Slice,
    SpaceToDepth,
    Split,
    Transpose,
)
from tests.backends.cases import Case
from tests.backends.kernel_check import Net

Move = tuple[Op, tuple[int, ...]]

SLICES: tuple[Move, ...] = (
    (Slice(0, 1, 3), (3, 2, 3, 5)),
    (Slice(1, 1, 6), (2, 7, 3, 8)),
    (Slice(1, 0, 7, 3), (1, 7, 3, 9)),
    (Slice(2, 2, 5), (2, 3, 5, 7)),
    (Slice(2, 1, 6, 2), (1, 3, 6, 16)),
    (Slice(3, 1, 12, 2), (2, 3, 2, 13)),
    (Slice(3, 4, 12), (1, 2, 3, 16)),
    (Slice(1, 5, 6), (1, 6, 1, 4)),
)
CONCATS: tuple[Move, ...] = (
    (ConcatAlong(0), (2, 3, 2, 5)),
    (ConcatAlong(1), (2, 3, 4, 8)),
    (ConcatAlong(2), (1, 3, 2, 7)),
    (ConcatAlong(3), (2, 3, 2, 6)),
)
PADS: tuple[Move, ...] = (
    (Pad((0, 1, 2, 0), (0, 0, 1, 0)), (1, 4, 5, 8)),
    (Pad((1, 1, 2, 3), (0, 2, 1, 1), 1.5), (2, 3, 2, 5)),
    (Pad((0, 0, 0, 4), (0, 0, 0, 4), lowest=True), (2, 2, 3, 9)),
    (Pad((0, 0, 1, 0), (0, 3, 0, 0), -2.0), (1, 2, 3, 4)),
)
TRANSPOSES: tuple[Move, ...] = (
    (Transpose((0, 3, 1, 2)), (2, 3, 4, 9)),
    (Transpose((2, 1, 0, 3)), (2, 3, 4, 8)),
    (Transpose((3, 2, 1, 0)), (1, 3, 5, 7)),
    (Transpose((0, 2, 1, 3)), (1, 3, 4, 13)),
)
BLOCKS: tuple[Move, ...] = (
    (DepthToSpace(2), (2, 3, 2, 12)),
    (DepthToSpace(3), (1, 2, 3, 9)),
    (SpaceToDepth(2), (2, 4, 6, 5)),
    (SpaceToDepth(3), (1, 3, 6, 8)),
)
RANKS: tuple[Move, ...] = (
    (Slice(0, 2, 11), (11,)),
    (Slice(0, 0, 3, 2), (3, 9)),
    (Slice(2, 1, 3), (2, 1, 3, 2, 5)),
    (ConcatAlong(0), (7,)),
    (ConcatAlong(1), (3, 4, 5)),
    (ConcatAlong(2), (2, 1, 3, 2, 4)),
    (Pad((2,), (3,), 1.0), (8,)),
    (Pad((1, 0, 1, 0, 2), (0, 1, 1, 0, 1)), (1, 2, 1, 3, 5)),
    (Transpose((1, 0)), (5, 8)),
    (Transpose((4, 0, 2, 1, 3)), (2, 3, 1, 2, 5)),
    (Transpose((0,)), (6,)),
    (Reshape((15,)), (3, 5)),
    (Concat(), (9,)),
    (Split((3, 4)), (7,)),
    (ChannelShuffle(2), (2, 3, 10)),
    (Split((2, 5)), (1, 2, 1, 3, 7)),
    (Concat(), (2, 2, 1, 3, 3)),
    (Reshape((2, 1, 3, 2, 2)), (24,)),
)

GATHERS: tuple[Move, ...] = (
    (Gather(0, (1, 1, 0)), (2, 3, 2, 9)),
    (Gather(1, (4, 3, 2, 1, 0)), (1, 5, 3, 7)),
    (Gather(2, (0, 3, 1, 1, 2)), (2, 2, 4, 16)),
    (Gather(3, (8, 0, 2, 4, 4)), (1, 3, 2, 9)),
    (Gather(1, (2, 1, 0, 1, 2, 1, 0)), (2, 3, 2, 5)),
    (Gather(0, (6, 0, 3)), (7,)),
    (Gather(2, (0, 0, 1)), (2, 1, 3, 2, 5)),
)


def _graph(moves: Sequence[Move]) -> Graph:
    net, outputs = Net(), list[Value]()
    for number, (op, shape) in enumerate(moves):
        x = net.input(*shape, name=f"x{number}")
        inside = net.graph.add(Activate(RELU), [x]).result
        for source, other in ((x, inside), (inside, x)):
            several = isinstance(op, ConcatAlong | Concat)
            for made in net.graph.add(op, [source, other, source] if several else [source]).results:
                outputs.append(made if source is x else net.graph.add(Add(), [made, made]).result)
    return net.outputs(*outputs)


def grid_cases() -> Iterator[Case]:
    """All kinds, at extents that are no multiples of vectors; some at such that are."""
    for name, moves in (
        ("slices", SLICES),
        ("concats", CONCATS),
        ("pads", PADS),
        ("transposes", TRANSPOSES),
        ("blocks", BLOCKS),
        ("ranks", RANKS),
        ("gathers", GATHERS),
    ):
        yield name, partial(_graph, moves)
