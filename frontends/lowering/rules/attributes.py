"""Attributes of nodes, with their types checked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mbc.frontends.lowering.model import Node
from mbc.frontends.lowering.problems import Unsupported

Ints = tuple[int, ...]


def whole(node: Node, name: str, default: int) -> int:
    """Return an integer attribute."""
    value = node.attributes.get(name, default)
    if not isinstance(value, int):
        raise Unsupported(f"its attribute {name} is no integer")
    return value


def real(node: Node, name: str, default: float) -> float:
    """Return a number: the shortest one that is the same as float32."""
    value = node.attributes.get(name, default)
    if not isinstance(value, int | float):
        raise Unsupported(f"its attribute {name} is no number")
    return shortest(value)


def shortest(value: float) -> float:
    """Return the number of fewest digits that is the same as float32."""
    return float(str(np.float32(value)))


def wholes(node: Node, name: str, default: Ints) -> Ints:
    """Return a list of integers as long as the default."""
    value = node.attributes.get(name, default)
    if not isinstance(value, tuple) or not all(isinstance(item, int) for item in value):
        raise Unsupported(f"its attribute {name} is no list of integers")
    if len(value) != len(default):
        raise Unsupported(
            f"its {name} has {len(value)} numbers where an image needs {len(default)}"
        )
    return value


def text(node: Node, name: str, default: str) -> str:
    """Return a text."""
    return str(node.attributes.get(name, default))


def broadcast(*shapes: Sequence[int]) -> Ints:
    """Return the shape to which shapes are broadcast."""
    try:
        return np.broadcast_shapes(*map(tuple, shapes))
    except ValueError:
        listed = " and ".join(str([*shape]) for shape in shapes)
        raise Unsupported(f"its operands have shapes {listed}") from None


def axis_of(node: Node, axis: int, rank: int) -> int:
    """Return an axis that may count from the end."""
    if not -rank <= axis < rank:
        raise Unsupported(f"it has no axis {axis}")
    return axis % rank
