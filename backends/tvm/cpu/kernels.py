"""Our LLVM kernels as C functions that functions of TVM call.

`int mbc_NAME(values…, weights, results…)` runs all tasks of one kernel on TVM's threads, each with
scratch of its own from TVM's workspaces, and with subnormal numbers flushed meanwhile; it returns
0, or -1 with an error that TVM has recorded. TVM's runtime is reached through pointers that its
loader sets when it loads the library.
"""

from __future__ import annotations

import numpy as np

from mbc.alignment import ALIGNMENT
from mbc.backends.llvm.backend import builder_of
from mbc.backends.llvm.codegen import object_code
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
        signature = Signature(kernel.function, kernel.tasks, kernel.scratch_bytes, shapes, dtypes)
        if signature not in self._names:
            self._names[signature] = self._define(signature, len(values), weights is not None)
        return Call(self._names[signature], weights, shapes, dtypes)

    def ir(self) -> str:
        """Return all functions as LLVM IR."""
        flush = flush_ir(self.target, "mbc", "internal ")
        parts = [*declarations(self._isa), RUNTIME, flush, self._library.text(), *self._functions]
        return "\n".join(parts)

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
@__TVMBackendParallelLaunch = weak global ptr null
@__TVMBackendAllocWorkspace = weak global ptr null
@__TVMBackendFreeWorkspace = weak global ptr null
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
  %next = add i32 %id, 1
  %from = mul i32 %id, {tasks}
  %to = mul i32 %next, {tasks}
  %first = udiv i32 %from, %members
  %last = udiv i32 %to, %members
  %begin = {widen} i32 %first {as_word}
  %end = {widen} i32 %last {as_word}
  %status = call i32 @{symbol}.tasks(ptr %context, {word} %begin, {word} %end)
  ret i32 %status
}}

define hidden i32 @{symbol}({parameters}) nounwind {{
  %context = alloca [{count} x ptr]
{stores}
{call}
  ret i32 %status
}}
"""

ALONE = "  %status = call i32 @{symbol}.tasks(ptr %context, {word} 0, {word} 1)"

SHARED = """\
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
        "scratch_bytes": signature.scratch_bytes,
        "arguments": ", ".join(f"ptr {p}" for p in _kernel_arguments(pointers)),
    }
    return FUNCTION.format(
        **fields,
        body=(WITH_SCRATCH if signature.scratch_bytes else WITHOUT_SCRATCH).format(**fields),
        call=(SHARED if signature.tasks > 1 else ALONE).format(**fields),
        widen="zext" if word != "i32" else "add",
        as_word=f"to {word}" if word != "i32" else ", 0",
        parameters=", ".join(f"ptr {pointer}" for pointer in pointers),
        count=len(pointers),
        loads="\n".join(
            _field(p, i, word, "{0} = load ptr, ptr {1}") for i, p in enumerate(pointers)
        ),
        stores="\n".join(
            _field(p, i, word, "store ptr {0}, ptr {1}") for i, p in enumerate(pointers)
        ),
    )


def _field(pointer: str, number: int, word: str, access: str) -> str:
    slot = f"{pointer}.slot"
    line = f"  {slot} = getelementptr ptr, ptr %context, {word} {number}\n"
    return f"{line}  {access.format(pointer, slot)}"


def _kernel_arguments(pointers: list[str]) -> list[str]:
    """Put the arguments in the order of a kernel's parameters: values, results, weights."""
    values = [p for p in pointers if p.startswith("%x")]
    results = [p for p in pointers if p.startswith("%y")]
    return [*values, *results, "%w" if "%w" in pointers else "null"]
