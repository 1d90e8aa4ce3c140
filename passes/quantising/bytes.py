"""How a network on codes reads inputs of bytes (docs/int8.md).

A layer that pads nothing, or with what a byte of 0 stands for, reads bytes as they are: its weights
take the scales, its bias the means. All else reads codes of the range that was measured, which a
table for each channel makes of bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mbc.ir.elements import Q8, U8
from mbc.ir.graph import Constant, Graph, Node
from mbc.ir.types import TensorType
from mbc.ir.views import Value
from mbc.ops import Conv2d, Dense, Lookup
from mbc.passes.byte_inputs import Numbers, as_floats, byte_inputs, normalised, transposing
from mbc.passes.rewrite import ConstantMaker
from mbc.records import dataclass


@dataclass(frozen=True, eq=False)
class Bytes:
    """A float value that is made of bytes, which take its place."""

    codes: Value
    numbers: Numbers
    stem: str
    """Name of the input."""

    def reads(self, layer: Node) -> bool:
        """Whether a layer can read bytes as they are."""
        if not isinstance(layer.op, Conv2d | Dense) or not layer.view("x").is_plain:
            return False
        padded = isinstance(layer.op, Conv2d) and any(layer.op.pad)
        return not (padded and self.numbers.is_shifted)


def floats_of_bytes(graph: Graph) -> dict[str, Numbers]:
    """Have inputs of bytes be floats again, as they were measured; returns the numbers by name."""
    found = [*byte_inputs(graph)]
    for each in found:
        as_floats(graph, each)
    return {each.codes.name: each.numbers for each in found}


def take_bytes(graph: Graph, numbers: Mapping[str, Numbers]) -> dict[Value, Bytes]:
    """Make inputs those of bytes. Returns what the readers of a value of floats read instead: of
    the input as it was, or of what puts its channels last."""
    found = dict[Value, Bytes]()
    for x in [value for value in graph.inputs if value.name in numbers]:
        moved, codes = transposing(graph, x), graph.retype_input(x, numbers[x.name].element)
        if moved is not None:
            codes = graph.add(moved.op, [codes], locations=moved.locations, before=moved).result
        floats = x if moved is None else moved.result
        found[floats] = Bytes(codes, numbers[x.name], x.name)
    return found


def forget_floats(graph: Graph, bytes: Mapping[Value, Bytes]) -> None:
    """Erase what put the channels of floats last, which nothing reads any more."""
    for floats, each in bytes.items():
        if (moved := graph.producer(floats)) is not None:
            graph.supersede(floats, each.codes)
            graph.erase(moved)


def numbers_of_bytes(
    graph: Graph, constants: ConstantMaker, bytes: Bytes, to: Q8 | None, before: Node | None
) -> Value:
    """Add what makes codes of bytes, or floats."""
    if to is None:
        return normalised(graph, bytes.codes, bytes.numbers, bytes.stem, before)
    if bytes.numbers.is_plain and to == bytes.numbers.element:
        return bytes.codes
    names = [graph.fresh_name(f"{bytes.stem}.lookup")]
    entries = table(constants, bytes, to)
    made = graph.add(Lookup(to=to), [bytes.codes, entries], names=names, before=before).result
    made.is_added = True
    return made


def table(constants: ConstantMaker, bytes: Bytes, to: Q8) -> Constant:
    """Make the codes of all bytes, for each channel or for all."""
    numbers = bytes.numbers
    steps = np.arange(256, dtype=np.float64)[:, None] - numbers.element.zero
    exact = (steps * numbers.element.scale - numbers.means) * numbers.scales.astype(np.float64)
    codes = np.clip(np.rint(exact / to.scale) + to.zero, 0, 255)
    shape = (256,) if numbers.is_uniform else (256, bytes.codes.type.channels)
    data = np.broadcast_to(codes, (256, shape[-1])) if len(shape) > 1 else codes[:, 0]
    return constants.derive(f"{bytes.stem}.table", TensorType(shape, U8), [], lambda: data)
