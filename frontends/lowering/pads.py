"""Pad nodes become the padding of the windows that read them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from mbc.frontends.lowering.model import Model, Node

LOWEST = -3.0e38
"""A padding of at most this is as good as minus infinity."""

Sides = tuple[int, ...]


def absorb_pads(model: Model) -> Model:
    """Return the model without Pad nodes that are read by windows alone, which then pad as much."""
    readers, makers = defaultdict[str, list[Node]](list), dict[str, Node]()
    for node in model.nodes:
        makers.update(dict.fromkeys(node.outputs, node))
        for name in {*node.inputs}:
            readers[name].append(node)
    padded, gone = dict[Node, Node](), set[Node]()
    for node in model.nodes:
        if node.kind == "Pad":
            made = _absorbed(model, node, readers[node.outputs[0]], makers)
            padded |= made
            gone |= {node} if made else set()
    nodes = (padded.get(node, node) for node in model.nodes if node not in gone)
    return replace(model, nodes=tuple(nodes))


def _absorbed(
    model: Model, pad: Node, readers: Iterable[Node], makers: Mapping[str, Node]
) -> dict[Node, Node]:
    """Return for each reader of a Pad node a window that pads itself; nothing, where one cannot."""
    sides = _sides(model, pad)
    if sides is None or pad.outputs[0] in model.outputs:
        return {}
    source = makers.get(pad.inputs[0])
    padded = {node: _padded(model, node, pad, sides, source) for node in readers}
    made = {node: window for node, window in padded.items() if window is not None}
    return made if len(made) == len(padded) else {}


def _sides(model: Model, pad: Node) -> Sides | None:
    """Return the pads of height and width as a window has them; None for any other Pad."""
    pads, axes = model.constants.get(pad.input(1)), model.constants.get(pad.input(3))
    rank = len(model.shapes.get(pad.outputs[0], ()))
    if pads is None or rank != 4 or pad.attributes.get("mode", "constant") != "constant":
        return None
    on = np.arange(rank) if axes is None else axes.ravel() % rank
    if pads.size != 2 * on.size:
        return None
    whole = np.zeros((2, rank), np.int64)
    whole[:, on] = pads.reshape(2, -1)
    if whole[:, :2].any() or (whole < 0).any():
        return None
    return tuple(whole[:, 2:].ravel().tolist())


def _padded(model: Model, node: Node, pad: Node, sides: Sides, source: Node | None) -> Node | None:
    """Return a window that pads itself; None if it cannot. `source` makes what is padded."""
    value, own = _value(model, pad), node.attributes.get("pads", (0, 0, 0, 0))
    fits = isinstance(own, tuple) and len(own) == 4
    modes = node.attributes.get("auto_pad", "NOTSET") in ("NOTSET", "VALID")
    if not fits or not modes or pad.outputs[0] in node.inputs[1:]:
        return None
    if not _reads_alike(model, node, source, value, own):
        return None
    counted = {"count_include_pad": 1} if node.kind == "AveragePool" else {}
    pads = tuple(a + b for a, b in zip(own, sides, strict=True))
    attributes = {**node.attributes, **counted, "pads": pads, "auto_pad": "NOTSET"}
    inputs = (pad.inputs[0], *node.inputs[1:])
    return replace(node, inputs=inputs, attributes=attributes)


def _value(model: Model, pad: Node) -> float | None:
    if not pad.input(2):
        return 0.0
    array = model.constants.get(pad.input(2))
    return None if array is None or array.size != 1 else float(array.ravel()[0])


def _reads_alike(
    model: Model, node: Node, source: Node | None, value: float | None, own: Sequence[int]
) -> bool:
    """Whether a window with its own padding reads what it reads after the Pad."""
    if value is None:
        return False
    match node.kind:
        case "Conv":
            return value == 0
        case "AveragePool":
            counts = node.attributes.get("count_include_pad", 0) or not any(own)
            return value == 0 and bool(counts) and not node.attributes.get("ceil_mode", 0)
        case "MaxPool":
            return value <= LOWEST or (value == 0 and _is_positive(model, source))
    return False


def _is_positive(model: Model, node: Node | None) -> bool:
    """Whether a node is an activation that has no results below 0."""
    if node is None:
        return False
    low = model.constants.get(node.input(1))
    clips = node.kind == "Clip" and low is not None and bool((low >= 0).all())
    return clips or node.kind in ("Relu", "Sigmoid", "HardSigmoid")
