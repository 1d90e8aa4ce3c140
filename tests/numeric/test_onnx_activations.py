"""Activations of ONNX models, as ops and written out, compute what onnxruntime computes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi, sqrt
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from mbc.frontends.lowering.formulas import ENDS, NUMERIC
from mbc.frontends.lowering.rules.activations import ACTIVATIONS
from mbc.ir.activations import (
    RELU,
    Activation,
    Clip,
    Elu,
    Gelu,
    GeluTanh,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Mish,
    Selu,
    Sigmoid,
    Silu,
    Softplus,
    Tanh,
)
from mbc.ir.graph import Graph
from mbc.ops.elementwise import Activate
from tests.onnx_models import Drawing, agree, imported


@dataclass(frozen=True)
class Term:
    """A value of a drawing, with Python's operators for nodes."""

    d: Drawing
    name: str = "x"

    def op(self, kind: str, *others: Term | float | None, **attributes: Any) -> Term:
        """A node that reads it first; numbers have no axes, None is absent."""
        names = [self.number(o, ()) if isinstance(o, int | float) else o for o in others]
        given = ["" if n is None else n if isinstance(n, str) else n.name for n in names]
        return Term(self.d, self.d.op(kind, self.name, *given, **attributes))

    def number(self, value: float, shape: tuple[int, ...] | None = None) -> str:
        """A constant of one element, in turns with no axes, one and as many as x."""
        shapes = ((), (1,), (1, 1, 1, 1))
        shape = shapes[len(self.d.constants) % 3] if shape is None else shape
        return self.d.constant(np.full(shape, value), np.float32)

    def _with(self, kind: str, other: Term | float, *, first: bool = True) -> Term:
        name = other.name if isinstance(other, Term) else self.number(other)
        return Term(self.d, self.d.op(kind, *((self.name, name) if first else (name, self.name))))

    def __add__(self, other: Term | float) -> Term:
        return self._with("Add", other)

    def __radd__(self, other: float) -> Term:
        return self._with("Add", other, first=False)

    def __sub__(self, other: Term | float) -> Term:
        return self._with("Sub", other)

    def __mul__(self, other: Term | float) -> Term:
        return self._with("Mul", other)

    def __rmul__(self, other: float) -> Term:
        return self._with("Mul", other, first=False)

    def __truediv__(self, other: Term | float) -> Term:
        return self._with("Div", other)

    def __neg__(self) -> Term:
        return self.op("Neg")

    def __pow__(self, other: float) -> Term:
        return self._with("Pow", other)


Draw: TypeAlias = Callable[[Term], Term]

OPS: dict[str, tuple[Activation, Draw]] = {
    "Elu": (Elu(0.7), lambda x: x.op("Elu", alpha=0.7)),
    "HardSigmoid": (HardSigmoid(0.2, 0.5), lambda x: x.op("HardSigmoid")),
    "HardSigmoid of PyTorch": (HardSigmoid(), lambda x: x.op("HardSigmoid", alpha=1 / 6)),
    "HardSwish": (HardSwish(), lambda x: x.op("HardSwish")),
    "LeakyRelu": (LeakyRelu(), lambda x: x.op("LeakyRelu")),
    "Mish": (Mish(), lambda x: x.op("Mish")),
    "Relu": (RELU, lambda x: x.op("Relu")),
    "Selu": (Selu(), lambda x: x.op("Selu")),
    "Selu with parameters": (Selu(0.7, 1.5), lambda x: x.op("Selu", alpha=0.7, gamma=1.5)),
    "Softplus": (Softplus(), lambda x: x.op("Softplus")),
    "Sigmoid": (Sigmoid(), lambda x: x.op("Sigmoid")),
    "Tanh": (Tanh(), lambda x: x.op("Tanh")),
    "Gelu": (Gelu(), lambda x: x.op("Gelu")),
    "Gelu by tanh": (GeluTanh(), lambda x: x.op("Gelu", approximate="tanh")),
}
"""By name, from opset 20 on."""


def cubic(x: Term, cube: Term) -> Term:
    """What is beside x / 2 in gelu_tanh."""
    return ((x + 0.044715 * cube) * sqrt(2 / pi)).op("Tanh") + 1


def cut(x: Term) -> Term:
    """Softplus as PyTorch has it, which is x above 20."""
    return x.op("Greater", 20).op("Where", x, x.op("Softplus"))


