"""Values that are too long for onnx's shape inference are not followed."""

import onnx
import pytest
from onnx import TensorProto, helper

from mbc.frontends.onnx.importer.long_values import LONG, Values, shortened

INT, FLOAT = TensorProto.INT64, TensorProto.FLOAT
FOLLOWED = ["Add", "Cast", "Concat", "Gather", "Mul", "Slice", "Squeeze", "Sub", "Unsqueeze"]
GROWING = ["Concat", "ConstantOfShape", "Expand", "Pad", "Range", "Reshape", "Resize", "Tile"]


def read_by(kind: str, extents: Values) -> list[str]:
    """What a node of a kind reads of y, which another one makes of x."""
    maker = "Expand" if "y" not in extents else "Identity"
    nodes = [helper.make_node(maker, ["x"], ["y"]), helper.make_node(kind, ["y", "x"], ["z"])]
    made, inputs = shortened(onnx, nodes, extents)
    names = {value.name for value in inputs}
    assert names >= {name for name in made[1].input if "long" in name}
    return [*made[1].input]


@pytest.mark.parametrize("kind", FOLLOWED)
def test_long_values_are_not_followed(kind: str) -> None:
    values = {"x": (FLOAT, (LONG + 1,)), "y": (INT, (LONG,))}
    assert read_by(kind, values) == ["y", "x (long)"]
    assert read_by(kind, {"x": (INT, (2,)), "y": (INT, (LONG + 1,))}) == ["y (long)", "x"]
    assert read_by(kind, {"x": (INT, (LONG + 1, 1)), "y": (INT, None)}) == ["y", "x"]


def test_others_read_what_they_did() -> None:
    assert read_by("Conv", {"x": (FLOAT, (LONG + 1,)), "y": (INT, (LONG + 1,))}) == ["y", "x"]


@pytest.mark.parametrize("kind", GROWING)
def test_values_of_unknown_length_are_not_followed(kind: str) -> None:
    nodes = [helper.make_node(kind, ["x"], ["y"]), helper.make_node("Add", ["y", "x"], ["z"])]
    for extents in (None, (0,)):
        made, inputs = shortened(onnx, nodes, {"y": (FLOAT, extents)})
        assert [*made[1].input] == ["y (long)", "x"]
        assert [value.type.tensor_type.elem_type for value in inputs] == [FLOAT]
    made, _ = shortened(onnx, nodes, {"y": (INT, (0, 0))})
    assert [*made[1].input] == ["y", "x"]
    assert [*nodes[1].input] == ["y", "x"]
