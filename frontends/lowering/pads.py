"""Pad nodes become the padding of the windows that read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mbc.frontends.lowering.model import Model, Node

LOWEST = -3.0e38
"""A padding of at most this is as good as minus infinity."""

Sides = tuple[int, ...]


def absorb_pads(model: Model) -> Model:
    """Return the model without Pad nodes that are read by windows alone, which then pad as much."""
    for node in model.nodes:
        if node.kind == "Pad":
            model = _without(model, node)
    return model


def _without(model: Model, pad: Node) -> Model:
    """Return the model without a Pad node; unchanged, where some reader cannot pad so."""
    sides, result = _sides(model, pad), pad.outputs[0]
    readers = [node for node in model.nodes if result in node.inputs]
    if sides is None or result in model.outputs:
        return model
    padded = {node: _padded(model, node, pad, sides) for node in readers}
    if None in padded.values():
        return model
    nodes = (padded.get(node) or node for node in model.nodes if node is not pad)
    return replace(model, nodes=tuple(nodes))


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


def _padded(model: Model, node: Node, pad: Node, sides: Sides) -> Node | None:
    """Return a window that pads itself; None if it cannot."""
    value, own = _value(model, pad), node.attributes.get("pads", (0, 0, 0, 0))
    fits = isinstance(own, tuple) and len(own) == 4
    modes = node.attributes.get("auto_pad", "NOTSET") in ("NOTSET", "VALID")
    if not fits or not modes or pad.outputs[0] in node.inputs[1:]:
        return None
    if not _reads_alike(model, node, pad, value, own):
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
    model: Model, node: Node, pad: Node, value: float | None, own: Sequence[int]
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
            return value <= LOWEST or (value == 0 and _is_positive(model, pad.inputs[0]))
    return False


def _is_positive(model: Model, name: str) -> bool:
    """Whether a value is what an activation gives that has no results below 0."""
    producer = next((node for node in model.nodes if name in node.outputs), None)
    if producer is None:
        return False
    low = model.constants.get(producer.input(1))
    clips = producer.kind == "Clip" and low is not None and bool((low >= 0).all())
    return clips or producer.kind in ("Relu", "Sigmoid", "HardSigmoid")