WRITTEN: tuple[tuple[Activation, Draw], ...] = (
    (HardSwish(), lambda x: x * (x + 3).op("Clip", 0, 6) / 6),
    (HardSwish(), lambda x: x * ((x + 3).op("Clip", 0, 6) / 6)),
    (HardSwish(), lambda x: x * (x + 3).op("Clip", 0, 6) * (1 / 6)),
    (HardSwish(), lambda x: x * x.op("HardSigmoid", alpha=1 / 6)),
    (HardSwish(), lambda x: (x / 6 + 0.5).op("Clip", 0, 1) * x),
    (HardSwish(), lambda x: x * (3 + x).op("Max", 0).op("Min", 6) / 6),
    (HardSwish(), lambda x: x * (x + 3).op("Relu").op("Clip", None, 6) / 6),
    (HardSigmoid(), lambda x: (x + 3).op("Clip", 0, 6) / 6),
    (HardSigmoid(0.2, 0.5), lambda x: (0.2 * x + 0.5).op("Clip", 0, 1)),
    (Silu(), lambda x: x * x.op("Sigmoid")),
    (Silu(), lambda x: x.op("Sigmoid") * x),
    (Silu(), lambda x: x / (1 + (-x).op("Exp"))),
    (Sigmoid(), lambda x: (1 + (-x).op("Exp")).op("Reciprocal")),
    (Tanh(), lambda x: 2 * (2 * x).op("Sigmoid") - 1),
    (Gelu(), lambda x: x * (1 + (x / sqrt(2)).op("Erf")) * 0.5),
    (Gelu(), lambda x: 0.5 * x * ((x / sqrt(2)).op("Erf") + 1)),
    (GeluTanh(), lambda x: 0.5 * x * cubic(x, x * x * x)),
    (GeluTanh(), lambda x: x * cubic(x, x**3) * 0.5),
    (LeakyRelu(0.1), lambda x: (0.1 * x).op("Max", x)),
    (LeakyRelu(0.25), lambda x: x.op("Relu") - 0.25 * (-x).op("Relu")),
    (LeakyRelu(0.25), lambda x: x.op("Relu") + (-x).op("Relu") * -0.25),
    (HardSigmoid(0.2, 0.5), lambda x: (0.5 + x * 0.2).op("Max", 0).op("Min", 1)),
    (RELU, lambda x: x - x.op("Min", 0)),
    (Mish(), lambda x: x * x.op("Softplus").op("Tanh")),
    (Mish(), lambda x: x * cut(x).op("Tanh")),
    (Softplus(), cut),
    (Elu(0.5), lambda x: x.op("Less", 0).op("Where", 0.5 * (x.op("Exp") - 1), x)),
    (Clip(-1.0, 2.0), lambda x: x.op("LessOrEqual", -1).op("Where", -1, x).op("Min", 2)),
    (LeakyRelu(0.5), lambda x: 0.75 * x + 0.25 * x.op("Abs")),
    (LeakyRelu(0.1), lambda x: x.op("GreaterOrEqual", 0).op("Where", x, 0.1 * x)),
    (LeakyRelu(0.25), lambda x: x.op("Relu").op("Sum", (-x).op("Relu") * -0.25)),
    (Silu(), lambda x: x.op("Cast", to=1) * x.op("Sigmoid")),
)
"""Formulas of exporters and of people."""


def drawn(draw: Draw, folder: Path, opset: int = 18) -> Graph:
    """The graph of one, which agrees with onnxruntime."""
    term = draw(Term(Drawing(opset)))
    return agree(term.d, folder, term.name)


def acts(graph: Graph) -> list[Activation]:
    """The activations of a graph that has nothing else."""
    ops = [node.op for node in graph.topo()]
    assert all(isinstance(op, Activate) for op in ops)
    return [op.act for op in ops if isinstance(op, Activate)]


@pytest.mark.parametrize("name", OPS)
def test_ops(name: str, tmp_path: Path) -> None:
    act, draw = OPS[name]
    assert acts(drawn(draw, tmp_path, opset=20)) == [act]


@pytest.mark.parametrize(("act", "draw"), WRITTEN)
def test_what_is_written_out(act: Activation, draw: Draw, tmp_path: Path) -> None:
    assert acts(drawn(draw, tmp_path)) == [act]


def test_swish(tmp_path: Path) -> None:
    """Of an opset that onnxruntime does not have yet."""
    term = Term(Drawing(24)).op("Swish", alpha=1.0)
    graph = imported(term.d.model(term.name), tmp_path)
    assert acts(graph) == [Silu()]
    graph = imported(term.d.model(term.op("Swish", alpha=1.7).name), tmp_path)
    assert [node.op.label for node in graph.topo()] == ["silu", "mul", "sigmoid", "mul"]


def test_what_computes_otherwise_stays_as_it_is(tmp_path: Path) -> None:
    """One number a channel, other numbers, and lines."""
    others: dict[Draw, list[str]] = {
        lambda x: (x + Term(x.d, x.d.weight(8, 1, 1))).op("Clip", 0, 6) / 6: [
            "add",
            "relu6",
            "div",
        ],
        lambda x: (x + 3).op("Clip", 0, 6) / 5: ["add", "relu6", "div"],
        lambda x: x * (1.702 * x).op("Sigmoid"): ["mul", "sigmoid", "mul"],
        lambda x: x / 6 + 0.5: ["div", "add"],
    }
    for draw, ops in others.items():
        assert [node.op.label for node in drawn(draw, tmp_path).topo()] == ops


def test_parts_that_are_used_elsewhere_are_kept(tmp_path: Path) -> None:
    x = Term(Drawing())
    gate = (x + 3).op("Clip", 0, 6)
    graph = agree(x.d, tmp_path, (x * gate / 6).name, gate.name)
    assert [node.op.label for node in graph.topo()] == ["add", "relu6", "hard_swish"]


def kinds(draw: Draw) -> list[str]:
    """The ops of a drawing."""
    return [node.op_type for node in draw(Term(Drawing())).d.nodes]


def test_tables() -> None:
    """Each op is drawn, by itself, in formulas, and as the last one of them."""
    assert {kind for _, draw in OPS.values() for kind in kinds(draw)} == {*ACTIVATIONS} - {
        "Clip",
        "Swish",
    }
    assert {*NUMERIC} <= {kind for _, draw in WRITTEN for kind in kinds(draw)}
    assert {kinds(draw)[-1] for _, draw in WRITTEN} == ENDS
