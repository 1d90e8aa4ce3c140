"""The second way to call the kernels, with a clock between them, and how limits are measured."""

import ctypes
from collections import defaultdict
from collections.abc import Iterator
from time import perf_counter

import numpy as np
import pytest

from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.llvm.codegen import parse, target_machine
from mbc.backends.llvm.integer.dots import dot_of
from mbc.backends.llvm.isa import isa_of
from mbc.backends.llvm.lower import LoweredNet, lower
from mbc.backends.llvm.peak import (
    BLOCK_BYTES,
    CHAINS,
    STEPS,
    TRIPS,
    integer_chains,
    integer_operations,
)
from mbc.backends.llvm.profile import LEAST_BYTES, ProfiledNet, profile_module
from mbc.driver.platforms import resolve
from mbc.frontends.weights import initialise
from mbc.int8.quantisation import Quantisation
from mbc.passes.pipelines import O2, with_fuse_mode
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext
from mbc.runtime.pool import TASK, Pool
from mbc.targets.target import Target
from tests.backends.kernel_check import host_target
from tests.example_networks import Example
from tests.quantised_networks import quantised

TICK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32)


def lowered(target: Target) -> LoweredNet:
    graph = Example("shufflenet_v1").graph(resolution="64")
    initialise(graph, seed=0)
    run_pipeline(graph, O2, PassContext(LlvmBackend(target)))
    return lower(graph, target)


@pytest.fixture(scope="module")
def here() -> LoweredNet:
    return lowered(host_target())


@pytest.fixture(scope="module", params=[1, 2, 3])
def net(request: pytest.FixtureRequest, here: LoweredNet) -> Iterator[ProfiledNet]:
    """On so many threads."""
    pool = Pool(request.param) if request.param > 1 else None
    yield ProfiledNet(here, pool)
    if pool:
        pool.close()


def test_the_same_kernels_in_the_same_places(net: ProfiledNet, here: LoweredNet) -> None:
    plain, timed = net.tensors(), net.tensors()
    net.time_once(plain)
    seconds = net.time_kernels(timed)
    np.testing.assert_array_equal(timed[-1], plain[-1])
    assert np.abs(timed[-1]).max() > 0
    assert seconds.shape == (len(here.kernels), 1 + net._threads)
    assert (seconds >= 0).all()
    assert 0 < seconds[:, 0].sum() < 10


def test_what_each_thread_computes(net: ProfiledNet, here: LoweredNet) -> None:
    tensors = net.tensors()
    rows = net.time_kernels(tensors)
    whole, busy = rows[:, 0], rows[:, 1:]
    assert (busy <= whole[:, None] + 1e-6).all(), "within the kernel's time"
    assert (busy.max(axis=1) > 0).all()
    alone = [not kernel.is_dealt for kernel in here.kernels]
    np.testing.assert_array_equal(busy[alone, 0], whole[alone])
    assert not busy[alone, 1:].any()


def test_the_clock_is_read_around_each_kernel(net: ProfiledNet, here: LoweredNet) -> None:
    steps: list[int] = []
    tick = TICK(lambda _, step: steps.append(step))
    tensors = net.tensors()  # the network writes into them
    io, arena = net._io(tensors), net._lend()
    net._profile(*net._arguments(io, arena), ctypes.cast(tick, ctypes.c_void_p).value, None)
    assert steps == list(range(len(here.kernels) + 1))


def test_limits(net: ProfiledNet) -> None:
    (peak,) = net.peaks
    assert peak.kind == "FMA"
    assert 0 < net.peak_gflops(peak) < 1e5
    assert 0 < net.memory_gbs() < 1e5


def test_the_peak_is_worked_for_once_a_task(net: ProfiledNet) -> None:
    task = TASK(net._module.address(f"{net.spec.name}_peak"))

    def seconds(count: int) -> float:
        start = perf_counter()
        task(net._registers.ctypes.data, 0, 0, count)
        return perf_counter() - start

    assert min(seconds(6) for _ in range(5)) > 2 * min(seconds(1) for _ in range(5))


