"""The function that calls a network's kernels in order, on one thread or on a pool of threads.

It exists twice: `NET_invoke`, and `NET_profile`, which also calls a function of the caller's that
reads a clock between kernels. Without profiling there is no overhead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mbc.backends.llvm.integer.dots import Dot
from mbc.backends.llvm.isa import Isa
from mbc.ops.cost import Layer
from mbc.records import dataclass
from mbc.runtime.abi import NetSpec
from mbc.runtime.timing import FMA, INT8


@dataclass(frozen=True)
class KernelInfo:
    """What callers know of a kernel."""

    name: str
    """Name of the shared kernel function."""
    layer: Layer
    """The layer that it computes."""
    tasks: int
    """Number of tasks."""
    grain: int
    """Fewest tasks that are worth a call."""
    ordered: bool
    """Whether tasks must run in order, since the result overlaps an operand."""
    unit: Dot | None = None
    """What multiplies codes, if most of its multiply-adds are products of these."""

    @property
    def peak(self) -> str | None:
        """What the peak is of that its multiply-adds may reach; None if it has none."""
        return (INT8 if self.unit else FMA) if self.layer.macs else None

    @property
    def is_dealt(self) -> bool:
        """Whether a pool distributes its tasks."""
        return self.tasks > 1 and not self.ordered


@dataclass(frozen=True)
class Call:
    """A call of a kernel."""

    info: KernelInfo
    """The kernel."""
    alone: str
    """Name of the wrapper for one thread."""
    shared: str
    """Name of the wrapper for several threads; the same if their memory plans agree."""
    scratch: int
    """Byte offset in the arena of one thread's scratch."""


FUNCTION = """\
define {linkage}void @{name}(ptr %io, ptr %weights, ptr %arena, ptr %pool{more}) nounwind {{
  %nobody = icmp eq ptr %pool, null
  br i1 %nobody, label %alone, label %count
count:
  %size = getelementptr ptr, ptr %pool, {word} 1
  %team = load i32, ptr %size
  %single = icmp eq i32 %team, 1
  br i1 %single, label %alone, label %shared
alone:
  {alone}
  ret void
shared:
  %scratch = getelementptr i8, ptr %arena, {word} {shared_bytes}
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
define hidden void @{name}({parameters}) nounwind {{
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
  call void @{wrapper}({arguments}, i32 %begin, i32 %end)
  ret void
}}
"""

TASK_PARAMETERS = "ptr %context, i32 %thread, i32 %begin, i32 %end"
KERNEL_ARGUMENTS = "ptr %io, ptr %weights, ptr %arena, ptr %scratch"
WRAPPER_PARAMETERS = f"{KERNEL_ARGUMENTS}, i32 %begin, i32 %end"
CLOCK_PARAMETERS = ", ptr %tick, ptr %clock"


def invoke_ir(isa: Isa, spec: NetSpec, calls: Sequence[Call], linkage: str = "") -> str:
    """Emit `NET_invoke(io, weights, arena, pool)`, and the functions that pools call."""
    tasks = (
        _pool_task(isa, spec, number, call.shared)
        for number, call in enumerate(calls)
        if call.info.is_dealt
    )
    invoke = _function(isa, spec, calls, f"{spec.name}_invoke", linkage, clock=False)
    return "\n".join([*tasks, invoke])


def profile_ir(isa: Isa, spec: NetSpec, calls: Sequence[Call]) -> str:
    """Emit `NET_profile(io, weights, arena, pool, tick, clock)`: `NET_invoke` with a call of
    `tick(clock, i)` before kernel i, and one after the last kernel."""
    return _function(isa, spec, calls, f"{spec.name}_profile", "hidden ", clock=True)


def callees(spec: NetSpec, calls: Sequence[Call]) -> dict[str, str]:
    """Map the functions that `NET_invoke` and `NET_profile` call to their parameter types."""
    kernel, task = "ptr, ptr, ptr, ptr, i32, i32", "ptr, i32, i32, i32"
    wrappers = {name: kernel for call in calls for name in (call.alone, call.shared)}
    numbers = (number for number, call in enumerate(calls) if call.info.is_dealt)
    return wrappers | {_task_name(spec, number): task for number in numbers}


def _function(
    isa: Isa, spec: NetSpec, calls: Sequence[Call], name: str, linkage: str, *, clock: bool
) -> str:
    alone = (_alone(isa, number, call) for number, call in enumerate(calls))
    shared = (_shared(spec, number, call) for number, call in enumerate(calls))
    return FUNCTION.format(
        linkage=linkage,
        name=name,
        more=CLOCK_PARAMETERS if clock else "",
        word=isa.word,
        shared_bytes=spec.shared_bytes,
        alone="\n  ".join(_ticking(alone) if clock else alone),
        shared="\n  ".join(_ticking(shared) if clock else shared),
    )


def _ticking(steps: Iterable[str]) -> Iterator[str]:
    """Interleave steps with calls of `tick`."""
    number = -1
    for number, step in enumerate(steps):
        yield f"call void %tick(ptr %clock, i32 {number})"
        yield step
    yield f"call void %tick(ptr %clock, i32 {number + 1})"


def _alone(isa: Isa, number: int, call: Call) -> str:
    own = f"%scratch.{number}"
    scratch = f"{own} = getelementptr i8, ptr %arena, {isa.word} {call.scratch}"
    return f"{scratch}\n  {_call_alone(call.alone, own, call.info.tasks)}"


def _shared(spec: NetSpec, number: int, call: Call) -> str:
    if not call.info.is_dealt:
        return _call_alone(call.shared, "%scratch", call.info.tasks)
    task = f"ptr @{_task_name(spec, number)}"
    sizes = f"i32 {call.info.tasks}, i32 {call.info.grain}"
    return f"call void %deal(ptr %pool, {task}, ptr %context, {sizes})"


def _call_alone(wrapper: str, scratch: str, tasks: int) -> str:
    pointers = f"ptr %io, ptr %weights, ptr %arena, ptr {scratch}"
    return f"call void @{wrapper}({pointers}, i32 0, i32 {tasks})"


def _task_name(spec: NetSpec, number: int) -> str:
    return f"{spec.name}_t{number:03d}"


def _pool_task(isa: Isa, spec: NetSpec, number: int, wrapper: str) -> str:
    """Emit the function that pools call: it computes the thread's scratch and calls the kernel."""
    widened = "add i32 %before, 0" if isa.word == "i32" else f"zext i32 %before to {isa.word}"
    return POOL_TASK.format(
        name=_task_name(spec, number),
        wrapper=wrapper,
        word=isa.word,
        scratch=spec.scratch_bytes,
        widened=widened,
        parameters=TASK_PARAMETERS,
        arguments=KERNEL_ARGUMENTS,
    )
