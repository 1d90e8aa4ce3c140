"""A model after preparation by its frontend: nodes, constants and shapes as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, NamedTuple

import numpy as np

from mbc.diag import Location
from mbc.ir.elements import Q8
from mbc.records import dataclass

Shape = tuple[int, ...]

FLOAT, INT32, INT64, FLOAT16 = 1, 6, 7, 10
"""The element types that are read, as numbers of TensorProto."""

HINT = "`mbc ops --onnx` lists what is supported; export the model without this op"
"""What to do about an op of ONNX that is not supported."""


class Refusal(NamedTuple):
    """Why a node is not supported."""

    reason: str
    """What of it is not supported; "" for all of it."""
    help: str = ""
    """What to do about it."""


@dataclass(frozen=True, eq=False)
class Node:
    """A node: an op of ONNX in the form of opset 18 or later."""

    kind: str
    """Op, with its domain before `::` unless that is ONNX's own."""
    name: str
    """Name, or that of its first result where it has none."""
    inputs: tuple[str, ...]
    """Names of values; "" for absent ones."""
    outputs: tuple[str, ...]
    """Names of results; "" for those that are not made."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Attributes as Python values."""
    module: str = ""
    """Path of the module that it comes from; "" if the exporter did not keep it."""
    location: Location | None = None
    """The user's Python line; None if the exporter did not keep it."""
    spelled: str = ""
    """Op as the file or module has it; "" if that is `kind`."""
    refusal: Refusal | None = None
    """Why its frontend cannot read the op; None if it can."""

    def input(self, index: int) -> str:
        """Return the name of an input; "" where there is none."""
        return self.inputs[index] if index < len(self.inputs) else ""

    @property
    def extra_outputs(self) -> tuple[str, ...]:
        """Results after the first one."""
        return tuple(filter(None, self.outputs[1:]))


@dataclass(frozen=True)
class Model:
    """A model whose shapes are all known and whose constants are folded."""

    nodes: tuple[Node, ...]
    """Nodes that outputs depend on, in dependency order."""
    constants: Mapping[str, np.ndarray]
    """Constants by name."""
    shapes: Mapping[str, Shape]
    """Shapes of inputs and results."""
    inputs: tuple[str, ...]
    """Inputs that are not initialised, in order."""
    outputs: tuple[str, ...]
    """Outputs, in order."""
    hint: str = HINT
    """What to do about an op that is not supported."""
    channels_last: bool = False
    """Whether outputs with four axes are NHWC in the model, and so keep their shapes."""
    quantised: bool = False
    """Whether it was quantised, and has a clip after most of its nodes."""
    elements: Mapping[str, Q8] = field(default_factory=dict)
    """The codes that a quantised model has of its values, by their names; a value that has some is
    clipped to their range."""
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)
    """The scales of constants that stand for codes, by their names: one for each output channel of
    the op that reads them, or one for all."""
    float_layers: frozenset[str] = frozenset()
    """Results of layers that a quantised model has in float, though they may read codes."""


def live(nodes: Iterable[Node], outputs: Iterable[str]) -> tuple[Node, ...]:
    """Return the nodes that outputs depend on."""
    wanted, kept = {*outputs}, list[Node]()
    for node in reversed([*nodes]):
        if wanted & {*node.outputs}:
            wanted |= {*node.inputs}
            kept.append(node)
    return tuple(kept[::-1])
