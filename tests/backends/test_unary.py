"""The natural logarithm in units in the last place, powers relative to their size, and what both
make of zeros, negative numbers and infinities. Everyday runs take each 4099th float32."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest

from mbc.backends.llvm.jit import JitNet
from mbc.backends.llvm.lower import lower
from mbc.interp.unary import unary
from mbc.ops.unary import Log, Pow, Unary
from mbc.targets.target import Target
from tests.backends.kernel_check import Net, host_targets, place_without_overlap
from tests.backends.test_polynomials import (
    CHANNELS,
    CHUNK,
    LEAST,
    Array,
    numbers,
    unit_of,
    values_of,
)


def net_of(op: Unary, count: int, target: Target) -> JitNet:
    """A network that is the op alone."""
    net = Net()
    x = net.input(1, 1, count // CHANNELS, CHANNELS)
    graph = net.outputs(net.graph.add(op, [x]).result)
    place_without_overlap(graph, target)
    return JitNet(lower(graph, target))


def log_error(x: Array, actual: Array) -> float:
    """The largest error in units in the last place of positive normal numbers."""
    with np.errstate(all="ignore"):
        exact = np.log(x.astype(np.float64))
    taken = (x >= LEAST) & np.isfinite(x)
    found, wanted = actual[taken].astype(np.float64), exact[taken]
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(x) | (x <= -LEAST))
    np.testing.assert_array_equal(actual == -inf, np.abs(x) < LEAST)
    return float((np.abs(found - wanted) / unit_of(wanted)).max(initial=0.0))


@pytest.mark.parametrize("isa", host_targets())
def test_log_in_units_in_the_last_place(isa: str, fuzz: bool) -> None:
    net = net_of(Log(), CHUNK, host_targets()[isa])
    errors = [log_error(x, values_of(net, x)) for x in numbers(every=fuzz)]
    assert 0.5 < max(errors) <= 0.85


@pytest.mark.parametrize("isa", host_targets())
@pytest.mark.parametrize("exponent", [0.5, -0.75, 2.5, 10.25, -33.5])
def test_powers_by_no_integers(exponent: float, isa: str) -> None:
    x = np.exp(np.linspace(-80, 80, 1 << 14) / max(abs(exponent), 1)).astype(np.float32)
    actual = values_of(net_of(Pow(exponent), len(x), host_targets()[isa]), x)
    exact = x.astype(np.float64) ** exponent
    assert (np.abs(actual / exact - 1)).max() <= 1e-5


ENDS = (nan, inf, -inf, 0.0, -0.0, -1.0, 1.0, -2.0)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0, -1.0, -2.0, 5.0, 0.5, -1.5])
def test_the_ends_of_powers_are_the_oracles(exponent: float) -> None:
    x = np.resize(np.array(ENDS, np.float32), CHANNELS)
    (isa, *_) = host_targets().values()
    op = Pow(exponent)
    with np.errstate(all="ignore"):
        (expected,) = unary(op, x)
    np.testing.assert_array_equal(values_of(net_of(op, CHANNELS, isa), x), expected)
