"""Activations that are written out as arithmetic, recognised by what they compute.

A node whose computed operands all come from one value, through ops on single numbers, is a function
of one number. It is evaluated, and where it is an activation of mbc the node becomes that. So
neither the order of factors nor which constants were folded matters:

    x * clip(x + 3, 0, 6) / 6  =  x * clip(x / 6 + 1/2, 0, 1)  =  hard_swish(x)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import erf, inf, isfinite
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np

from mbc.frontends.lowering.model import FLOAT, FLOAT16, Model, Node, live
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.rules.activations import ACTIVATIONS

Array: TypeAlias = np.ndarray

MOST_NODES = 16
"""The longest formula, in nodes."""

MOST_FORMULAS = 2**14
"""How many are compared; all that follows stays arithmetic."""

TOLERANCE = 1e-6
"""How far a formula may be off, with constants that are rounded to float32."""

SLOPE = 2.0**-10
"""How far apart two points are whose slope is taken."""


FAR = 1e30
"""A number at which activations are near their limits; bounds beyond it are none."""


def _points() -> Array:
    """Return the numbers for which functions are compared."""
    sizes = np.concatenate([np.linspace(0, 12, 241), np.geomspace(1e-6, 1e4, 31)])
    return np.concatenate([-sizes, sizes])


NUMERIC: Mapping[str, Callable[..., Array]] = {
    "Abs": np.abs,
    "Add": np.add,
    "Cast": lambda x: np.asarray(x, np.float64),
    "Clip": lambda x, lo=-np.inf, hi=np.inf: np.clip(x, lo, hi),
    "Div": np.divide,
    "Erf": lambda x: np.array([erf(v) for v in x.flat]).reshape(x.shape),
    "Exp": np.exp,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Max": np.maximum,
    "Min": np.minimum,
    "Mul": np.multiply,
    "Neg": np.negative,
    "Pow": np.power,
    "Reciprocal": np.reciprocal,
    "Sub": np.subtract,
    "Sum": lambda *terms: np.asarray(sum(terms)),
    "Where": np.where,
}
"""Ops on numbers that formulas have beside activations, in double precision."""

ENDS = frozenset({"Add", "Clip", "Div", "Max", "Min", "Mul", "Reciprocal", "Sub", "Sum", "Where"})
"""Ops with which formulas of activations end."""


def recognise_activations(model: Model) -> Model:
    """Return the model with one node for each activation that is written out."""
    makers, nodes, tries = dict[str, Made](), list[Node](), iter(range(MOST_FORMULAS))
    for place, node in enumerate(model.nodes):
        known = _recognised(model, makers, node, tries) if node.kind in ENDS else None
        nodes.append(known or node)
        makers.update(dict.fromkeys(node.outputs, (place, nodes[-1])))
    return replace(model, nodes=live(nodes, model.outputs))


Made: TypeAlias = tuple[int, Node | None]
"""The place of a node in the model, and the node that makes a value; none for an input."""


def _recognised(
    model: Model, makers: Mapping[str, Made], node: Node, tries: Iterator[int]
) -> Node | None:
    """Return the activation that computes the same as the longest formula that is one."""
    result = None
    for (root, formula), _ in zip(_formulas(model, makers, node), tries, strict=False):
        with np.errstate(all="ignore"):
            found = _activation_of(partial(_value, model, root, formula))
        if found is not None:
            kind, attributes = found
            result = replace(node, kind=kind, inputs=(root,), attributes=attributes)
    return result


def _activation_of(function: Function) -> tuple[str, Attributes] | None:
    """Return the activation that a function is; None for any other, and where it has a fault."""
    try:
        return _activation(function)
    except Unsupported:
        return None


def _formulas(
    model: Model, makers: Mapping[str, Made], node: Node
) -> Iterator[tuple[str, Sequence[Node]]]:
    """Yield the values that a node is a function of, and the nodes from there to it, for longer and
    longer formulas."""
    formula, open = list[Node](), {*node.outputs}
    last: Node | None = node
    while last is not None and len(formula) < MOST_NODES and _is_numeric(model, last):
        if formula and last.outputs[0] in model.elements:
            break  # it is rounded to codes
        formula.insert(0, last)
        open = open - {*last.outputs} | {n for n in last.inputs if n and n not in model.constants}
        if len(open) == 1 and len(formula) > 1:
            yield next(iter(open)), tuple(formula)
        made = [(-1, None), *(makers[name] for name in open & makers.keys())]
        _, last = max(made, key=itemgetter(0))


def _is_numeric(model: Model, node: Node) -> bool:
    """Whether an op is one on single numbers, other than by channels."""
    if len(node.outputs) != 1 or node.kind not in NUMERIC.keys() | ACTIVATIONS.keys():
        return False
    if node.kind not in NUMERIC and len([*filter(None, node.inputs)]) != 1:
        return False
    if node.kind == "Cast" and node.attributes.get("to") not in (FLOAT, FLOAT16):
        return False
    shape = model.shapes.get(node.outputs[0])
    constants = [model.constants[name] for name in node.inputs if name in model.constants]
    computed = [name for name in node.inputs if name and name not in model.constants]
    same = all(model.shapes.get(name) == shape is not None for name in computed)
    return same and all(array.size == 1 for array in constants)


def _value(model: Model, root: str, formula: Sequence[Node], x: Array) -> Array:
    """Evaluate a formula at points."""
    values = {root: x}
    for node in formula:
        given = [
            values[name] if name in values else model.constants[name].astype(np.float64).ravel()
            for name in node.inputs
            if name
        ]
        values[node.outputs[0]] = _evaluated(node, given)
    return values[formula[-1].outputs[0]]


def _evaluated(node: Node, given: Sequence[Array]) -> Array:
    if node.kind in ACTIVATIONS and len(given) == 1:
        return ACTIVATIONS[node.kind](node).reference(given[0])
    if node.kind == "Clip" and not node.input(1):
        return np.minimum(given[0], given[1]) if node.input(2) else given[0]
    return NUMERIC[node.kind](*given)


WITHOUT_PARAMETERS = ("Relu", "HardSwish", "Swish", "Gelu", "Sigmoid", "Tanh", "Softplus", "Mish")
"""The activations that a function may be as they are."""

Function: TypeAlias = Callable[[Array], Array]
Attributes: TypeAlias = dict[str, Any]


def _activation(function: Function) -> tuple[str, Attributes] | None:
    """Return the ONNX op and attributes of the activation that a function is."""
    points = _points()
    expected, scale = function(points), np.maximum(np.abs(points), 1)
    for kind, attributes in _candidates(function):
        act = ACTIVATIONS[kind](Node(kind, "", (), (), attributes))
        if np.all(np.abs(act.reference(points) - expected) <= TOLERANCE * scale):
            return kind, attributes
    return None


def _candidates(function: Function) -> Iterator[tuple[str, Attributes]]:
    """Yield the activations that a function may be, with the parameters that they would have."""
    yield from ((kind, {}) for kind in WITHOUT_PARAMETERS)
    yield "Gelu", {"approximate": "tanh"}
    below, at, above = function(np.array([-SLOPE, 0.0, SLOPE]))
    alpha = float((above - at) / SLOPE)
    if 0 < at < 1 and alpha:
        yield "HardSigmoid", {"alpha": alpha, "beta": float(at)}
    least, most = function(np.array([-FAR, FAR])).tolist()
    if least <= most:
        bounds = {"min": -inf if least == -FAR else least, "max": inf if most == FAR else most}
        yield "Clip", bounds
    if isfinite(least):
        yield "Elu", {"alpha": -least}
    if below != -SLOPE:
        yield "LeakyRelu", {"alpha": float((at - below) / SLOPE)}
