"""Activations: what an element goes through by itself, as an op or in another op's epilogue.

Each is a frozen value with the one formula that defines it, `reference`; the oracle evaluates it.
To add one: docs/writing-an-op.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from math import erfc, inf, pi, sqrt
from typing import ClassVar, TypeAlias, cast, get_args

import numpy as np

from mbc.records import dataclass

Range: TypeAlias = tuple[float, float]


class Spelled:
    """What all activations inherit: their text, and that they do more than clip."""

    @property
    def bounds(self) -> Range | None:
        """What it clips to; None for an activation that does more."""
        return None

    def __str__(self) -> str:
        return spelling(cast("Activation", self))


@dataclass(frozen=True)
class Clip(Spelled):
    """min(max(x, lo), hi); NaN stays."""

    name: ClassVar[str] = "clip"

    lo: float = -inf
    hi: float = inf

    def __post_init__(self) -> None:
        if not self.lo <= self.hi:
            raise ValueError(f"clip needs lo <= hi, found {self.lo:g} and {self.hi:g}")

    @property
    def range(self) -> Range:
        """The least and the largest result."""
        return self.lo, self.hi

    @property
    def bounds(self) -> Range:
        """What it clips to."""
        return self.range

    def reference(self, x: np.ndarray) -> np.ndarray:
        """Evaluate elementwise."""
        clipped: np.ndarray = np.clip(x, self.lo, self.hi)
        return clipped


@dataclass(frozen=True)
class LeakyRelu(Spelled):
    """x above 0, else alpha * x."""

    name: ClassVar[str] = "leaky_relu"
    range: ClassVar[Range] = (-inf, inf)

    alpha: float = 0.01

    def reference(self, x: np.ndarray) -> np.ndarray:
        """Evaluate elementwise."""
        return np.where(x > 0, x, x * x.dtype.type(self.alpha))


@dataclass(frozen=True)
class Sigmoid(Spelled):
    """1 / (1 + exp(-x))."""

    name: ClassVar[str] = "sigmoid"
    range: ClassVar[Range] = (0.0, 1.0)

    def reference(self, x: np.ndarray) -> np.ndarray:
        """Evaluate elementwise, without overflow."""
        power = np.exp(-np.abs(x))
        result: np.ndarray = np.where(x < 0, power, x.dtype.type(1)) / (1 + power)
        return result


@dataclass(frozen=True)
class HardSigmoid(Spelled):
    """clip(alpha * x + beta, 0, 1)."""

    name: ClassVar[str] = "hard_sigmoid"
    range: ClassVar[Range] = (0.0, 1.0)

    alpha: float = 1 / 6
    beta: float = 0.5

    def reference(self, x: np.ndarray) -> np.ndarray:
        """Evaluate elementwise."""
        line = x * x.dtype.type(self.alpha) + x.dtype.type(self.beta)
        clipped: np.ndarray = np.clip(line, 0, 1)
        return clipped


@dataclass(frozen=True)
class HardSwish(Spelled):
    """x * clip(x / 6 + 1/2, 0, 1), arXiv 1905.02244; 0 of minus infinity."""

    name: ClassVar[str] = "hard_swish"
    range: ClassVar[Range] = (-0.376, inf)  # -3/8 at -3/2, before rounding

    def reference(self, x: np.ndarray) -> np.ndarray:
        """Evaluate elementwise."""
        share = np.clip(x / 6 + x.dtype.type(0.5), 0, 1)
        product: np.ndarray = np.maximum(x, -3) * share
        return product


@dataclass(frozen=True)
class Silu(Spelled):
    """x / (1 + exp(-x)), also called swish; 0 of minus infinity."""

    name: ClassVar[str] = "silu"
    range: ClassVar[Range] = (-0.2785, inf)  # -0.27846 at -1.27846

    def reference(self, x: np.ndarray) -> np.ndarray:
        """Evaluate elementwise."""
        product: np.ndarray = np.maximum(x, -LARGE) * Sigmoid().reference(x)
        return product


@dataclass(frozen=True)
class Tanh(Spelled):
    """tanh(x)."""

    name: ClassVar[str] = "tanh"
    range: ClassVar[Range] = (-1.0, 1.0)

    def reference(self, x: np.ndarray) -> np.ndarray:
        """Evaluate elementwise."""
        result: np.ndarray = np.tanh(x)
        return result


@dataclass(frozen=True)
class Gelu(Spelled):
    """x * (1 + erf(x / sqrt(2))) / 2, arXiv 1606.08415; 0 of minus infinity."""

    name: ClassVar[str] = "gelu"
    range: ClassVar[Range] = (-0.1702, inf)  # -0.16997 at -0.75179

    def reference(self, x: np.ndarray) -> np.ndarray:
        """Evaluate elementwise, in double precision."""
        share = np.array([erfc(v) for v in (x * -sqrt(0.5)).flat], np.float64) / 2
        product: np.ndarray = np.maximum(x, -LARGE) * share.reshape(x.shape).astype(x.dtype)
        return product


@dataclass(frozen=True)
class GeluTanh(Spelled):
    """x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))) / 2, close to gelu."""

    name: ClassVar[str] = "gelu_tanh"
    range: ClassVar[Range] = (-0.1702, inf)  # -0.17004 at -0.75246

    def reference(self, x: np.ndarray) -> np.ndarray:
        """Evaluate elementwise; beyond LARGE, tanh is 1."""
        near = np.clip(x, -LARGE, LARGE)
        share = 1 + np.tanh((near + near**3 * x.dtype.type(0.044715)) * x.dtype.type(sqrt(2 / pi)))
        product: np.ndarray = np.maximum(x, -LARGE) * share / 2
        return product


@dataclass(frozen=True)
class Elu(Spelled):
    """x above 0, else alpha * (exp(x) - 1), arXiv 1511.07289."""

    name: ClassVar[str] = "elu"

    alpha: float = 1.0

    @property
    def range(self) -> Range:
        """The least and the largest result."""
        return min(-self.alpha, 0.0), inf

    def reference(self, x: np.ndarray) -> np.ndarray:
        """Evaluate elementwise."""
        below = np.expm1(np.minimum(x, 0)) * x.dtype.type(self.alpha)
        return np.where(x > 0, x, below)


@dataclass(frozen=True)
class Selu(Spelled):
    """gamma * x above 0, else gamma * alpha * (exp(x) - 1), arXiv 1706.02515."""

    name: ClassVar[str] = "selu"

    alpha: float = 1.67326319217681884765625
    gamma: float = 1.05070102214813232421875

    @property
    def range(self) -> Range:
        """The least and the largest result."""
        end = -self.alpha * self.gamma
        return (min(end, 0.0), inf) if self.gamma > 0 else (-inf, max(end, 0.0))

    def reference(self, x: np.ndarray) -> np.ndarray:
        """Evaluate elementwise."""
        below = np.expm1(np.minimum(x, 0)) * x.dtype.type(self.alpha * self.gamma)
        result: np.ndarray = np.where(x > 0, x * x.dtype.type(self.gamma), below)
        return result


@dataclass(frozen=True)
class Softplus(Spelled):
    """log(1 + exp(x))."""

    name: ClassVar[str] = "softplus"
    range: ClassVar[Range] = (0.0, inf)

    def reference(self, x: np.ndarray) -> np.ndarray:
        """Evaluate elementwise, without overflow."""
        result: np.ndarray = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
        return result


@dataclass(frozen=True)
class Mish(Spelled):
    """x * tanh(log(1 + exp(x))), arXiv 1908.08681; 0 of minus infinity."""

    name: ClassVar[str] = "mish"
    range: ClassVar[Range] = (-0.3089, inf)  # -0.30884 at -1.19256

    def reference(self, x: np.ndarray) -> np.ndarray:
        """Evaluate elementwise."""
        product: np.ndarray = np.maximum(x, -LARGE) * np.tanh(Softplus().reference(x))
        return product


LARGE = 1000.0  # below minus this, what tends to 0 is 0

Activation: TypeAlias = (
    Clip
    | LeakyRelu
    | Sigmoid
    | HardSigmoid
    | HardSwish
    | Silu
    | Tanh
    | Gelu
    | GeluTanh
    | Elu
    | Selu
    | Softplus
    | Mish
)
"""Every activation; what handles them matches all and ends with `assert_never`."""

Smooth: TypeAlias = Sigmoid | Silu | Tanh | Gelu | GeluTanh | Elu | Selu | Softplus | Mish
"""Those that are made of exponentials."""

KINDS: Mapping[str, type[Activation]] = {kind.name: kind for kind in get_args(Activation)}
"""The activations by name, in the order in which they are listed."""

RELU = Clip(0.0)
RELU6 = Clip(0.0, 6.0)  # MobileNetV2, arXiv 1801.04381

SHORT: Mapping[str, Activation] = {"relu": RELU, "relu6": RELU6}
"""Those that text has names of their own for."""


def short_name(act: Activation) -> str:
    """Return the name in text: its own, or that of its kind."""
    own = (name for name, known in SHORT.items() if known == act)
    return next(own, act.name)


def parameters(act: Activation) -> Iterator[tuple[str, float]]:
    """Yield the parameters that are not at their defaults, which text says after the name."""
    if act in SHORT.values():
        return
    for field in fields(act):
        value = getattr(act, field.name)
        if value != field.default:
            yield field.name, float(value)


def spelling(act: Activation) -> str:
    """`relu`, or `clip(lo=-1.0, hi=1.0)`."""
    given = ", ".join(f"{name}={value!r}" for name, value in parameters(act))
    return f"{short_name(act)}({given})" if given else short_name(act)


def identifier(act: Activation) -> str:
    """Return the spelling as part of a name in C: `relu`, `clip_lom1p0_hi1p0`."""
    parts = [short_name(act), *(f"{name}{value!r}" for name, value in parameters(act))]
    return "_".join(parts).translate(_IN_NAMES)


_IN_NAMES = str.maketrans({"-": "m", ".": "p", "+": None})


def parse(name: str, given: Mapping[str, float]) -> Activation:
    """Return the activation of a name and parameters.

    Raises KeyError if there is none of that name, TypeError if it has not those parameters,
    ValueError if it does not take their values.
    """
    if name not in SHORT:
        return KINDS[name](**given)
    if given:
        raise TypeError(f"{name} has no parameters")
    return SHORT[name]


def changes_nothing(act: Activation, after: Activation) -> bool:
    """Whether an activation leaves every result of another as it is."""
    least, most = after.range
    return act.bounds is not None and act.bounds[0] <= least and most <= act.bounds[1]


def replaces(act: Activation, before: Activation) -> bool:
    """Whether an activation gives the same without the one before it."""
    return before.bounds is not None and changes_nothing(before, act) and act.bounds is not None


def parameter_names(name: str) -> tuple[str, ...]:
    """Return what text may say after the name of an activation."""
    return () if name in SHORT else tuple(field.name for field in fields(KINDS[name]))


def names() -> tuple[str, ...]:
    """Return what text may call an activation."""
    return (*SHORT, *KINDS)
