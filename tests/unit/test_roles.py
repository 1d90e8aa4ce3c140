"""Operands by role, and what their specs say of channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from inspect import signature

import pytest

from mbc.backends.tvm.legal.nodes import EMITTERS
from mbc.interp.kernels import KERNELS
from mbc.interp.quantized import INTEGER
from mbc.ir.activations import RELU
from mbc.ir.graph import Constant, Graph, Node
from mbc.ir.op import Op, OperandSpec
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView
from mbc.ops import OPS, Add, BatchNorm, Concat, Conv2d, Dense, Fused
from mbc.ops.elementwise import NORM, Activate
from mbc.passes.rewrite import candidate

IMAGE = TensorType((1, 4, 4, 8))
GRAPH = Graph("g")
X, Y = (ChannelView.of(GRAPH.add_input(name, IMAGE)) for name in "xy")
WEIGHT, BIAS = Constant("w", TensorType((1, 1, 8, 8))), Constant("b", TensorType((8,)))


def conv(*operands: Constant | ChannelView | None) -> Node:
    return candidate(Conv2d(), [X, WEIGHT, *operands])


def test_operands_have_roles() -> None:
    node = conv(None, Y)
    assert node["x"] is X
    assert node["weight"] is WEIGHT
    assert node["residual"] is Y
    assert dict(node.items()) == {"x": X, "weight": WEIGHT, "bias": None, "residual": Y}
    assert node.view("residual") is Y
    assert node.constant("weight") is WEIGHT
    assert node.type_of("weight") == WEIGHT.type


def test_what_is_absent_is_none() -> None:
    for node in (conv(), conv(None), conv(None, None), candidate(Activate(RELU), [X])):
        assert node["bias"] is node["residual"] is None
        assert node.constant("bias") is None
        assert node.type_of("residual") is None
    assert conv(BIAS).constant("residual") is None
    assert conv(BIAS).constant("x") is None


def test_a_view_must_be_one() -> None:
    with pytest.raises(TypeError, match="operand 'weight' of conv2d is not a view"):
        conv().view("weight")
    with pytest.raises(TypeError, match="operand 'residual' of conv2d is not a view"):
        conv().view("residual")


def test_operands_with_others_in_some_roles() -> None:
    assert conv().operands_with({"residual": Y}) == (X, WEIGHT, None, Y)
    assert conv(BIAS, Y).operands_with({"x": Y, "residual": None}) == (Y, WEIGHT, BIAS)
    assert conv(BIAS).operands_with({}) == (X, WEIGHT, BIAS)
    with pytest.raises(ValueError, match="relu has no operand residual"):
        candidate(Activate(RELU), [X]).operands_with({"residual": Y})


def test_variadic_operands_are_numbered() -> None:
    node = candidate(Concat(), [X, Y, X])
    assert [role for role, _ in node.items()] == ["x", "x2", "x3"]
    assert node["x2"] is Y
    assert node.operands_with({"x2": X}) == (X, X, X)


def test_operands_of_a_fused_node_are_called_as_in_its_body() -> None:
    body = Graph("rows")
    a, b = (body.add_input(name, IMAGE) for name in ("a", "b"))
    body.set_outputs([body.add(Add(), [a, b]).result])
    node = candidate(Fused("rows", body), [X, Y])
    assert node.items() == (("a", X), ("b", Y))
    assert node["x"] is None


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.mnemonic)
def test_roles_of_an_op_differ(op: type[Op]) -> None:
    names = [spec.name for spec in op.operands]
    assert len({*names}) == len(names)
    assert not any(spec.variadic for spec in op.operands[:-1])


TABLES: dict[str, tuple[Mapping[type[Op], Callable[..., object]], list[str]]] = {
    "oracle": (KERNELS, ["op"]),
    "oracle on integers": (INTEGER, ["node"]),
    "relax": (EMITTERS, ["emit", "op"]),
}
"""Functions that take the operands of an op by position, and what they take before them."""


@pytest.mark.parametrize(
    ("table", "op"), [(name, op) for name, (table, _) in TABLES.items() for op in table]
)
def test_functions_of_an_op_take_its_operands_in_order(table: str, op: type[Op]) -> None:
    """What they call them has to be their roles, then. Only optional ones at the end may be left to
    another function."""
    functions, before = TABLES[table]
    names = [*signature(functions[op]).parameters]
    assert names[: len(before)] == before
    taken = len(names) - len(before)
    if not op.operands[-1].variadic:
        assert names[len(before) :] == [spec.name for spec in op.operands[:taken]]
        assert all(spec.optional for spec in op.operands[taken:])


def test_specs_say_what_constants_are_along() -> None:
    specs = {spec.name: spec for spec in (*Conv2d.operands, *BatchNorm.operands[1:])}
    along = {name: spec.axes for name, spec in specs.items()}
    assert along == {
        "x": ("in",),
        "weight": ("in", "out"),
        "bias": ("out",),
        "residual": ("out",),
        "multiplier": ("out",),
        "slope": ("out",),
        **dict.fromkeys(NORM, ("out",)),
    }
    assert [name for name, spec in specs.items() if spec.statistic] == ["mean", "variance"]
    assert Conv2d(groups=3).channel_groups == 3
    assert Dense().channel_groups == 1


def test_the_fan_in_of_weights() -> None:
    weight = Conv2d.operands[1]
    assert weight.fan_in(TensorType((3, 3, 4, 10))) == 36
    assert weight.fan_in(TensorType((7, 10))) == 7
    assert Conv2d.operands[2].fan_in(TensorType((10,))) == 1
    assert replace(weight, along=()).fan_in(TensorType((7, 10))) == 70


@pytest.mark.parametrize("along", [("out", "in"), ("out", "out"), ("in", "out", "out")])
def test_axes_are_in_one_order(along: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="operand 'w' cannot be along"):
        OperandSpec("w", constant=True, along=along)  # type: ignore[arg-type]


def test_a_constant_is_not_along_inputs_alone() -> None:
    with pytest.raises(ValueError, match="operand 'w' cannot be along in"):
        OperandSpec("w", constant=True, along="in")
