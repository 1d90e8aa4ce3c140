"""Lowering of a planned graph to one LLVM module: a kernel per node, and their caller.

Layout of the module: shared kernel functions; a wrapper per node with the ABI
`void k(const io*, const weights*, arena*, scratch*, begin, end)`, or two where the memory plans for
one thread and for several place its values differently; a function that pools call for each node
with several tasks; `NET_invoke(io, weights, arena, pool)`, which calls all wrappers in order.
interface.py adds the functions of a C library.
"""

from __future__ import annotations

from collections import Counter

from mbc.alignment import round_up
from mbc.backends.llvm.addresses import Addresses
from mbc.backends.llvm.backend import LlvmBackend, builder_of
from mbc.backends.llvm.cost import fewest_tasks
from mbc.backends.llvm.integer import kernels as integer
from mbc.backends.llvm.integer.dots import Dot
from mbc.backends.llvm.integer.multiplier import multiplier
from mbc.backends.llvm.invoke import WRAPPER_PARAMETERS, Call, KernelInfo, invoke_ir
from mbc.backends.llvm.isa import Isa, isa_of
from mbc.backends.llvm.kernels.base import Kernel, Library, Site
from mbc.backends.weights import WeightsBlob, packed_array
from mbc.ir.graph import Graph, Node
from mbc.ir.views import ChannelView
from mbc.ops.cost import Layer, layers
from mbc.ops.outputs import with_plain_outputs
from mbc.records import dataclass
from mbc.runtime.abi import NetSpec, interface_of
from mbc.runtime.names import net_identifier
from mbc.runtime.timing import FMA, INT8
from mbc.targets.elements import on_codes, refuse_elements
from mbc.targets.kernels import refuse_bodies, refuse_ops
from mbc.targets.schedules import refuse_schedules
from mbc.targets.target import Target


@dataclass(frozen=True)
class LoweredNet:
    """A network as LLVM IR text and one blob of packed weights."""

    spec: NetSpec
    """Tensors, sizes and names of the interface."""
    target: Target
    """The target of the code."""
    kernel_ir: str
    """The kernels and the wrappers of nodes."""
    weights: bytes
    """The packed weights of all kernels."""
    calls: tuple[Call, ...]
    """The calls of kernels, in order."""

    @property
    def ir(self) -> str:
        """The module that defines `NET_invoke` and the functions that it calls."""
        return self.module()

    def module(self, linkage: str = "") -> str:
        """Return the module with `NET_invoke` of a given linkage ("hidden ")."""
        invoke = invoke_ir(isa_of(self.target), self.spec, self.calls, linkage)
        return f"{self.kernel_ir}\n{invoke}"

    @property
    def kernels(self) -> tuple[KernelInfo, ...]:
        """The kernels called, in order."""
        return tuple(call.info for call in self.calls)

    @property
    def peaks(self) -> dict[str, Dot | None]:
        """What the peaks of its multiply-adds are of, that of most first, and the unit that
        computes most of those on codes."""
        work = Counter[str]()
        units = Counter[Dot]()
        for kernel in self.kernels:
            if kernel.peak:
                work[kernel.peak] += kernel.layer.macs
            if kernel.unit:
                units[kernel.unit] += kernel.layer.macs
        first = units.most_common(1)
        unit = {FMA: None, INT8: first[0][0] if first else None}
        return {kind: unit[kind] for kind, _ in work.most_common()} or {FMA: None}


def lower(graph: Graph, target: Target) -> LoweredNet:
    """Lower a graph whose memory is planned to kernels and the code that calls them.

    Without a memory plan for several threads, these use the one for a single thread, and kernels
    whose result overlaps an operand run on one thread. Raises E0509 for element types without
    kernels, E0517 for such ops and bodies, and E0516 for schedules that kernels do not support.
    """
    refuse_elements(graph, f"LLVM for {target.name}", integer.refusal)
    backend = LlvmBackend(target)
    refuse_ops(graph, backend.has_kernel, f"LLVM for {target.name}")
    refuse_bodies(graph, backend, f"LLVM for {target.name}")
    refuse_schedules(graph, backend)
    alone, shared = Addresses(with_plain_outputs(graph), target), graph.placed_for_threads()
    return _Lowering(
        alone, Addresses(with_plain_outputs(shared), target) if shared else alone
    ).run()


