"""Kernels on codes against the oracle, bit for bit: on this machine and, under qemu, on others.

There everyday runs try each case on one machine; `make fuzz` on all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from mbc.backends.llvm.integer.dots import (
    OF_EXTENSION,
    OF_ISA,
    SMALL_WEIGHT,
    dot_of,
    unit_of_product,
)
from mbc.backends.llvm.integer.narrow import NARROWINGS, OF_DOTS, mixed_order
from mbc.backends.llvm.integer.strips import strips_of
from mbc.backends.llvm.isa import DOTS, ISAS, WIDE, Isa, isa_of
from mbc.backends.llvm.jit import JitNet
from mbc.backends.llvm.lower import lower
from mbc.backends.llvm.window import Part
from mbc.driver.platforms import resolve
from mbc.interp import run
from mbc.ir.elements import Q8, S8
from mbc.ir.graph import Graph
from mbc.ir.types import TensorType
from mbc.ops import Conv2d, Quantize
from mbc.runtime.pool import Pool
from mbc.targets.target import Target
from tests.backends.emulated import MACHINES, build, output_of
from tests.backends.integer_cases import GIVEN, MADE, Net, integer_cases
from tests.backends.integer_windows import stems, windows
from tests.backends.kernel_check import host_targets, place_without_overlap, poisoned
from tests.backends.standing_in import runnable
from tests.everyday import part_of
from tests.guarded import Guarded
from tests.quantised_graphs import codes, random_graph
from tests.scatter import Scatter

CASES = dict(integer_cases())
TARGETS = host_targets()
if resolve("native").family == "x86_64":
    v2 = resolve("x86_64-v2")
    TARGETS["sse"] = replace(v2, name="native")
    TARGETS["avxvnni"] = replace(TARGETS["avx2"], features=("+avxvnni",))
ARM64 = MACHINES["arm64"]
DOTPROD = replace(
    ARM64, target=replace(ARM64.target, name="dotprod", features=("+dotprod",)), cpu="max"
)
SMALL = [t for t in TARGETS if dot_of(isa_of(TARGETS[t]), SMALL_WEIGHT).largest == SMALL_WEIGHT]
LANES = range(1, 17)
"""Numbers of channels up to the lanes of the widest vectors."""
OTHERS = {**MACHINES, "dotprod": DOTPROD}


def inputs_of(graph: Graph, seed: int = 1) -> dict[str, np.ndarray]:
    return {value.name: codes(seed, value.type) for value in graph.inputs}


def check(graph: Graph, target: Target) -> None:
    """On one thread and on three that are dealt single tasks."""
    wanted = run(graph, inputs_of(graph))
    place_without_overlap(graph, target)
    check_placed(graph, wanted, target)


def check_placed(
    graph: Graph,
    wanted: Mapping[str, np.ndarray],
    target: Target,
    given: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Likewise for a graph whose memory is planned, of given inputs if there are any."""
    inputs, net = given or inputs_of(graph), JitNet(runnable(lower(graph, target)))
    pools: tuple[Pool | None, ...] = (None, Scatter(3, seed=3))
    for pool in pools:
        with poisoned():
            found = net.on(pool)(inputs)
        for name, array in wanted.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype


def _is_product(name: str) -> bool:
    """Whether a case has a product, between padded tensors."""
    others = ("pool", "relu6", "reshape", "transpose", "shuffle", "add", "pad")
    return name.endswith("-padded") and not name.startswith(others)


PRODUCTS = [name for name in CASES if _is_product(name)]


@pytest.mark.parametrize(
    ("name", "isa"),
    part_of(product(CASES, TARGETS), lambda name, isa: isa != "avxvnni" or name in PRODUCTS[::2]),
)
def test_kernels_equal_the_oracle(name: str, isa: str) -> None:
    check(CASES[name](), TARGETS[isa])


WINDOWS = dict(windows())


