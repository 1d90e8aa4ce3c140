"""Clips that change nothing, or that another clip before them makes part of itself.

Quantised models have one after every op. A clip is left out where what it reads lies within its
bounds: a maximum or an average of clipped values, or a concatenation of them. One that stands for
codes stays where that would change which values are on which codes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from math import inf
from typing import NamedTuple

import numpy as np

from mbc.frontends.lowering.model import Model, Node, live
from mbc.ir.elements import Q8


class Range(NamedTuple):
    """Where numbers lie."""

    low: float = -inf
    """The least."""
    high: float = inf
    """The largest."""


WITHIN = frozenset({
    "DepthToSpace", "Flatten", "Gather", "GlobalAveragePool", "GlobalMaxPool", "Identity",
    "MaxPool", "ReduceMax", "ReduceMean", "Reshape", "Slice", "SpaceToDepth", "Split", "Squeeze",
    "Transpose", "Unsqueeze",
})  # fmt: skip
"""Ops whose results lie where their first operand does."""

MOVES = frozenset({
    "Clip", "Concat", "DepthToSpace", "Flatten", "Gather", "Identity", "MaxPool", "Pad", "Relu",
    "Reshape", "Slice", "SpaceToDepth", "Split", "Squeeze", "Transpose", "Unsqueeze",
})  # fmt: skip
"""Ops whose results are on the codes of what they read."""

OWN: Mapping[str, Range] = {
    "HardSigmoid": Range(0, 1),
    "Sigmoid": Range(0, 1),
    "Softmax": Range(0, 1),
    "Tanh": Range(-1, 1),
}
"""Where the results of some ops lie."""


def without_idle_clips(model: Model) -> Model:
    """Return the model with as few clips as compute the same."""
    clips = _Clips(model)
    for node in model.nodes:
        clips.visit(node)
    nodes = live(clips.nodes, model.outputs)
    return replace(model, nodes=nodes, constants=clips.constants, elements=clips.elements)


UNKNOWN = Range()

WHOLE = 1e-6
"""How far from a whole number of steps a bound may be that is a code, for float32."""


class _Clips:
    """A model under revision."""

    def __init__(self, model: Model) -> None:
        self.nodes: list[Node] = []
        self.constants = dict(model.constants)
        self.elements = dict(model.elements)
        self._codes: dict[str, Q8] = {}  # those, and of what is moved
        self._outputs = model.outputs
        self._readers = Counter(name for node in model.nodes for name in node.inputs)
        self._readers.update(model.outputs)
        self._ranges: dict[str, Range] = {}
        self._makers: dict[str, Node] = {}
        self._same: dict[str, str] = {}

    def visit(self, node: Node) -> None:
        """Add a node, in dependency order, unless it is a clip that changes nothing."""
        node = replace(node, inputs=tuple(self._same.get(name, name) for name in node.inputs))
        bounds = self._bounds(node)
        if bounds is not None:
            if self._changes_nothing(node, bounds):
                return
            node = self._merged(node, bounds)
        self.nodes.append(node)
        results = [*filter(None, node.outputs)]
        self._makers.update(dict.fromkeys(results, node))
        self._ranges.update(dict.fromkeys(results, self._range(node)))
        self._codes.update(dict.fromkeys(results, element) if (element := self._on(node)) else {})

    def _on(self, node: Node) -> Q8 | None:
        """Return the codes that a node's results are on, if they are known."""
        stated = self.elements.get(node.outputs[0])
        if stated is not None or node.kind not in MOVES:
            return stated
        read = node.inputs if node.kind == "Concat" else node.inputs[:1]
        found = {self._codes.get(name) for name in read}
        return found.pop() if len(found) == 1 else None

    def _bounds(self, node: Node) -> Range | None:
        """Return the bounds of a clip that are constant; None for anything else."""
        if node.kind == "Relu":
            return Range(low=0)
        if node.kind != "Clip":
            return None
        ends = []
        for at, name, default in ((1, "min", -inf), (2, "max", inf)):
            own = node.attributes.get(name, default)  # of a formula that is a clip
            array = self.constants.get(node.input(at), np.array(own))
            if array.size != 1 or (node.input(at) and node.input(at) not in self.constants):
                return None
            ends.append(float(array.reshape(-1)[0]))
        return Range(*ends)

    def _changes_nothing(self, node: Node, bounds: Range) -> bool:
        """Whether a clip changes nothing; its operand then stands for its result."""
        x, result = node.inputs[0], node.outputs[0]
        low, high = self._of(x)
        if not (bounds.low <= low and high <= bounds.high) or result in self._outputs:
            return False
        if not self._is_on_codes_without(node):
            return False
        self._same[result] = x
        self._readers[x] += self._readers[result] - 1
        return True

    def _is_on_codes_without(self, node: Node) -> bool:
        """Whether what a clip reads is on the codes that it states, or can be."""
        x, stated = node.inputs[0], self.elements.get(node.outputs[0])
        if stated is None or self._codes.get(x) == stated:
            return True
        maker = self._makers.get(x)
        if x in self._codes or self._readers[x] > 1 or maker is None or maker.kind in MOVES:
            return False
        self.elements[x] = self._codes[x] = stated
        return True

    def _merged(self, node: Node, bounds: Range) -> Node:
        """Return a clip that does what the one before it does too, if nothing else reads that."""
        before = self._makers.get(node.inputs[0])
        first = None if before is None else self._bounds(before)
        if before is None or first is None or self._readers[node.inputs[0]] > 1:
            return node
        low, high = max(bounds.low, first.low), min(bounds.high, first.high)
        if not low <= high or not self._is_rounded_once(before, node, Range(low, high)):
            return node
        names = f"{node.outputs[0]} low", f"{node.outputs[0]} high"
        ends = np.array([low, high], np.float32)
        self.constants.update(zip(names, np.split(ends, 2), strict=True))
        return replace(node, kind="Clip", inputs=(before.inputs[0], *names), attributes={})

    def _is_rounded_once(self, before: Node, node: Node, bounds: Range) -> bool:
        """Whether two clips may be one that is on the codes of both."""
        first, second = (self.elements.get(each.outputs[0]) for each in (before, node))
        if first is None:
            return True
        steps = [(end / first.scale) for end in bounds if abs(end) < inf]
        whole = all(abs(step - round(step)) < WHOLE * max(abs(step), 1) for step in steps)
        if second not in (None, first) or not whole:
            return False
        del self.elements[before.outputs[0]]
        self.elements[node.outputs[0]] = first
        return True

    def _range(self, node: Node) -> Range:
        """Return where the results of a node lie."""
        bounds, x = self._bounds(node), node.input(0)
        if bounds is not None:
            low, high = self._of(x)
            return Range(max(low, bounds.low), min(high, bounds.high))
        if node.kind == "Concat":
            lows, highs = zip(*map(self._of, node.inputs), strict=True)
            return Range(min(lows), max(highs))
        if node.kind == "AveragePool":  # which may count zeros of the padding
            low, high = self._of(x)
            return Range(min(low, 0), max(high, 0))
        if node.kind == "Pad" and len(node.inputs) < 4:
            low, high = self._of(x)
            value = self._of(node.input(2)) if node.input(2) else Range(0, 0)
            return Range(min(low, value.low), max(high, value.high))
        if node.kind in WITHIN or (node.kind == "Resize" and _is_mean(node)):
            return self._of(x)
        return OWN.get(node.kind, UNKNOWN)

    def _of(self, name: str) -> Range:
        """Return where a value lies."""
        array = self.constants.get(name)
        if array is not None and array.size and array.dtype.kind == "f":
            return Range(float(array.min()), float(array.max()))
        return self._ranges.get(name, UNKNOWN)


def _is_mean(node: Node) -> bool:
    """Whether what a Resize makes lies between what it reads."""
    return node.attributes.get("mode", "nearest") in ("nearest", "linear")
