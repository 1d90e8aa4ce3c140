"""From a planned graph to one LLVM module: a kernel a node, and a function that calls them.

Layout of the module: shared kernel functions; one wrapper a node with the ABI
`void k(const io*, const weights*, arena*, scratch*, begin, end)`; for each that has several tasks a
function that pools call; `NET_invoke(io, weights, arena, pool)` that runs all wrappers in order.
The C library adds `NET_run` and `NET_arena_bytes` (`library_ir`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mbc.backends.llvm.backend import LlvmBackend, builder_of
from mbc.backends.llvm.isa import Isa, isa_of
from mbc.backends.llvm.kernels.base import Buffer, Kernel, Library, Site
from mbc.backends.llvm.storage import stored
from mbc.ir.graph import Graph, Node
from mbc.ir.views import ChannelView, Value
from mbc.ops import Concat
from mbc.runtime.abi import IoSpec, NetSpec, c_identifier
from mbc.targets.target import Target

ALIGNMENT = 64


@dataclass(frozen=True)
class KernelInfo:
    """A call of a kernel: the function, the node's op, its multiply-adds and tasks; those of an
    `ordered` one must be done in order, since its result lies over what it reads."""

    name: str
    op: str
    macs: int
    tasks: int
    ordered: bool


@dataclass(frozen=True)
class LoweredNet:
    """A network as LLVM IR text and one blob of packed weights."""

    spec: NetSpec
    target: Target
    ir: str
    weights: bytes
    kernels: tuple[KernelInfo, ...]


class WeightsBlob:
    """Packed weights one after the other, equal ones once."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._offsets: dict[bytes, int] = {}
        self._size = 0

    def add(self, weights: np.ndarray) -> int:
        """Byte offset of the weights."""
        data = np.ascontiguousarray(weights, np.float32).tobytes()
        if data not in self._offsets:
            self._offsets[data] = self._size
            padding = -len(data) % ALIGNMENT
            self._parts.append(data + bytes(padding))
            self._size += len(data) + padding
        return self._offsets[data]

    def data(self) -> bytes:
        """The whole blob."""
        return b"".join(self._parts)


def lower(graph: Graph, target: Target) -> LoweredNet:
    """Kernels for all nodes of a graph whose memory is planned, and the code that calls them."""
    return _Lowering(_with_plain_outputs(graph), target).run()


def _with_plain_outputs(graph: Graph) -> Graph:
    """A copy in which each output is a value of its own, made by a node: the caller's output
    buffers are written in place, so anything else has to be copied there."""
    copy = graph.clone()
    outputs: list[ChannelView] = []
    for view in copy.outputs:
        taken = any(view.values[0] in other.values for other in outputs)
        in_place = view.is_plain and not taken and copy.producer(view.value) is not None
        if in_place and view.value.offset is None:
            outputs.append(view)
        else:
            outputs.append(ChannelView.of(copy.add(Concat(), [view]).result))
    copy.set_outputs(outputs)
    return copy