class _Lowering:
    def __init__(self, alone: Addresses, shared: Addresses) -> None:
        self.alone, self.shared = alone, shared
        self.graph, self.target, self.isa = alone.graph, alone.target, alone.isa
        self.library = Library(self.isa)
        self.blob = WeightsBlob()
        self.name = net_identifier(self.graph.name)
        self.wrappers: list[str] = []
        self.arena = alone.arena_bytes
        self.scratch = 0

    def run(self) -> LoweredNet:
        steps = zip(self.alone.nodes, self.shared.nodes, layers(self.graph), strict=True)
        calls = tuple(self._call(number, *step) for number, step in enumerate(steps))
        weights = self.blob.data()
        spec = self._spec(len(weights))
        parts = [*declarations(self.isa), self.library.text(), *self.wrappers]
        return LoweredNet(spec, self.target, "\n".join(parts), weights, calls)

    def _call(self, number: int, node: Node, twin: Node, layer: Layer) -> Call:
        kernel = self._build(node)
        grain = fewest_tasks(kernel.tasks, LlvmBackend(self.target).predict(node))
        ordered = self.shared.is_ordered(twin)
        unit = multiplier(self.isa, node)
        info = KernelInfo(kernel.function, layer, kernel.tasks, grain, ordered, unit)
        weights = self.blob.add(packed_array(kernel.weights)) if kernel.weights.size else 0
        alone = self.alone.wrapper(node, kernel, weights)
        shared = self.shared.wrapper(twin, kernel, weights)
        own = self._wrap(f"{self.name}_k{number:03d}", alone)
        name = own if shared == alone else self._wrap(f"{self.name}_p{number:03d}", shared)
        return Call(info, own, name, self._scratch(node, kernel))

    def _wrap(self, name: str, body: str) -> str:
        head = f"define hidden void @{name}({WRAPPER_PARAMETERS}) nounwind"
        self.wrappers.append(f"{head} {{\n  {body}\n  ret void\n}}\n")
        return name

    def _scratch(self, node: Node, kernel: Kernel) -> int:
        """Return the offset of a kernel's scratch on one thread: as planned, or after the arena's
        values if the kernel needs more than was planned."""
        self.scratch = max(self.scratch, kernel.scratch_bytes)
        planned = node.scratch is not None
        if planned and kernel.scratch_bytes <= round_up(
            LlvmBackend(self.target).scratch_bytes(node)
        ):
            return node.scratch or 0
        self.arena = max(self.arena, self.alone.arena_bytes + round_up(kernel.scratch_bytes))
        return self.alone.arena_bytes

    def _build(self, node: Node) -> Kernel:
        inputs = tuple(
            tuple(map(self.alone.buffer, o.values)) if isinstance(o, ChannelView) else ()
            for o in node.operands
        )
        outputs = tuple(self.alone.buffer(value) for value in node.results)
        site = Site(node, inputs, outputs, self.library)
        return integer.build(site) if on_codes(node) else builder_of(node)(site)

    def _spec(self, weights: int) -> NetSpec:
        shared, scratch = self.shared.arena_bytes, round_up(self.scratch)
        sizes = (self.arena, scratch, weights)
        return NetSpec(self.name, *interface_of(self.graph), *sizes, shared_bytes=shared)


def declarations(isa: Isa) -> list[str]:
    """Declare the intrinsics that kernels call."""
    word = isa.word
    several = [
        f"declare {{ {', '.join([isa.vector] * k)} }} "
        f"@llvm.aarch64.neon.ld1x{k}.v{isa.lanes}f32.p0(ptr)"
        for k in range(2, isa.multi_load + 1)
    ]
    lanewise = [
        f"declare {v} @llvm.{name}.v{lanes}f32({', '.join([v] * operands)})"
        for v, lanes in dict.fromkeys((unit.vector, unit.lanes) for unit in (isa, isa.widest))
        for name, operands in (("fma", 3), ("maximum", 2), ("minimum", 2))
    ]
    return [
        *several,
        *lanewise,
        *(_masked_accesses(isa.widest) if isa.widest.masked else ()),
        "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)",
        f"declare void @llvm.memcpy.p0.p0.{word}(ptr, ptr, {word}, i1)",
        f"declare void @llvm.memset.p0.{word}(ptr, i8, {word}, i1)",
        "",
    ]


def _masked_accesses(isa: Isa) -> list[str]:
    """Declare loads and stores of some lanes."""
    v, mask, kind = isa.vector, f"<{isa.lanes} x i1>", f"v{isa.lanes}f32.p0"
    return [
        f"declare {v} @llvm.masked.load.{kind}(ptr, i32, {mask}, {v})",
        f"declare void @llvm.masked.store.{kind}({v}, ptr, i32, {mask})",
    ]
