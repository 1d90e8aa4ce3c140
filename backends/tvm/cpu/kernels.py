"""Our LLVM kernels as C functions that functions of TVM call.

`int mbc_NAME(values…, weights, results…)` runs all tasks of one kernel on TVM's threads, each with
scratch of its own from TVM's workspaces, and with subnormal numbers flushed meanwhile; it returns
0, or -1 with an error that TVM has recorded. TVM's runtime is reached through pointers that its
loader sets when it loads the library. As under our own pool, a thread that has done its share takes
half of what another one has not begun, and kernels that are too short are run by the caller.
"""

from __future__ import annotations

import numpy as np

from mbc.alignment import ALIGNMENT
from mbc.backends.llvm.backend import LlvmBackend, builder_of
from mbc.backends.llvm.codegen import object_code
from mbc.backends.llvm.cost import fewest_tasks
from mbc.backends.llvm.isa import isa_of
from mbc.backends.llvm.kernels.base import Buffer, Kernel, Library, Site
from mbc.backends.llvm.lower import declarations
from mbc.backends.llvm.subnormals import flush_ir
from mbc.backends.weights import packed_array
from mbc.ir.graph import Node
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView
from mbc.records import dataclass
from mbc.targets.target import Target

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Signature:
    """The key by which nodes share a function."""

    kernel: str
    tasks: int
    units: int
    """Ranges that are worth a call."""
    scratch_bytes: int
    shapes: tuple[Shape, ...]
    """Of values, weights and results."""
    dtypes: tuple[str, ...]
    """Of the same."""


@dataclass(frozen=True, eq=False)
class Call:
    """A call for one node: its function, and packed weights if the kernel has any."""

    name: str
    weights: np.ndarray | None
    shapes: tuple[Shape, ...]
    dtypes: tuple[str, ...]


class CpuKernels:
    """The kernels of one network; nodes that differ in their weights alone share a function."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._isa = isa_of(target)
        self._library = Library(self._isa)
        self._names: dict[Signature, str] = {}
        self._functions: list[str] = []

    def call(self, node: Node) -> Call:
        """Return the call of the function that runs a node on dense tensors."""
        kernel = self._build(node)
        weights = _padded(kernel.weights) if kernel.weights.size else None
        values = [value.type for view in node.views for value in view.values]
        packed = [] if weights is None else [TensorType(weights.shape)]
        types = (*values, *packed, *(result.type for result in node.results))
        shapes = tuple(type.shape for type in types)
        dtypes = tuple(str(type.element.numpy) for type in types)
        grain = fewest_tasks(kernel.tasks, LlvmBackend(self.target).predict(node))
        units = min(kernel.tasks // grain, MOST_UNITS)
        counts = (kernel.tasks, units, kernel.scratch_bytes)
        signature = Signature(kernel.function, *counts, shapes, dtypes)
        if signature not in self._names:
            self._names[signature] = self._define(signature, len(values), weights is not None)
        return Call(self._names[signature], weights, shapes, dtypes)

    def ir(self) -> str:
        """Return all functions as LLVM IR."""
        flush = flush_ir(self.target, "mbc", "internal ")
        shares = SHARES.format(word=self._isa.word, **_casts(self._isa.word))
        parts = [*declarations(self._isa), RUNTIME, flush, shares, self._library.text()]
        return "\n".join([*parts, *self._functions])

    def object(self) -> bytes:
        """Compile all functions to an object file."""
        return object_code(self.ir(), self.target)

    def _build(self, node: Node) -> Kernel:
        inputs = tuple(
            tuple(Buffer.dense(v.type) for v in o.values) if isinstance(o, ChannelView) else ()
            for o in node.operands
        )
        outputs = tuple(Buffer.dense(value.type) for value in node.results)
        return builder_of(node)(Site(node, inputs, outputs, self._library))

    def _define(self, signature: Signature, values: int, weighted: bool) -> str:
        stem = signature.kernel.removesuffix(f"__{self._isa.name}")
        taken, name = set(self._names.values()), stem
        for number in range(2, len(taken) + 3):
            if name not in taken:
                break
            name = f"{stem}_{number}"
        results = len(signature.shapes) - values - weighted
        pointers = [f"%x{i}" for i in range(values)] + ["%w"] * weighted
        pointers += [f"%y{i}" for i in range(results)]
        self._functions.append(_function(name, signature, pointers, self._isa.word))
        return name


def symbol(name: str) -> str:
    """Return the name of the C function for a kernel's name."""
    return f"mbc_{name}"