class _Lowering:
    def __init__(self, graph: Graph, target: Target) -> None:
        self.graph, self.target = graph, target
        self.isa: Isa = isa_of(target)
        self.library = Library(self.isa)
        self.blob = WeightsBlob()
        self.name = c_identifier(graph.name)
        outputs = [view.value for view in graph.outputs]
        self.external = {value: i for i, value in enumerate([*graph.inputs, *outputs])}

    def run(self) -> LoweredNet:
        wrappers, kernels, scratch = [], [], 0
        for number, node in enumerate(map(stored, self.graph.topo())):
            kernel = self._build(node)
            info = (kernel.function, node.op.mnemonic, _macs(node), kernel.tasks)
            kernels.append(KernelInfo(*info, self._is_ordered(node)))
            wrappers.append(self._wrapper(number, node, kernel))
            scratch = max(scratch, kernel.scratch_bytes)
        weights = self.blob.data()
        spec = self._spec(-(-scratch // ALIGNMENT) * ALIGNMENT, len(weights))
        parts = [*declarations(self.isa), self.library.text(), *wrappers]
        ir = "\n".join([*parts, self._invoke(spec, kernels)])
        return LoweredNet(spec, self.target, ir, weights, tuple(kernels))

    def _build(self, node: Node) -> Kernel:
        inputs = tuple(
            tuple(map(self._buffer, o.values)) if isinstance(o, ChannelView) else ()
            for o in node.operands
        )
        outputs = tuple(self._buffer(value) for value in node.results)
        return builder_of(node)(Site(node, inputs, outputs, self.library))

    def _buffer(self, value: Value) -> Buffer:
        if value in self.external:
            return Buffer.dense(value.type)
        if value.place is not None and value.place.pitch is not None:
            return Buffer.shared(value.type, value.place.pitch)
        return Buffer.in_arena(value.type, self.isa)

    def _is_ordered(self, node: Node) -> bool:
        """Whether a result lies over an operand other than in place."""
        backend = LlvmBackend(self.target)
        return any(
            self._meet(value, result)
            and not (value.offset == result.offset and backend.may_alias(node, slot))
            for slot, operand in enumerate(node.operands)
            if isinstance(operand, ChannelView)
            for value in operand.values
            for result in node.results
        )

    def _meet(self, one: Value, other: Value) -> bool:
        """Whether two values share bytes of the arena other than as neighbours in its pixels."""
        if one.place is None or other.place is None or (one.place.pitch and other.place.pitch):
            return False
        ends = (v.place.offset + self._buffer(v).bytes for v in (one, other) if v.place)
        return max(one.place.offset, other.place.offset) < min(ends)

    def _wrapper(self, number: int, node: Node, kernel: Kernel) -> str:
        """The node's ABI function: computes addresses and calls the shared kernel."""
        word, lines, pointers = self.isa.word, [], []
        values = [value for view in node.views for value in view.values]
        for i, value in enumerate([*values, *node.results]):
            lines += self._address(f"%p{i}", value)
            pointers.append(f"ptr %p{i}")
        offset = self.blob.add(kernel.weights) if kernel.weights.size else 0
        lines.append(f"%w = getelementptr i8, ptr %weights, {word} {offset}")
        lines += _widen(word)
        arguments = [*pointers, "ptr %w", "ptr %scratch", f"{word} %first", f"{word} %last"]
        lines.append(f"call void @{kernel.function}({', '.join(arguments)})")
        body = "\n  ".join(lines)
        return (
            f"define internal void @{self.name}_k{number:03d}({WRAPPER_PARAMETERS}) nounwind {{\n"
            f"  {body}\n  ret void\n}}\n"
        )

    def _address(self, name: str, value: Value) -> list[str]:
        word = self.isa.word
        if value in self.external:
            slot = f"{name}.slot = getelementptr ptr, ptr %io, {word} {self.external[value]}"
            return [slot, f"{name} = load ptr, ptr {name}.slot"]
        if value.offset is None:
            raise ValueError(f"%{value.name} has no place in the arena: run plan-memory")
        return [f"{name} = getelementptr i8, ptr %arena, {word} {value.offset}"]

    def _spec(self, scratch: int, weights: int) -> NetSpec:
        inputs = tuple(_io_spec(value.name, value) for value in self.graph.inputs)
        outputs = tuple(
            _io_spec(name, view.value)
            for name, view in zip(self.graph.output_names, self.graph.outputs, strict=True)
        )
        arena = -(-max(self.graph.arena_bytes or 0, 1) // ALIGNMENT) * ALIGNMENT
        return NetSpec(self.name, inputs, outputs, arena, scratch, weights)

    def _invoke(self, spec: NetSpec, kernels: list[KernelInfo]) -> str:
        """The function that runs all kernels, and what pools call for those of several tasks."""
        tasks = [
            _pool_task(self.isa, spec, i)
            for i, kernel in enumerate(kernels)
            if kernel.tasks > 1 and not kernel.ordered
        ]
        alone = [_call_alone(spec, i, kernel.tasks) for i, kernel in enumerate(kernels)]
        shared = [
            f"call void %deal(ptr %pool, ptr @{spec.name}_t{i:03d}, ptr %context, i32 {k.tasks})"
            if k.tasks > 1 and not k.ordered
            else _call_alone(spec, i, k.tasks)
            for i, k in enumerate(kernels)
        ]
        body = INVOKE.format(
            name=spec.name,
            word=self.isa.word,
            arena=spec.arena_bytes,
            alone="\n  ".join(alone),
            shared="\n  ".join(shared),
        )
        return "\n".join([*tasks, body])


INVOKE = """\
define void @{name}_invoke(ptr %io, ptr %weights, ptr %arena, ptr %pool) nounwind {{
  %scratch = getelementptr i8, ptr %arena, {word} {arena}
  %single = icmp eq ptr %pool, null
  br i1 %single, label %alone, label %shared
alone:
  {alone}
  ret void
shared:
  %deal = load ptr, ptr %pool
  %context = alloca [4 x ptr]
  store ptr %io, ptr %context
  %context.1 = getelementptr ptr, ptr %context, {word} 1
  store ptr %weights, ptr %context.1
  %context.2 = getelementptr ptr, ptr %context, {word} 2
  store ptr %arena, ptr %context.2
  %context.3 = getelementptr ptr, ptr %context, {word} 3
  store ptr %scratch, ptr %context.3
  {shared}
  ret void
}}
"""

POOL_TASK = """\
define internal void @{name}_t{number:03d}({parameters}) nounwind {{
  %io = load ptr, ptr %context
  %context.1 = getelementptr ptr, ptr %context, {word} 1
  %weights = load ptr, ptr %context.1
  %context.2 = getelementptr ptr, ptr %context, {word} 2
  %arena = load ptr, ptr %context.2
  %context.3 = getelementptr ptr, ptr %context, {word} 3
  %first = load ptr, ptr %context.3
  %before = mul i32 %thread, {scratch}
  %offset = {widened}
  %scratch = getelementptr i8, ptr %first, {word} %offset
  call void @{name}_k{number:03d}({arguments}, i32 %begin, i32 %end)
  ret void
}}
"""

TASK_PARAMETERS = "ptr %context, i32 %thread, i32 %begin, i32 %end"
KERNEL_ARGUMENTS = "ptr %io, ptr %weights, ptr %arena, ptr %scratch"


def _call_alone(spec: NetSpec, number: int, tasks: int) -> str:
    return f"call void @{spec.name}_k{number:03d}({KERNEL_ARGUMENTS}, i32 0, i32 {tasks})"


def _pool_task(isa: Isa, spec: NetSpec, number: int) -> str:
    """A task as pools call it: the thread's own scratch, then the kernel."""
    widened = "add i32 %before, 0" if isa.word == "i32" else f"zext i32 %before to {isa.word}"
    return POOL_TASK.format(
        name=spec.name,
        number=number,
        word=isa.word,
        scratch=spec.scratch_bytes,
        widened=widened,
        parameters=TASK_PARAMETERS,
        arguments=KERNEL_ARGUMENTS,
    )


WRAPPER_PARAMETERS = f"{KERNEL_ARGUMENTS}, i32 %begin, i32 %end"


def _widen(word: str) -> list[str]:
    if word == "i32":
        return ["%first = add i32 %begin, 0", "%last = add i32 %end, 0"]
    return [f"%first = zext i32 %begin to {word}", f"%last = zext i32 %end to {word}"]


def _io_spec(name: str, value: Value) -> IoSpec:
    return IoSpec(name, value.type.shape, str(value.type.dtype))


def _macs(node: Node) -> int:
    return node.op.macs(node.operand_types)


def declarations(isa: Isa) -> list[str]:
    """The intrinsics that kernels call."""
    vector, n, word = isa.vector, isa.lanes, isa.word
    several = [
        f"declare {{ {', '.join([vector] * k)} }} @llvm.aarch64.neon.ld1x{k}.v{n}f32.p0(ptr)"
        for k in range(2, isa.multi_load + 1)
    ]
    return [
        *several,
        f"declare {vector} @llvm.fma.v{n}f32({vector}, {vector}, {vector})",
        f"declare {vector} @llvm.maxnum.v{n}f32({vector}, {vector})",
        f"declare {vector} @llvm.minnum.v{n}f32({vector}, {vector})",
        f"declare void @llvm.memcpy.p0.p0.{word}(ptr, ptr, {word}, i1)",
        f"declare void @llvm.memset.p0.{word}(ptr, i8, {word}, i1)",
        "",
    ]


def library_ir(lowered: LoweredNet) -> str:
    """The module of the C library: the network plus `NET_run` and `NET_arena_bytes`. The weights
    are the external symbol `NET_weights`, or a parameter of `NET_run`."""
    spec, word = lowered.spec, isa_of(lowered.target).word
    pointers = len(spec.inputs) + len(spec.outputs)
    checks = "\n".join(_pointer_check(i, word) for i in range(pointers))
    invoke = f"define void @{spec.name}_invoke("
    weights = _weights_symbol(spec)
    return f"""{lowered.ir.replace(invoke, invoke.replace("define", "define hidden"))}
{weights.declaration}
define {word} @{spec.name}_arena_bytes(i32 %threads) nounwind {{
  %n = {f"sext i32 %threads to {word}" if word != "i32" else "add i32 %threads, 0"}
  %scratch = mul {word} %n, {spec.scratch_bytes}
  %all = add {word} %scratch, {spec.arena_bytes}
  ret {word} %all
}}

define i32 @{spec.name}_run(ptr %io, {weights.parameter}ptr %arena, ptr %pool) nounwind {{
  %noio = icmp eq ptr %io, null
  br i1 %noio, label %bad, label %arenacheck
arenacheck:
  %noarena = icmp eq ptr %arena, null
  %noweights = icmp eq ptr {weights.pointer}, null
  %missing = or i1 %noarena, %noweights
  %address = ptrtoint ptr %arena to {word}
  %low = and {word} %address, {ALIGNMENT - 1}
  %misaligned = icmp ne {word} %low, 0
  %badarena = or i1 %missing, %misaligned
  br i1 %badarena, label %bad, label %check0
{checks}
check{pointers}:
  %threads = icmp eq ptr %pool, null
  br i1 %threads, label %run, label %poolcheck
poolcheck:
  %size = getelementptr ptr, ptr %pool, {word} 1
  %team = load i32, ptr %size
  %empty = icmp eq i32 %team, 0
  br i1 %empty, label %bad, label %run
run:
  call void @{spec.name}_invoke(ptr %io, ptr {weights.pointer}, ptr %arena, ptr %pool)
  ret i32 0
bad:
  ret i32 1
}}
"""


class _Weights(NamedTuple):
    """How `NET_run` comes by the weights."""

    declaration: str
    parameter: str
    pointer: str


def _weights_symbol(spec: NetSpec) -> _Weights:
    if spec.external_weights:
        return _Weights("", "ptr %weights, ", "%weights")
    symbol = f"@{spec.name}_weights"
    return _Weights(f"{symbol} = external hidden constant i8, align {ALIGNMENT}\n", "", symbol)


def _pointer_check(i: int, word: str) -> str:
    return (
        f"check{i}:\n"
        f"  %slot{i} = getelementptr ptr, ptr %io, {word} {i}\n"
        f"  %given{i} = load ptr, ptr %slot{i}\n"
        f"  %null{i} = icmp eq ptr %given{i}, null\n"
        f"  br i1 %null{i}, label %bad, label %check{i + 1}"
    )