def test_all_of_the_memory_is_read(net: ProfiledNet) -> None:
    """Each thread writes down the bits that were set anywhere in its parts."""
    sinks = net._sinks[64:].view(np.uint32)
    blocks = LEAST_BYTES // BLOCK_BYTES
    memory = np.zeros(LEAST_BYTES // 4, np.uint32)
    where = net._sinks.view(np.uintp)
    weights, where[0] = int(where[0]), memory.ctypes.data
    for place in (0, 1, BLOCK_BYTES // 4, memory.size // 2 + 5, memory.size - 1):
        sinks[:], memory[:] = 0, 0
        memory[place] = 1
        net._time("stream", net._sinks, blocks)
        assert sinks.sum() == 1, f"element {place}"
    where[0] = weights


@pytest.mark.parametrize(
    "name", ["arm64", "armv7", "x86_64", "x86_64-v2", "riscv64", "macos-arm64"]
)
def test_the_module_goes_with_every_target(name: str) -> None:
    target = resolve(name)
    module = parse(profile_module(lowered(target)), target)
    defined = {f.name for f in module.functions if not f.is_declaration}
    assert {f"shufflenet_v1_{word}" for word in ("profile", "peak", "stream")} <= defined


CASES = [
    ("x86_64", "znver4", "", 8, "vnni", 64),
    ("x86_64", "alderlake", "", 8, "vnni", 32),
    ("x86_64", None, "", 8, "madd", 16),
    ("x86_64", "skylake-avx512", "", 8, "madd", 16),
    ("x86_64", None, "", 7, "maddubs", 32),
    ("arm64", "cortex-a76", "", 8, "sdot", 16),
    ("arm64", None, "", 8, "smull2", 16),
    ("arm64", None, "", 7, "smull4", 32),
    ("arm64", "cortex-a76", "+i8mm", 8, "usmmla", 32),
    ("armv7", None, "", 8, "mlal", 4),
    ("riscv64", None, "", 8, "mul", 4),
]
"""Of targets and bits of weights: the unit of their kernels, and the products of a step."""
MULTIPLY = {
    "vnni": "vpdpbusd",
    "madd": "vpmaddwd",
    "maddubs": "vpmaddubsw",
    "sdot": "sdot",
    "smull2": "sadalp",
    "smull4": "sadalp",
    "usmmla": "usmmla",
    "mlal": "vmlal.s16",
    "mul": "vmadd.vv",
}
"""What adds the products of a step up, and of "madd" what multiplies."""


@pytest.mark.parametrize(("machine", "cpu", "more", "bits", "name", "products"), CASES)
def test_the_peak_of_what_multiplies_codes(
    machine: str, cpu: str | None, more: str, bits: int, name: str, products: int
) -> None:
    """It is that of chains of the unit that kernels use, without anything else in the loop."""
    target = resolve(machine, cpu, more or None)
    isa = isa_of(target)
    unit = dot_of(isa, Quantisation({}, weight_bits=bits).largest_weight)
    assert unit.name == name
    assert integer_operations(isa, unit) == 2 * products * CHAINS * STEPS * TRIPS
    text = integer_chains(isa, unit).text("peak", "nounwind", linkage="")
    module = parse("\n".join([*unit.declared, text]), target)
    words = target_machine(target).emit_assembly(module).split()
    assert words.count(MULTIPLY[name]) == CHAINS * STEPS
    loads = sum(words.count(load) for load in ("ldr", "ldp", "vldr", "vld1.32", "vld1.64"))
    assert loads < CHAINS, "no register is spilled"


def test_a_peak_belongs_to_what_a_kernel_multiplies() -> None:
    """Without vectors of bytes for them, depthwise convolutions on codes multiply floats."""
    network = quantised(Example("mobilenet_v1"))

    def peaks(machine: str, cpu: str | None = None) -> dict[str, set[str | None]]:
        target, graph = resolve(machine, cpu), network.copy()
        unfused = with_fuse_mode(O2, "never")
        run_pipeline(graph, unfused, PassContext(LlvmBackend(target)))
        lowered, found = lower(graph, target), defaultdict[str, set[str | None]](set)
        for kernel in lowered.kernels:
            depthwise = "dw" in kernel.layer.name.split(".")
            found["depthwise" if depthwise else kernel.layer.op].add(kernel.peak)
        assert list(lowered.peaks) == ["int8", "FMA"][: 1 + ("FMA" in found["depthwise"])]
        return found

    by_bytes, by_floats = peaks("arm64"), peaks("armv7")
    assert by_bytes["depthwise"] == {"int8"}
    assert by_floats["depthwise"] == {"FMA"}
    for found in (by_bytes, by_floats):
        assert found["conv2d"] == found["dense"] == {"int8"}
        assert found["softmax"] == found["quantize"] == {None}
