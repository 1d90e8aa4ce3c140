"""Constants whose data is a number in the text of a network, not a weight."""

from __future__ import annotations

import numpy as np

from mbc.ir.elements import F32
from mbc.ir.graph import Constant, Graph
from mbc.ir.types import TensorType

LITERAL = TensorType((1,), F32)
"""The type of a literal."""


def literal(value: float) -> Constant:
    """Return a number as a constant, which is named after it."""
    constant = Constant.of("", np.array([value]))
    constant.name, constant.literal = literal_text(constant), True
    return constant


def literal_text(constant: Constant) -> str:
    """Format a literal: the shortest decimal that gives it back, `0.1`, `1e+20`."""
    return repr(float(str(constant.array[0])))


def weights_of(graph: Graph) -> dict[str, Constant]:
    """Return the constants of a graph by name, but for literals."""
    return {name: c for name, c in graph.constants().items() if not c.literal}
