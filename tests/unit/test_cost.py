"""The cost model reckons with the facts of the target's core, each of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.llvm.isa import isa_of
from mbc.driver.platforms import resolve
from mbc.ir.graph import Node
from mbc.ir.text.parser import parse
from mbc.targets.architectures.aarch64 import AARCH64
from mbc.targets.architectures.x86_64 import X86_64
from mbc.targets.target import Target

NET = """
graph @g(%x: f32[1,112,112,64]) {{
  const @w : f32[1,1,64,128]
  %0 = conv2d(%x, @w) : f32[1,112,112,128] {schedule}
  return %0
}}
"""
CORE = replace(AARCH64.core, l3=16384)


def layer(schedule: str = "") -> Node:
    (node,) = parse(NET.format(schedule=schedule)).topo()
    return node


def cycles(node: Node, isa: str = "neon", /, **facts: Any) -> float:
    triple = (AARCH64 if isa == "neon" else X86_64.architecture).triple
    target = Target("t", triple, "generic", isa, model=replace(CORE, **facts))
    return LlvmBackend(target).predict(node).cycles


@pytest.mark.parametrize(
    ("schedule", "slower"),
    [
        ("", {"units": 1}),
        ("", {"lanes": 2}),
        ("", {"l2": 8 * 1024}),  # of which the second cache cannot hold half
        ("", {"l3": 0}),
        ("", {"l3": 4 * 1024}),
        ("schedule strassen", {"accesses": 1}),
        ("schedule strassen", {"units": 1}),
        ("schedule strassen", {"l3": 0}),
    ],
)
def test_a_smaller_core_takes_longer(schedule: str, slower: dict[str, int]) -> None:
    node = layer(schedule)
    assert cycles(node, **slower) > cycles(node, **({"l2": 32 * 1024} if "l2" in slower else {}))


def test_memory_counts_where_no_cache_holds_a_tensor() -> None:
    node = layer()
    assert cycles(node, memory=2.0) == cycles(node)
    assert cycles(node, l3=0, memory=2.0) > cycles(node, l3=0)


def test_weights_of_strassens_method_come_from_the_third_cache_or_memory() -> None:
    def added(**facts: Any) -> float:
        return cycles(layer("schedule strassen"), **facts) - cycles(layer(), **facts)

    assert added() < added(l3=0) < added(l3=0, memory=2.0)
    assert added(memory=2.0) == pytest.approx(added())


def test_accesses_cost_sums_alone() -> None:
    assert cycles(layer(), accesses=1) == cycles(layer())


def test_wider_units_than_vectors_gain_nothing() -> None:
    node = layer()
    assert cycles(node, lanes=16) == cycles(node)
    assert cycles(node, "avx2", lanes=16) == cycles(node, "avx2", lanes=8)
    assert cycles(node, "avx2", lanes=8) < cycles(node, "avx2", lanes=4)


def test_products_take_half_where_two_units_have_16_lanes() -> None:
    node, fast = layer(), {"l1": 1 << 20, "l2": 1 << 20}
    four, eight, sixteen = (cycles(node, "avx512", lanes=n, **fast) for n in (4, 8, 16))
    assert eight - sixteen == pytest.approx((four - eight) / 2)


@pytest.mark.parametrize(
    ("cpu", "unit"),
    [
        ("x86-64-v4", "avx512"),
        ("icelake-client", "avx512"),
        ("znver4", "avx512"),
        ("znver5", "avx512wide"),
        ("skylake-avx512", "avx512wide"),
        ("icelake-server", "avx512wide"),
        ("emeraldrapids", "avx512wide"),
        ("haswell", "avx2"),
    ],
)
def test_products_use_long_vectors_where_two_units_multiply_them(cpu: str, unit: str) -> None:
    assert isa_of(resolve("x86_64", cpu)).name == unit


def test_without_facts_an_architectures_own_core_counts() -> None:
    node = layer()
    plain = Target("t", AARCH64.triple, "cortex-a53", "neon")
    given = replace(plain, model=AARCH64.core)
    assert LlvmBackend(plain).predict(node) == LlvmBackend(given).predict(node)
