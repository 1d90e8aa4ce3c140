"""The graph under construction, and the ways in which rules read values of the model from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np

from mbc.diag import error
from mbc.frontends.lowering.model import Model, Node
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.tracked import CHANNEL, Tracked
from mbc.ir.graph import Constant, Graph, Operand
from mbc.ir.literals import LITERAL, literal
from mbc.ir.op import Op, OpError
from mbc.ir.types import MAX_CHANNELS, MAX_ELEMENTS, MAX_RANK, TensorType
from mbc.ir.views import ChannelMap, ChannelView, Value
from mbc.ops.elementwise import Mul
from mbc.ops.grid import Gather
from mbc.ops.move import ChannelShuffle, Reshape, Split, Transpose

IMAGE = (0, 2, 3, 1)
"""The ONNX axes of an image in the order in which it is stored."""

TO_PLANAR = (0, 3, 1, 2)
"""The axes of an image that is stored as [n,h,w,c] in ONNX's order; `IMAGE` is the way back."""

ROW = 3
"""The number of ONNX axes of an image of height 1 without that axis."""


def stored_order(rank: int) -> tuple[int, ...]:
    """Return the ONNX axes in the order in which values of a rank are stored."""
    return IMAGE if rank == len(IMAGE) else tuple(range(rank))


