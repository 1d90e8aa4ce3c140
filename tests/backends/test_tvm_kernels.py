"""The C functions that TVM calls, with a runtime of the test's in TVM's place."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from mbc.backends.llvm.jit import JitModule, aligned_bytes
from mbc.backends.tvm.cpu.kernels import Call, CpuKernels, symbol
from mbc.interp import run
from mbc.ir.activations import RELU
from mbc.ir.graph import Graph
from mbc.ir.views import ChannelView
from mbc.ops import Conv2d
from mbc.passes.fuse_depthwise_pointwise import FuseDepthwisePointwise
from mbc.passmgr.passes import PassContext
from tests.backends.kernel_check import Net, host_target
from tests.e2e.support import relative_error
from tests.fake_backend import FakeBackend

LAMBDA = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
LAUNCH = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
LEND = ctypes.CFUNCTYPE(
    ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_uint64, ctypes.c_int, ctypes.c_int
)
RETURN = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_void_p)

ROWS = 1481
"""So many that threads share them."""


class Group(ctypes.Structure):
    """TVMParallelGroupEnv."""

    _fields_ = (("sync", ctypes.c_void_p), ("members", ctypes.c_int32))


class Runtime:
    """TVM's three functions: parts of a launch run one after the other, in any order."""

    def __init__(self, members: int, *, memory: bool = True) -> None:
        self.members, self.memory = members, memory
        self.lent: dict[int, np.ndarray] = {}
        self.launches = 0
        self.functions = (LAUNCH(self._launch), LEND(self._lend), RETURN(self._return))

    def _launch(self, part: int, context: int, members: int) -> int:
        assert members == 0, "TVM chooses"
        self.launches += 1
        group = Group(None, self.members)
        call = LAMBDA(part)
        statuses = [
            call(i, ctypes.addressof(group), context) for i in reversed(range(self.members))
        ]
        return int(min(statuses))

    def _lend(self, device: int, number: int, size: int, code: int, bits: int) -> int | None:
        assert (device, number) == (1, 0), "the CPU"
        if not self.memory:
            return None
        block = aligned_bytes(size)
        self.lent[block.ctypes.data] = block
        return block.ctypes.data

    def _return(self, device: int, number: int, address: int) -> int:
        del self.lent[address]
        return 0


def connect(module: JitModule, runtime: Runtime) -> None:
    """What the loader of TVM's runtime does."""
    names = ("ParallelLaunch", "AllocWorkspace", "FreeWorkspace")
    for name, function in zip(names, runtime.functions, strict=True):
        address = module.address(f"__TVMBackend{name}")
        pointer = ctypes.cast(function, ctypes.c_void_p).value
        ctypes.c_void_p.from_address(address).value = pointer


def strip_of_rows(rows: int) -> Graph:
    """A fused depthwise and pointwise convolution, which has scratch and a task for some rows."""
    net = Net()
    x = net.input(1, rows, 6, 8)
    depthwise = Conv2d(pad=(1, 1, 1, 1), groups=8, act=RELU)
    y = net.graph.add(depthwise, [x, net.constant(3, 3, 1, 8), net.constant(8)]).result
    z = net.graph.add(Conv2d(), [y, net.constant(1, 1, 8, 24), net.constant(24)]).result
    graph = net.outputs(z)
    FuseDepthwisePointwise().run(graph, PassContext(FakeBackend()))
    assert [node.op.label for node in graph.topo()] == ["fused"]
    return graph


@pytest.fixture
def graph() -> Graph:
    return strip_of_rows(ROWS)


def compiled(graph: Graph) -> tuple[JitModule, Call]:
    kernels = CpuKernels(host_target())
    (node,) = graph.topo()
    call = kernels.call(node)
    return JitModule(kernels.ir(), host_target()), call


def invoke(module: JitModule, call: Call, graph: Graph, x: np.ndarray) -> tuple[int, np.ndarray]:
    y = np.full(graph.outputs[0].type.shape, np.nan, np.float32)
    assert call.weights is not None
    weights = aligned_bytes(call.weights.nbytes).view(np.float32)
    weights[:] = call.weights
    pointers = [x.ctypes.data, weights.ctypes.data, y.ctypes.data]
    prototype = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * len(pointers))
    return prototype(module.address(symbol(call.name)))(*pointers), y


def wanted(graph: Graph, x: np.ndarray) -> np.ndarray:
    (y,) = run(graph, {"x": x}).values()
    return y


@pytest.mark.parametrize("members", [1, 2, 3, 5, 64])
def test_every_task_is_done_by_one_member(graph: Graph, members: int) -> None:
    module, call = compiled(graph)
    runtime = Runtime(members)
    connect(module, runtime)
    x = np.random.default_rng(0).standard_normal((1, ROWS, 6, 8), np.float32)
    status, y = invoke(module, call, graph, x)
    assert status == 0
    assert runtime.launches == 1
    assert runtime.lent == {}, "scratch is given back"
    assert relative_error(y, wanted(graph, x)) <= 1e-5


@pytest.mark.parametrize("scratch", [True, False])
def test_subnormal_numbers_are_flushed_meanwhile(graph: Graph, *, scratch: bool) -> None:
    for constant in graph.constants().values():
        if constant.type.rank == 1:
            constant.data = np.zeros(constant.type.shape, np.float32)
    if not scratch:
        net = Net()
        x = net.input(1, ROWS, 6, 8)
        graph = net.outputs(net.graph.add(Conv2d(), [x, net.constant(1, 1, 8, 24)]).result)
    module, call = compiled(graph)
    runtime = Runtime(3)
    connect(module, runtime)
    small = np.full((1, ROWS, 6, 8), 1e-39, np.float32)
    status, y = invoke(module, call, graph, small)
    assert (status, runtime.launches) == (0, 1)
    assert not y.any()
    assert (small + small).all(), "this thread computes with them as before"


def test_without_memory_for_scratch_it_says_so(graph: Graph) -> None:
    module, call = compiled(graph)
    connect(module, Runtime(2, memory=False))
    status, y = invoke(module, call, graph, np.zeros((1, ROWS, 6, 8), np.float32))
    assert status == -1
    assert np.isnan(y).all()


@pytest.mark.parametrize("rows", [1, 37])
def test_what_takes_no_time_needs_no_threads(rows: int) -> None:
    graph = strip_of_rows(rows)
    module, call = compiled(graph)
    runtime = Runtime(4)
    connect(module, runtime)
    x = np.ones((1, rows, 6, 8), np.float32)
    status, y = invoke(module, call, graph, x)
    assert (status, runtime.launches) == (0, 0)
    assert relative_error(y, wanted(graph, x)) <= 1e-5


def test_kernels_read_operands_of_several_values() -> None:
    net = Net()
    a, b = net.input(1, 3, 3, 5, name="a"), net.input(1, 3, 3, 4, name="b")
    both = ChannelView.concat([ChannelView.of(a), ChannelView.of(b)])
    y = net.graph.add(Conv2d(), [both, net.constant(1, 1, 9, 7)]).result
    net.outputs(y)
    call = CpuKernels(host_target()).call(next(iter(net.graph.topo())))
    assert call.shapes[:2] == ((1, 3, 3, 5), (1, 3, 3, 4))
    assert call.shapes[-1] == (1, 3, 3, 7)
