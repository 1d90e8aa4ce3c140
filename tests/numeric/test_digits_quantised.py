"""The trained digit networks on codes: what is lost, in which layer, and by which method."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from examples.digits.data import CALIBRATION, FOLDER, NETWORKS, held_out_digits, weights_file
from mbc.driver.accounts import Account, account
from mbc.driver.calibration import Inputs, calibrate, prepared
from mbc.driver.corrections import corrected
from mbc.frontends.dsl import load_network
from mbc.frontends.weights import load_weights
from mbc.int8.quantisation import Quantisation, Range
from mbc.interp import run
from mbc.ir.graph import Graph
from mbc.passes.quantising.rewrite import rewrite
from mbc.passmgr.passes import PassResult
from tests.quantised_networks import signal_to_noise


@cache
def network(name: str, batch: int) -> Graph:
    """A digit network as it is measured, for so many digits at a time."""
    graph = load_network(FOLDER / f"{name}.py", None).trace({"softmax": "false"}, batch)
    load_weights(graph, weights_file(name))
    return prepared(graph)


@cache
def samples() -> Inputs:
    with np.load(CALIBRATION) as arrays:
        return {"input": arrays["input"]}


@cache
def measured(name: str, method: str = "minmax", bits: int = 8) -> Quantisation:
    graph = network(name, 300)
    return calibrate(graph, [samples()], method=method, weight_bits=bits)


def on_codes(real: Graph, found: Quantisation) -> Graph:
    copy = real.clone()
    rewrite(copy, found, PassResult())
    return copy


def costs(name: str, found: Quantisation) -> Account:
    """What is lost on a third of the digits that were held out."""
    digits = held_out_digits().take(np.arange(0, 359, 3))
    real = network(name, len(digits))
    return account(real, on_codes(real, found), [{"input": digits.inputs()}], digits.labels)


FLOORS = {"mobilenet_v1": 38.8, "mobilenet_v2": 37.9, "shufflenet_v1": 33.6}
"""Signal to noise of the logits, in dB: a decibel below what per-channel min-max has given."""


def test_all_are_held_to_a_floor() -> None:
    assert set(FLOORS) == set(NETWORKS)


@pytest.mark.parametrize("name", NETWORKS)
def test_digits_keep_their_signal(name: str) -> None:
    found = costs(name, measured(name))
    assert found.outputs["output"] >= FLOORS[name]
    assert found.agreement is not None
    assert found.accuracy is not None
    assert found.agreement >= 0.99
    assert min(found.accuracy) >= 0.98
    assert not found.advised


def signal(name: str, found: Quantisation) -> float:
    """Signal to noise of the logits of the samples themselves."""
    real = network(name, 300)
    (wanted,) = run(real, samples()).values()
    (ours,) = run(on_codes(real, found), samples()).values()
    return signal_to_noise(ours, wanted)


def test_the_methods_differ_little() -> None:
    plain = signal("mobilenet_v1", measured("mobilenet_v1"))
    for found in (measured("mobilenet_v1", "mse"), with_corrections("mobilenet_v1")):
        value = signal("mobilenet_v1", found)
        assert value >= plain - 0.5
        assert value != plain
    fewer = signal("mobilenet_v1", measured("mobilenet_v1", bits=7))
    assert plain - 6 <= fewer < plain


def with_corrections(name: str) -> Quantisation:
    real, found = network(name, 300), measured(name)
    return corrected(real, on_codes(real, found), found, [samples()])


def test_mse_never_widens_a_range() -> None:
    plain, found = measured("mobilenet_v1"), measured("mobilenet_v1", "mse")
    assert found.ranges.keys() == plain.ranges.keys()
    assert all(r.span <= plain.ranges[name].span for name, r in found.ranges.items())
    assert any(r.span < plain.ranges[name].span for name, r in found.ranges.items())


@pytest.mark.parametrize("spoiled", ["blocks.2.dw.relu", "blocks.4.pw.relu"])
def test_the_table_finds_a_layer_that_is_spoiled(spoiled: str) -> None:
    """Its own noise tells, though all layers after it suffer too."""
    found = measured("mobilenet_v1")
    assert spoiled in found.ranges
    wide = Range(0.0, found.ranges[spoiled].high * 40)
    worse = costs("mobilenet_v1", replace(found, ranges={**found.ranges, spoiled: wide}))
    assert worse.layers[0].name == spoiled
    assert [layer.name for layer in worse.advised] == [spoiled]
    assert min(worse.layers, key=lambda layer: layer.total).name != "stem.conv.relu"
    kept = costs("mobilenet_v1", calibrate_without(spoiled))
    assert kept.outputs["output"] > 38.8 > worse.outputs["output"] + 5


def calibrate_without(name: str) -> Quantisation:
    return calibrate(network("mobilenet_v1", 300), [samples()], keep_float=frozenset([name]))