class Builder:
    """Adds nodes to a graph, and keeps the layouts of ONNX's values."""

    def __init__(self, graph: Graph, model: Model) -> None:
        self.graph, self.model = graph, model
        self.known: dict[str, Tracked] = {}
        self.node = Node("", "", (), ())
        self._used = {name for each in model.nodes for name in each.inputs} | {*model.outputs}
        self.origins: dict[str, str] = {}  # names in the model of the constants that are made
        self._constants: dict[str, Constant] = {}
        self._moves: dict[tuple[Value, bytes], ChannelView] = {}
        self._splits: dict[tuple[Value, tuple[int, ...]], tuple[Value, ...]] = {}

    # what rules read

    def input(self, index: int) -> Tracked:
        """Return the value that the node reads; Unsupported for a constant or none."""
        name = self.node.input(index)
        if name in self.known:
            return self.known[name]
        raise Unsupported("it computes with constants alone, or lacks an operand")

    def constant_input(self, index: int) -> np.ndarray | None:
        """Return the constant that the node reads; None if it reads none, or a computed value."""
        return self.model.constants.get(self.node.input(index))

    def required_input(self, index: int, what: str) -> np.ndarray:
        """Return a constant operand; Unsupported if it is computed or absent."""
        array = self.constant_input(index)
        if array is None:
            raise Unsupported(
                f"its {what} is not constant", f"export the model with a fixed {what}"
            )
        return array

    def optional_input(self, index: int, what: str) -> np.ndarray | None:
        """Return a constant operand, None where it is absent; Unsupported if it is computed."""
        return self.required_input(index, what) if self.node.input(index) else None

    def reads_more(self, node: Node) -> bool:
        """Whether anything reads a result of a node other than the first."""
        return bool(self._used & {*node.extra_outputs})

    # what rules make

    @property
    def name(self) -> str:
        """The name of the node's first result."""
        return next(filter(None, self.node.outputs), self.node.name)

    def emit(self, op: Op, operands: Sequence[Operand | None]) -> ChannelView:
        """Add a node with one result, named as that of ONNX's node, and return it."""
        (result,) = self._emit(op, operands, self.name)
        return ChannelView.of(result)

    def moved_by(self, op: Op, x: ChannelView) -> ChannelView:
        """Move data before ONNX's node reads it, and return the one result."""
        (result,) = self._move(op, x)
        return ChannelView.of(result)

    def _move(self, op: Op, x: ChannelView) -> tuple[Value, ...]:
        """Add a node that moves data before ONNX's node reads it."""
        return self._emit(op, [x], f"{self.name}.{op.label}")

    def _emit(self, op: Op, operands: Sequence[Operand | None], name: str) -> tuple[Value, ...]:
        """Add a node; operands that do not fit are Unsupported, E0807 for too large results."""
        where = () if self.node.location is None else (self.node.location,)
        types = [None if o is None else o.type for o in operands]
        try:
            results = op.infer(types)
        except OpError as problem:
            label = f": {problem.label}" if problem.label else ""
            raise Unsupported(f"{problem.message}{label}", problem.help) from None
        for type in (*filter(None, types), *results):
            refuse_large(type)
        parts = [name] if len(results) == 1 else [f"{name}.{i}" for i in range(len(results))]
        names = [self.graph.fresh_name(part) for part in parts]
        return self.graph.add(op, operands, names=names, locations=where).results

    def constant(self, name: str, array: np.ndarray) -> Constant:
        """Return a constant under the name of its initializer; one in another layout gets a number
        behind it."""
        made, unique, number = Constant.of(name, array), name, 1
        while (known := self._constants.get(unique)) is not None:
            if known.type == made.type and np.array_equal(known.array, made.array):
                return known
            number += 1
            unique = f"{name}.{number}"
        made.name = unique
        self._constants[unique] = made
        self.origins[unique] = name
        return made

    def number(self, value: float) -> Constant:
        """Return a number, which the text of the network has instead of a weight."""
        made = literal(value)
        return self._constants.setdefault(f"{LITERAL} {made.name}", made)

    # layouts

    def settled(self, x: Tracked) -> Tracked:
        """Return x with its channels stored in its order: selections and permutations become
        splits, shuffles and views."""
        if x.is_settled:
            return x
        return x.settled(self._read(x.stored, x.channels.ravel()))

    def _read(self, stored: ChannelView, channels: np.ndarray) -> ChannelView:
        if len({*channels.tolist()}) < channels.size:
            return self.moved_by(Gather(stored.type.rank - 1, tuple(channels.tolist())), stored)
        if not stored.is_plain:
            return stored.through(ChannelMap(tuple(channels.tolist())))
        key = stored.value, channels.tobytes()
        if key not in self._moves:
            self._moves[key] = self._moved(stored, channels)
        return self._moves[key]

    def _moved(self, stored: ChannelView, channels: np.ndarray) -> ChannelView:
        first, size, total = int(channels[0]), channels.size, stored.type.channels
        if np.array_equal(channels, np.arange(first, first + size)):
            return self._part(stored.value, first, size)
        order = ChannelMap(tuple(channels.tolist()))
        groups = order.shuffle_groups if size == total else None
        if groups is None:
            return stored.through(order)
        return self.moved_by(ChannelShuffle(groups), stored)

    def _part(self, value: Value, first: int, size: int) -> ChannelView:
        """Return some channels of a value; equal parts come from one split."""
        total = value.type.channels
        sizes = tuple(filter(None, (first, size, total - first - size)))
        if total % size == 0 and first % size == 0:
            sizes = (size,) * (total // size)
        key = value, sizes
        if key not in self._splits:
            self._splits[key] = self._move(Split(sizes), ChannelView.of(value))
        starts = np.cumsum([0, *sizes]).tolist()
        return ChannelView.of(self._splits[key][starts.index(first)])

    def in_order(self, x: Tracked) -> Tracked:
        """Return x with each ONNX axis along one stored axis."""
        order = stored_order(x.rank)
        return Tracked.of(self.arranged(x, order), order)

    def image(self, x: Tracked) -> ChannelView:
        """Return x, which has the axes [n,c,h,w], as [n,h,w,c]; a row [n,c,w] has height 1."""
        if x.rank == ROW:
            x = replace(x, axes=(*x.axes[:2], (), x.axes[2]))
        if x.rank != len(IMAGE):
            raise Unsupported(f"it reads {x.rank} axes, where an image has 4, or 3 as a row")
        return self.arranged(x, IMAGE)

    def from_image(self, stored: ChannelView, rank: int) -> Tracked:
        """Return [n,h,w,c] as the axes [n,c,h,w], or of rank 3 as a row."""
        made = Tracked.of(stored, IMAGE)
        return made if rank != ROW else replace(made, axes=(*made.axes[:2], made.axes[3]))

    def scaled(self, x: Tracked, factor: float) -> Tracked:
        """Multiply by a number."""
        x = self.settled(x)
        return x.with_stored(self.emit(Mul(), [x.stored, self.number(factor)]))

    def arranged(self, x: Tracked, order: Sequence[int]) -> ChannelView:
        """Return x with its ONNX axes stored in an order; moves data only where they are not."""
        x = self.settled(x)
        shape = tuple(x.shape[axis] for axis in order)
        wanted = x.transposed(order)
        if is_in_order(wanted):
            return self.reshaped(x.stored, shape)
        return self.reshaped(self._transposed(x, wanted), shape)

    def _transposed(self, x: Tracked, wanted: Tracked) -> ChannelView:
        """Store the factors of x in the order in which `wanted` has them."""
        digits = x.channels.shape
        cut = (*x.type.shape[:-1], *(digits or (x.type.channels,)))
        last = x.type.rank - 1
        places = wanted.channels  # the stored channel by digit: its strides give the digits' order
        order = _digit_order(places)
        numbers = iter(order)
        used = [last + next(numbers) if f == CHANNEL else f for f, _ in wanted.factors]
        units = [axis for axis in range(len(cut)) if axis not in used]
        return self.moved_by(Transpose((*units, *used)), self.reshaped(x.stored, cut))

    def reshaped(self, x: ChannelView, shape: Sequence[int]) -> ChannelView:
        """Return what is stored in another shape, in row-major order; one number as [1]."""
        shape = tuple(shape) or (1,)
        return x if x.type.shape == shape else self.moved_by(Reshape(shape), x)

    def is_stored(self, x: Tracked, order: Sequence[int]) -> bool:
        """Whether a settled value lies in memory with its ONNX axes in an order."""
        return is_in_order(x.transposed(order))


def is_in_order(x: Tracked) -> bool:
    """Whether the ONNX axes of a settled value run through memory in row-major order."""
    places = [x.type.rank - 1 if factor == CHANNEL else factor for factor, _ in x.factors]
    return places == sorted(places) and bool(np.all(np.diff(x.channels.ravel()) == 1))


def _digit_order(channels: np.ndarray) -> list[int]:
    """Return, for each array axis of settled channels, its place among the digits of the number."""
    steps = [int(channels.take(1, axis).flat[0]) for axis in range(channels.ndim)]
    ranked = sorted(range(len(steps)), key=lambda axis: -steps[axis])
    return [ranked.index(axis) for axis in range(len(steps))]


def refuse_large(type: TensorType) -> None:
    """Raise E0807 for a tensor beyond the limits of mbc."""
    excess = (
        (type.rank > MAX_RANK, f"at most {MAX_RANK} axes"),
        (prod(type.shape) > MAX_ELEMENTS, f"at most {MAX_ELEMENTS:,} elements"),
        (type.channels > MAX_CHANNELS, f"at most {MAX_CHANNELS:,} channels"),
    )
    for exceeds, limit in excess:
        if exceeds:
            raise error("E0807", f"{type} is too large", label=f"mbc takes {limit}")
