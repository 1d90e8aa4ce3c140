"""exp and the activations made of it: errors in units in the last place, and the same bits on every
CPU that fuses multiply-adds. Everyday runs take each 4099th float32, and all near the ends of the
formulas; `make fuzz` takes all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import erfc, sqrt
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from mbc.backends.llvm import polynomials
from mbc.backends.llvm.formula import Lanes
from mbc.backends.llvm.jit import JitNet
from mbc.backends.llvm.lower import LoweredNet, lower
from mbc.ir.activations import (
    RELU,
    Elu,
    Gelu,
    GeluTanh,
    Mish,
    Selu,
    Sigmoid,
    Silu,
    Softplus,
    Tanh,
)
from mbc.ops.elementwise import Activate
from mbc.targets.target import Target
from tests.backends.emulated import MACHINES, build, output_of
from tests.backends.kernel_check import Net, host_target, host_targets, place_without_overlap

Array = np.ndarray
CHUNK, CHANNELS = 1 << 20, 64
STRIDE = 4099
ENDS = (88.72283, -87.33654, -103.97208, 0.8, 9.0, 10.0, 16.635532, 1e-30)
"""Where results overflow or become 0 or 1, and where formulas change; of either sign."""
LEAST = np.float64(2.0**-126)
MOST = np.float64(2.0**128 - 2.0**103)


@dataclass(frozen=True)
class Polynomial:
    """A function of vectors, what it should be in double precision, and how many units in the last
    place it may be off."""

    vector: Callable[[Lanes], Lanes]
    exact: Callable[[Array], Array]
    units: float


def _exponential(x: Lanes) -> Lanes:
    return Lanes(x.f, polynomials.exponential(x.f, x.name))


FUNCTIONS = {
    "exp": Polynomial(_exponential, np.exp, 1.1),
    "sigmoid": Polynomial(polynomials.sigmoid, Sigmoid().reference, 1.7),
    "silu": Polynomial(polynomials.silu, Silu().reference, 1.8),
    "tanh": Polynomial(polynomials.tanh, Tanh().reference, 1.1),
    "elu": Polynomial(lambda x: polynomials.elu(x, 1.0), Elu().reference, 1.1),
    "selu": Polynomial(lambda x: polynomials.selu(x, 1.5, 0.5), Selu(1.5, 0.5).reference, 1.8),
    "softplus": Polynomial(polynomials.softplus, Softplus().reference, 1.8),
    "mish": Polynomial(polynomials.mish, Mish().reference, 2.7),
}
GELUS = {
    "gelu": Polynomial(polynomials.gelu, Gelu().reference, 0.5),
    "gelu_tanh": Polynomial(polynomials.gelu_tanh, GeluTanh().reference, 0.5),
}
GELU_ERROR = {"gelu": 1e-7, "gelu_tanh": 5e-8}  # beyond half a unit in the last place


def lowered(name: str, count: int, target: Target) -> LoweredNet:
    """A network that is the function alone."""
    net = Net()
    x = net.input(1, 1, count // CHANNELS, CHANNELS)
    graph = net.outputs(net.graph.add(Activate(RELU), [x]).result)
    graph.name = f"of_{name}"
    place_without_overlap(graph, target)
    vector = (FUNCTIONS | GELUS)[name].vector
    with patch(
        "mbc.backends.llvm.kernels.elementwise.activate",
        lambda f, x, _: vector(Lanes(f, x)).name,
    ):
        return lower(graph, target)


def values_of(net: JitNet, x: Array) -> Array:
    """The function of so many numbers."""
    (y,) = net({"x": x.reshape(1, 1, -1, CHANNELS)}).values()
    return y.ravel()


def numbers(*, every: bool) -> Iterator[Array]:
    """All float32, or some, in chunks."""
    step = 1 if every else STRIDE
    for first in range(0, 1 << 32, step * CHUNK):
        bits = first + step * np.arange(CHUNK, dtype=np.uint64)
        yield bits.astype(np.uint32).view(np.float32)
    ends = np.array([*ENDS, *(-end for end in ENDS)], np.float32).view(np.uint32)
    near = np.arange(-CHUNK // 2, CHUNK // 2, dtype=np.int64) // len(ends)
    yield (np.resize(ends, CHUNK) + near).astype(np.uint32).view(np.float32)


def unit_of(exact: Array) -> Array:
    """The unit in the last place of a float32 of that size."""
    exponent = (np.abs(exact).view(np.int64) >> 52) - 23
    unit: Array = (np.maximum(exponent, 1023 - 149) << 52).view(np.float64)
    return unit


def worst(name: str, x: Array, actual: Array) -> float:
    """The largest error; what is not a normal number must be the right one."""
    with np.errstate(all="ignore"):
        exact = (FUNCTIONS | GELUS)[name].exact(x.astype(np.float64))
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(x))
    small, large = np.abs(exact) < LEAST, np.abs(exact) >= MOST
    assert (np.abs(actual[small]) <= LEAST).all()
    np.testing.assert_array_equal(actual[large], np.copysign(np.float32(np.inf), exact[large]))
    normal = ~(small | large | np.isnan(x))
    exact, found = exact[normal], actual[normal].astype(np.float64)
    return float((np.abs(found - exact) / unit_of(exact)).max(initial=0.0))


@pytest.mark.parametrize("isa", host_targets())
@pytest.mark.parametrize("name", FUNCTIONS)
def test_errors_in_units_in_the_last_place(name: str, isa: str, fuzz: bool) -> None:
    net = JitNet(lowered(name, CHUNK, host_targets()[isa]))
    errors = [worst(name, x, values_of(net, x)) for x in numbers(every=fuzz)]
    assert 0.5 < max(errors) <= FUNCTIONS[name].units


@pytest.mark.parametrize("name", GELUS)
def test_gelus_absolute_error(name: str) -> None:
    """Of what is near 0, close together, and of all magnitudes."""
    near = np.linspace(-14, 14, 1 << 17, dtype=np.float32)
    x = np.concatenate([near, *(chunk[:: 1 << 4] for chunk in numbers(every=False))])
    x = x[: len(x) // CHANNELS * CHANNELS]
    actual = values_of(JitNet(lowered(name, len(x), host_target())), x)
    with np.errstate(all="ignore"):
        exact = GELUS[name].exact(x.astype(np.float64))
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(x))
    x, actual, exact = (array[np.isfinite(exact)] for array in (x, actual, exact))
    error = np.abs(actual - exact) - unit_of(exact) / 2
    assert GELU_ERROR[name] / 4 < error.max() <= GELU_ERROR[name]
    assert (actual[x < -14] == 0).all()


def test_gelu_is_made_of_the_error_function() -> None:
    x = np.array([-3.0, -0.5, 0.0, 1.0, 4.0])
    expected = [v * erfc(-v / sqrt(2)) / 2 for v in x]
    np.testing.assert_allclose(Gelu().reference(x), expected, rtol=1e-14)


def _sample() -> Array:
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 1 << 32, 1 << 13, dtype=np.uint32).view(np.float32)
    near = rng.standard_normal(1 << 13, np.float32) * np.float32(6)
    ends = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 88.72284, -87.33654, 1e-30], np.float32)
    return np.concatenate([bits, near, np.resize(ends, CHANNELS)])


def _bits(y: Array, x: Array) -> Array:
    """Results as bits; NaN are alike, and what may or may not be flushed."""
    flushed = (np.abs(y) <= LEAST) | (np.abs(x) < 4 * LEAST)
    normal = np.where(flushed, np.float32(0), y)
    return np.where(np.isnan(y), np.float32(np.nan), normal).view(np.uint32)


@pytest.mark.parametrize("name", MACHINES)
def test_all_cpus_give_the_same_bits(name: str, tmp_path: Path) -> None:
    machine, x = MACHINES[name], _sample()
    nets = [lowered(function, len(x), machine.target) for function in FUNCTIONS | GELUS]
    program = build(nets, nets, tmp_path, machine)
    answers = np.split(output_of(program, machine, x.tobytes() * len(nets)), len(nets))
    for function, answer in zip(FUNCTIONS | GELUS, answers, strict=True):
        here = values_of(JitNet(lowered(function, len(x), host_target())), x)
        np.testing.assert_array_equal(_bits(answer, x), _bits(here, x), err_msg=function)