@pytest.mark.parametrize(
    ("name", "isa"),
    part_of(
        product(WINDOWS, TARGETS),
        lambda name, isa: isa == ("avx512" if name.endswith("dense") else "avxvnni"),
    ),
)
def test_strips_of_windows_equal_the_oracle(name: str, isa: str) -> None:
    check(WINDOWS[name](), TARGETS[isa])


STEMS = dict(stems())


def test_strips_cover_all_channels_in_the_least_time() -> None:
    def widths(channels: int) -> list[int]:
        strips = strips_of(Part(channels, channels, channels), (64, 32, 16))
        covered = {c for first, width in strips for c in range(first, first + width)}
        assert covered == set(range(channels))
        return [strip.width for strip in strips]

    assert [*map(widths, (16, 24, 32, 58, 96))] == [[16], [16, 16], [32], [32, 32], [64, 32]]
    assert [*map(widths, (116, 144, 150))] == [[64, 64], [64, 64, 16], [64, 64, 32]]


@pytest.mark.parametrize("isa", TARGETS)
@pytest.mark.parametrize("name", [name for name in STEMS if name.endswith("-dense")])
def test_windows_of_images_equal_the_oracle_and_read_nothing_beyond(name: str, isa: str) -> None:
    graph = STEMS[name]()
    ((x, array),) = inputs_of(graph).items()
    wanted = run(graph, {x: array})
    place_without_overlap(graph, TARGETS[isa])
    for low in (False, True):
        memory = Guarded(array.nbytes, low=low)
        memory.bytes[:] = array.ravel()
        given = memory.bytes.reshape(array.shape)
        check_placed(graph, wanted, TARGETS[isa], {x: given})


NUMBERS = (np.nan, np.inf, -np.inf, 3e38, -3e38, 3e9, -3e9, 6.4e7, -6.5e7, -0.0, 0.015, 0.045)


@pytest.mark.parametrize("isa", TARGETS)
def test_any_number_becomes_a_code(isa: str) -> None:
    net, shape = Net(), (1, 3, 13, 5)
    x = net.graph.add_input("x", TensorType(shape))
    elements = (GIVEN, MADE, Q8.of(0.2, 255))
    results = [net.graph.add(Quantize(to=element), [x]).result for element in elements]
    net.graph.set_outputs(results, ["a", "b", "c"])
    count = x.type.elements
    numbers = np.resize(np.array(NUMBERS, np.float32), count).reshape(shape)
    wanted = run(net.graph, {"x": numbers})
    place_without_overlap(net.graph, TARGETS[isa])
    check_placed(net.graph, wanted, TARGETS[isa], {"x": numbers})


@pytest.mark.parametrize("isa", TARGETS)
def test_any_number_of_channels_is_added(isa: str) -> None:
    net = Net()
    inputs = [net.graph.add_input(f"x{n}", TensorType((1, 1, 3, n), GIVEN)) for n in (*LANES, 24)]
    results = [net.residual(x, x, Conv2d(to=MADE), x.type.channels) for x in inputs]
    net.graph.set_outputs(results, [f"y{x.type.channels}" for x in inputs])
    check(net.graph, TARGETS[isa])


@pytest.mark.parametrize("seed", part_of(((n,) for n in range(2000)), lambda seed: seed < 60))
def test_random_networks_equal_the_oracle(seed: int) -> None:
    graph = random_graph(seed, nodes=8, reorders=False, wide=True)
    check(graph, next(iter(TARGETS.values())))


PADDED = [name for name in (*CASES, *STEMS) if name.endswith("-padded")]


@pytest.mark.parametrize(
    ("name", "part"),
    part_of(product(OTHERS, range(len(OTHERS))), lambda name, part: [*OTHERS].index(name) == part),
)
def test_other_machines_equal_the_oracle(tmp_path: Path, name: str, part: int) -> None:
    machine, cases = OTHERS[name], PADDED[part :: len(OTHERS)]
    graphs = [(CASES | STEMS)[case]() for case in cases]
    for number, graph in enumerate(graphs):
        graph.name = f"case{number}"
        place_without_overlap(graph, machine.target)
    nets = [lower(graph, machine.target) for graph in graphs]
    program = build(nets, nets, tmp_path, machine)
    given = [inputs_of(graph) for graph in graphs]
    data = b"".join(array.tobytes() for inputs in given for array in inputs.values())
    results, wrong = output_of(program, machine, data), []
    for case, graph, inputs in zip(cases, graphs, given, strict=True):
        for wanted in run(graph, inputs).values():
            actual, results = np.split(results, [wanted.size])
            if not np.array_equal(actual.reshape(wanted.shape), wanted):
                wrong.append(case)
    assert wrong == []
    assert results.size == 0


