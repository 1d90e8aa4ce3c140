"""Values that are too long for onnx to follow.

With data propagation, shape inference lists the elements of values with one axis, from which shapes
are computed, even where it does not know them: for 2^40 elements it would never end. Such values
are kept from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

Extents: TypeAlias = tuple[int, ...] | None
"""The extents of a value, 0 for those that are not known; None without even their number."""

Values: TypeAlias = Mapping[str, tuple[int, Extents]]
"""The element types and extents of values."""

LONG = 4096
"""Elements of a value that is still followed."""

FOLLOWED = frozenset({
    "Add", "Cast", "Concat", "Gather", "Mul", "Slice", "Squeeze", "Sub", "Unsqueeze",
})  # fmt: skip
"""Ops through which onnx follows elements."""

GROWING = frozenset({
    "Concat", "ConstantOfShape", "Expand", "Pad", "Range", "Reshape", "Resize", "Tile",
})  # fmt: skip
"""Ops that may give more elements along one axis than they read."""


def shortened(onnx: Any, nodes: Sequence[Any], values: Values) -> tuple[list[Any], list[Any]]:
    """Return the nodes with inputs of unknown shape in place of long values, where elements are
    followed, and these inputs. `values` are what is known without following."""
    names = {name: f"{name} (long)" for name in _long(nodes, values)}
    made = [_reading(node, names) if node.op_type in FOLLOWED else node for node in nodes]
    unknown = onnx.TensorProto.INT64, None
    info = onnx.helper.make_tensor_value_info
    inputs = [
        info(new, values.get(old, unknown)[0] or onnx.TensorProto.INT64, None)
        for old, new in names.items()
    ]
    return made, inputs


def _long(nodes: Sequence[Any], values: Values) -> Iterator[str]:
    """Yield the values that are long, or may be."""
    growing = {name for node in nodes if node.op_type in GROWING for name in node.output if name}
    for name in {**values, **dict.fromkeys(growing)}:
        extents = values.get(name, (0, None))[1]
        if extents in (None, (0,)):
            if name in growing:
                yield name
        elif len(extents) == 1 and extents[0] > LONG:
            yield name


def _reading(node: Any, names: Mapping[str, str]) -> Any:
    """Return a node that reads values by other names."""
    if not names.keys() & {*node.input}:
        return node
    made = type(node)()
    made.CopyFrom(node)
    made.input[:] = [names.get(name, name) for name in node.input]
    return made