def _padded(weights: np.ndarray) -> np.ndarray:
    """Flatten weights and pad them to whole cache lines: kernels may load vectors past the end."""
    flat = packed_array(weights).reshape(-1)
    return np.pad(flat, (0, -flat.size % (ALIGNMENT // flat.itemsize)))


# The loader of TVM's runtime looks for symbols of these names in each library and sets them.
RUNTIME = """\
declare i32 @llvm.umin.i32(i32, i32)
@__TVMBackendParallelLaunch = weak global ptr null
@__TVMBackendAllocWorkspace = weak global ptr null
@__TVMBackendFreeWorkspace = weak global ptr null
"""

# Run the shares of a kernel's units: first that of thread %id, then what others have not begun. In
# %taken there are, of each thread's share, the units taken from its front (by itself) and from its
# end, as one word; of more threads the others do nothing.
MOST_THREADS = 64
MOST_UNITS = 1024  # so that times the number of tasks they stay below 2^32
SHARES = """\
define internal i32 @mbc_run_shares(ptr %run, ptr %context, ptr %taken, i32 %id,
    i32 %members, i32 %most, i32 %tasks) nounwind {{
  %over = urem i32 %most, %members
  %even = sub i32 %most, %over
  %few = icmp ult i32 %most, %members
  %units = select i1 %few, i32 %most, i32 %even
  br label %member
member:
  %number = phi i32 [ 0, %0 ], [ %next, %none ]
  %before = phi i32 [ 0, %0 ], [ %status, %none ]
  %own = icmp eq i32 %number, 0
  %sum = add i32 %id, %number
  %owner = urem i32 %sum, %members
  %following = add i32 %owner, 1
  %scaled = mul i32 %units, %owner
  %share = udiv i32 %scaled, %members
  %scaled.end = mul i32 %units, %following
  %share.end = udiv i32 %scaled.end, %members
  %slot = getelementptr i64, ptr %taken, i32 %owner
  br label %look
look:
  %status = phi i32 [ %before, %member ], [ %after, %run.range ]
  %seen = load atomic i64, ptr %slot seq_cst, align 8
  br label %try
try:
  %word = phi i64 [ %seen, %look ], [ %found, %claim ]
  %high = lshr i64 %word, 32
  %front = trunc i64 %high to i32
  %back = trunc i64 %word to i32
  %first = add i32 %share, %front
  %end = sub i32 %share.end, %back
  %left = sub i32 %end, %first
  %some = icmp ne i32 %left, 0
  br i1 %some, label %claim, label %none
claim:
  %half = lshr i32 %left, 1
  %rest = sub i32 %left, %half
  %count = select i1 %own, i32 %left, i32 %rest
  %low = zext i32 %count to i64
  %up = shl i64 %low, 32
  %more = select i1 %own, i64 %up, i64 %low
  %new = add i64 %word, %more
  %pair = cmpxchg ptr %slot, i64 %word, i64 %new seq_cst seq_cst
  %found = extractvalue {{ i64, i1 }} %pair, 0
  %mine = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %mine, label %run.range, label %try
run.range:
  %last = sub i32 %end, %count
  %unit = select i1 %own, i32 %first, i32 %last
  %unit.end = add i32 %unit, %count
  %from = mul i32 %unit, %tasks
  %to = mul i32 %unit.end, %tasks
  %task = udiv i32 %from, %units
  %task.end = udiv i32 %to, %units
  %begin = {widen} i32 %task {as_word}
  %stop = {widen} i32 %task.end {as_word}
  %result = call i32 %run(ptr %context, {word} %begin, {word} %stop)
  %after = or i32 %status, %result
  br label %look
none:
  %next = add i32 %number, 1
  %again = icmp ult i32 %next, %members
  br i1 %again, label %member, label %all
all:
  ret i32 %status
}}
"""

# %context holds the addresses. In a TVMParallelGroupEnv the size of the group is after a pointer.
FUNCTION = """\
define internal i32 @{symbol}.tasks(ptr %context, {word} %begin, {word} %end) nounwind {{
{loads}
{body}
}}

define internal i32 @{symbol}.part(i32 %id, ptr %env, ptr %context) nounwind {{
  %size = getelementptr ptr, ptr %env, i32 1
  %members = load i32, ptr %size
  %slot = getelementptr ptr, ptr %context, {word} {count}
  %taken = load ptr, ptr %slot
  %threads = call i32 @llvm.umin.i32(i32 %members, i32 {most})
  %idle = icmp uge i32 %id, %threads
  br i1 %idle, label %none, label %some
none:
  ret i32 0
some:
  %status = call i32 @mbc_run_shares(ptr @{symbol}.tasks, ptr %context, ptr %taken,
    i32 %id, i32 %threads, i32 {units}, i32 {tasks})
  ret i32 %status
}}

define hidden i32 @{symbol}({parameters}) nounwind {{
  %context = alloca [{slots} x ptr]
{stores}
{call}
  ret i32 %status
}}
"""

ALONE = "  %status = call i32 @{symbol}.tasks(ptr %context, {word} 0, {word} {tasks})"

SHARED = """\
  %taken = alloca [{most} x i64], align 64
  call void @llvm.memset.p0.{word}(ptr %taken, i8 0, {word} {bytes}, i1 false)
  %slot = getelementptr ptr, ptr %context, {word} {count}
  store ptr %taken, ptr %slot
  %launch = load ptr, ptr @__TVMBackendParallelLaunch
  %status = call i32 %launch(ptr @{symbol}.part, ptr %context, i32 0)"""

WITHOUT_SCRATCH = """\
  %before = call i32 @mbc_flush_subnormals(i32 1)
  call void @{kernel}({arguments}, ptr null, {word} %begin, {word} %end)
  %during = call i32 @mbc_flush_subnormals(i32 %before)
  ret i32 0"""

WITH_SCRATCH = """\
  %lend = load ptr, ptr @__TVMBackendAllocWorkspace
  %scratch = call ptr %lend(i32 1, i32 0, i64 {scratch_bytes}, i32 2, i32 32)
  %none = icmp eq ptr %scratch, null
  br i1 %none, label %failed, label %run
failed:
  ret i32 -1
run:
  %before = call i32 @mbc_flush_subnormals(i32 1)
  call void @{kernel}({arguments}, ptr %scratch, {word} %begin, {word} %end)
  %during = call i32 @mbc_flush_subnormals(i32 %before)
  %return = load ptr, ptr @__TVMBackendFreeWorkspace
  %status = call i32 %return(i32 1, i32 0, ptr %scratch)
  ret i32 %status"""


def _function(name: str, signature: Signature, pointers: list[str], word: str) -> str:
    """Return the C function and the function that TVM's threads call. Without %w among `pointers`
    the kernel gets null for its weights."""
    fields = {
        "symbol": symbol(name),
        "word": word,
        "kernel": signature.kernel,
        "tasks": signature.tasks,
        "units": signature.units,
        "most": MOST_THREADS,
        "bytes": 8 * MOST_THREADS,
        "count": len(pointers),
        "scratch_bytes": signature.scratch_bytes,
        "arguments": ", ".join(f"ptr {p}" for p in _kernel_arguments(pointers)),
    }
    return FUNCTION.format(
        **fields,
        body=(WITH_SCRATCH if signature.scratch_bytes else WITHOUT_SCRATCH).format(**fields),
        call=(SHARED if signature.units > 1 else ALONE).format(**fields),
        parameters=", ".join(f"ptr {pointer}" for pointer in pointers),
        slots=len(pointers) + 1,
        loads="\n".join(
            _field(p, i, word, "{0} = load ptr, ptr {1}") for i, p in enumerate(pointers)
        ),
        stores="\n".join(
            _field(p, i, word, "store ptr {0}, ptr {1}") for i, p in enumerate(pointers)
        ),
    )


def _casts(word: str) -> dict[str, str]:
    """Return how a number of 32 bits becomes an address word."""
    if word == "i32":
        return {"widen": "add", "as_word": ", 0"}
    return {"widen": "zext", "as_word": f"to {word}"}


def _field(pointer: str, number: int, word: str, access: str) -> str:
    slot = f"{pointer}.slot"
    line = f"  {slot} = getelementptr ptr, ptr %context, {word} {number}\n"
    return f"{line}  {access.format(pointer, slot)}"


def _kernel_arguments(pointers: list[str]) -> list[str]:
    """Put the arguments in the order of a kernel's parameters: values, results, weights."""
    values = [p for p in pointers if p.startswith("%x")]
    results = [p for p in pointers if p.startswith("%y")]
    return [*values, *results, "%w" if "%w" in pointers else "null"]