def test_every_instruction_set_has_a_unit() -> None:
    assert {*ISAS, *(isa.name for isa in WIDE.values())} == OF_ISA.keys()
    assert {name for names in DOTS.values() for name in names} == OF_EXTENSION.keys()


@pytest.fixture
def dots_of_bytes(lanes: int, monkeypatch: pytest.MonkeyPatch) -> Target:
    """A target as if this machine had VPDPBUSD, on vectors of so many lanes."""
    target = next(iter(TARGETS.values()))
    unit = replace(isa_of(target), dots="avx512vnni", register="")  # longer than its registers
    monkeypatch.setattr(Isa, "of_dots", property(lambda isa: replace(isa, lanes=lanes)))
    for module in ("backend", "lower", "addresses"):
        monkeypatch.setattr(f"mbc.backends.llvm.{module}.isa_of", lambda _: unit)
    monkeypatch.setitem(OF_DOTS, "avx512vnni", None)
    return target


def with_small_weights(graph: Graph) -> Graph:
    """The same with weights of 7 bits, the largest of either sign next to each other."""
    for constant in graph.constants().values():
        if constant.type.element is S8:
            constant.data = constant.array // 2
            constant.data.flat[:4] = SMALL_WEIGHT, SMALL_WEIGHT, -SMALL_WEIGHT, -SMALL_WEIGHT
    return graph


def test_small_weights_have_a_unit_of_their_own() -> None:
    assert {*SMALL} == {name for name in TARGETS if name in ("avx2", "sse")}


@pytest.mark.parametrize("isa", SMALL)
@pytest.mark.parametrize("name", part_of(((n,) for n in PRODUCTS), lambda n: n in PRODUCTS[::3]))
def test_kernels_of_small_weights_equal_the_oracle(name: str, isa: str) -> None:
    graph = with_small_weights(CASES[name]())
    check(graph, TARGETS[isa])
    names = [kernel.name for kernel in lower(graph, TARGETS[isa]).kernels]
    assert any("maddubs" in each for each in names) == any("madd" in each for each in names)


@pytest.mark.parametrize(
    ("name", "lanes"),
    part_of(
        product(PRODUCTS, (8, 16)),
        lambda name, lanes: PRODUCTS.index(name) % 8 == lanes // 4,
        "{}-{}".format,
    ),
)
def test_dot_products_of_bytes_equal_the_oracle(name: str, dots_of_bytes: Target) -> None:
    check(CASES[name](), dots_of_bytes)


@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_codes_that_were_narrowed_are_put_in_order(lanes: int) -> None:
    """By what PACKSSDW and PACKUSWB do in each block of four lanes."""

    def packed(a: np.ndarray, b: np.ndarray, block: int) -> np.ndarray:
        blocks = [part.reshape(-1, block) for part in (a, b)]
        return np.concatenate(blocks, axis=1).ravel()

    vectors = np.arange(4 * lanes).reshape(4, lanes)
    halves = [packed(a, b, 4) for a, b in (vectors[:2], vectors[2:])]
    words = packed(halves[0], halves[1], 8).reshape(-1, 4)
    np.testing.assert_array_equal(words[mixed_order(lanes)].ravel(), np.arange(4 * lanes))


@pytest.mark.parametrize("mcpu", ["alderlake", "sierraforest", "haswell"])
def test_dot_products_of_ymm_registers_are_used(mcpu: str) -> None:
    target = resolve("x86_64", mcpu, "+avxvnni" if mcpu == "haswell" else None)
    assert (target.isa, dot_of(isa_of(target), SMALL_WEIGHT).name) == ("avx2", "vnni")
    text = lower_text(target)
    assert "call <8 x i32> @llvm.x86.avx512.vpdpbusd.256" in text
    assert "call <8 x i32> @llvm.x86.avx2.pmadd" not in text


