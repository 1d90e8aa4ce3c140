"""Seeded random weights, scaled so that signals keep their size through the network.

He's normal distribution for filters and dense weights (arXiv 1502.01852), and batch norms whose
statistics match the predicted moments of their input, with random deviations. The data of a
parameter depends on the seed and its name alone, so adding a layer does not change the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from math import prod
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mbc.diag import error
from mbc.frontends.weights.moments import Inputs, propagate, standard_normal
from mbc.frontends.weights.normal import Moments
from mbc.ir.elements import S32, Element
from mbc.ir.graph import Constant, Graph, Node
from mbc.ir.op import Op, OperandSpec
from mbc.ir.types import TensorType
from mbc.ops.elementwise import Add, Div, Mul, Prelu
from mbc.ops.transposed import TransposedConv
from mbc.records import dataclass

Sample: TypeAlias = npt.NDArray[np.floating]

BETA = 0.75  # deviation of the channels' beta: they must still differ after a global pool
BRANCH = 0.6  # scale of the branch of a residual add: a chain of them must not grow


@dataclass(frozen=True)
class ParameterUse:
    """The context of a parameter, from which its distribution follows."""

    type: TensorType
    """Type of the parameter."""
    fan_in: int
    """Number of its elements that belong to one channel of the result."""
    x: Moments
    """Moments of the node's input."""
    residual: bool
    """Whether the node's result is an operand of an add."""

    @property
    def scale(self) -> float:
        """Scale of a batch norm's output."""
        return BRANCH if self.residual else 1.0


Draw: TypeAlias = Callable[[np.random.Generator, ParameterUse], Sample]


def initialise(graph: Graph, seed: int = 0) -> None:
    """Draw data for every constant that has none.

    Raises E0410 for a quantised network: only a quantiser knows data that fits its scales.

    On standard normal input the outputs of all convolutions, dense layers, batch norms, adds and
    pools of the example networks have standard deviations between 0.3 and 3.
    """
    _refuse_quantised(graph)

    def bind(home: Graph, node: Node, operands: Inputs) -> None:
        for i, operand in enumerate(node.operands):
            if isinstance(operand, Constant) and operand.data is None:
                spec, x = node.op.spec(i), _first(operands, operand.type)
                fan_in = _fan_in(node, spec, operand.type)
                use = ParameterUse(operand.type, fan_in, x, _is_added(home, node))
                sample = _draw(node.op, spec.name)(_generator(seed, operand.name), use)
                operand.data = _frozen(sample, operand.type.element)

    propagate(graph, [standard_normal(value.type) for value in graph.inputs], bind)


def _draw(op: Op, role: str) -> Draw:
    match op:
        case Mul() | Div():
            return _factor
        case Prelu():
            return _slope
    return DRAWS[role]


def _fan_in(node: Node, spec: OperandSpec, type: TensorType) -> int:
    """Return the elements of a constant that one element of the result is made of."""
    phases = prod(node.op.stride) if isinstance(node.op, TransposedConv) else 1
    return max(spec.fan_in(type) // phases, 1)


def _first(operands: Inputs, type: TensorType) -> Moments:
    given = next((x for x in operands if x is not None), None)
    return given.channels if given is not None else standard_normal(type)


def _is_added(graph: Graph, node: Node) -> bool:
    users = graph.users(node.results[0])
    return any(isinstance(user.op, Add) and len(user.views) == 2 for user in users)


def _generator(seed: int, name: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))


def _refuse_quantised(graph: Graph) -> None:
    unbound = [c for c in graph.constants().values() if c.data is None]
    types = [result.type for node in graph.topo() for result in node.results]
    types += [value.type for value in graph.inputs]
    if unbound and not all(type.element.is_float or type.element is S32 for type in types):
        raise error(
            "E0410",
            f"weights of quantised networks are not drawn: {unbound[0]} has no data",
            helps=["--weights FILE.safetensors has data for all constants"],
        )


def _frozen(sample: Sample, element: Element) -> np.ndarray:
    array = np.ascontiguousarray(sample, dtype=element.numpy)
    array.setflags(write=False)
    return array


def _standard(random: np.random.Generator, use: ParameterUse) -> Sample:
    return random.standard_normal(use.type.shape, dtype=np.float32)


def _filter(random: np.random.Generator, use: ParameterUse) -> Sample:
    """Draw with gain 2 for the ReLU that follows a convolution, 1 for a dense layer.

    The sample is scaled to have exactly this gain: that of a few weights may be far off.
    """
    sample = _standard(random, use)
    gain = 2 if use.type.rank == 4 else 1
    power = np.mean(np.square(sample), dtype=np.float64)
    sample *= np.float32(np.sqrt(gain / (power * use.fan_in)))
    return sample


def _bias(random: np.random.Generator, use: ParameterUse) -> Sample:
    return random.normal(0, 0.1, use.type.shape)


def _factor(random: np.random.Generator, use: ParameterUse) -> Sample:
    """Draw around one, for constants that multiply or divide."""
    return random.uniform(0.8, 1.2, use.type.shape)


def _slope(random: np.random.Generator, use: ParameterUse) -> Sample:
    """Draw around the 1/4 with which training begins in PyTorch."""
    return _factor(random, use) / 4


def _gamma(random: np.random.Generator, use: ParameterUse) -> Sample:
    return random.uniform(0.8, 1.2, use.type.shape) * use.scale


def _beta(random: np.random.Generator, use: ParameterUse) -> Sample:
    """Draw the quantiles of a normal distribution in random order, so that even a layer of a dozen
    channels has negative ones."""
    count = use.type.elements
    quantiles = [NormalDist().inv_cdf((i + 0.5) / count) for i in range(count)]
    return random.permutation(quantiles).reshape(use.type.shape) * BETA * use.scale


def _mean(random: np.random.Generator, use: ParameterUse) -> Sample:
    offset = random.normal(0, 0.1, use.type.shape)
    return use.x.mean + offset * np.sqrt(use.x.variance)


def _variance(random: np.random.Generator, use: ParameterUse) -> Sample:
    """Draw around the second moment about zero, not the variance: the excess damps errors of the
    estimate. Normalised by the variance alone, they would grow by pi/(pi-1) with each ReLU, as
    batch norm makes gradients grow (arXiv 1902.08129)."""
    expected = use.x.variance + np.mean(use.x.mean**2)
    return np.maximum(expected, 1e-3) * random.uniform(0.8, 1.25, use.type.shape)


DRAWS: dict[str, Draw] = {
    "weight": _filter,
    "bias": _bias,
    "a": _bias,
    "b": _bias,
    "gamma": _gamma,
    "beta": _beta,
    "mean": _mean,
    "variance": _variance,
    "slope": _slope,
}
"""How the constants in each role are drawn; quantised layers alone have others."""