@pytest.mark.parametrize(
    ("mcpu", "mattr", "name"),
    [
        ("znver4", "+prefer-256-bit", "vnni"),
        ("znver4", "-avx512vnni,+prefer-256-bit", "maddubs"),
        ("alderlake", "-avxvnni", "maddubs"),
        ("haswell", "+avx512vnni", "maddubs"),
        ("haswell", None, "maddubs"),
    ],
)
def test_avx_vnni_or_how_avx_512_encodes_it(mcpu: str, mattr: str | None, name: str) -> None:
    target = resolve("x86_64", mcpu, mattr)
    assert (target.isa, dot_of(isa_of(target), SMALL_WEIGHT).name) == ("avx2", name)


@pytest.mark.parametrize(
    ("mcpu", "channels", "bits"),
    [
        ("alderlake", 16, {128}),
        ("alderlake", 32, {256}),
        ("alderlake", 48, {128, 256}),
        ("znver4", 80, {128, 512}),
        ("znver4", 96, {256, 512}),
        ("haswell", 32, set()),
    ],
)
def test_windows_are_multiplied_by_registers_that_channels_fill(
    mcpu: str, channels: int, bits: set[int]
) -> None:
    net, target = Net(), resolve("x86_64", mcpu)
    x = net.graph.add_input("x", TensorType((1, 4, 5, channels), GIVEN))
    op = Conv2d(pad=(1, 1, 1, 1), groups=channels, to=MADE)
    net.graph.set_outputs([net.conv(x, op, (3, 3), channels)])
    place_without_overlap(net.graph, target)
    calls = re.findall(r"call .* @llvm\.x86\.avx512\.vpdpbusd\.(\d+)", lower(net.graph, target).ir)
    assert {int(each) for each in calls} == bits


def test_dot_products_of_zmm_registers_are_used() -> None:
    target = resolve("x86_64-v4", mcpu="znver4")
    text = lower_text(target)
    assert dot_of(isa_of(target)).name == "vnni"
    assert "vpdpbusd.512" in text
    assert "packuswb.512" in text


def test_half_vectors_are_used_where_they_save_more_than_they_cost() -> None:
    isa, wide = (isa_of(resolve("x86_64-v4", mcpu=cpu)) for cpu in ("znver4", "sapphirerapids"))
    deep, shallow = 96, 8
    lanes = {n: unit_of_product(isa, deep, n).lanes for n in (8, 16, 24, 32, 40, 1000)}
    assert lanes == {8: 8, 16: 16, 24: 8, 32: 16, 40: 8, 1000: 16}
    assert unit_of_product(isa, shallow, 24).lanes == 16
    assert unit_of_product(wide, deep, 24).lanes == 16


def test_instructions_that_narrow_are_used_where_there_are_any() -> None:
    assert OF_ISA.keys() - NARROWINGS.keys() == {"neon32", "neon32-vfp3", "rvv128"}


def test_dot_products_are_used_where_the_cpu_has_them() -> None:
    assert dot_of(isa_of(resolve("rpi5"))).name == "sdot"
    assert dot_of(isa_of(resolve("rpi4"))).name == "smull2"
    assert dot_of(isa_of(resolve("rpi4")), depth=9).name == "mlal"
    assert dot_of(isa_of(resolve("rpi4")), largest=63).name == "smull4"
    assert dot_of(isa_of(resolve("arm64", None, "+i8mm"))).name == "usmmla"
    assert "sdot" in lower_text(resolve("rpi5"))
    assert "sdot" not in lower_text(resolve("arm64"))


def lower_text(target: Target) -> str:
    graph = CASES["conv-2.3.5.16-1.1-1.1-0.0.0.0-1.1-n24g1-padded"]()
    place_without_overlap(graph, target)
    return lower(graph, target).ir
