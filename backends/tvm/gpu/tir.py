"""A thin layer over the builder of TVM's tensor IR.

A kernel is one PrimFunc with explicit blocks and threads. Buffers are flat; a load or store takes
an element index and moves one element or a vector of 2 or 4. Expressions are TVM's own (`Any`
here, since TVM ships no types), so Python's operators work on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from math import prod
from typing import Any, TypeAlias

from mbc.backends.tvm.gpu.launch import Extent
from mbc.backends.tvm.require import tvm
from mbc.records import dataclass

Expr: TypeAlias = Any
"""An expression of tensor IR, or a Python number."""


def language() -> Any:
    """Return the module with TVMScript's names for the builder."""
    return tvm().script.ir_builder.tirx


@dataclass(frozen=True)
class Memory:
    """A flat buffer."""

    buffer: Any

    def load(self, index: Expr, lanes: int = 1) -> Expr:
        """Load elements from an index on, as one vector if they are several."""
        tirx = tvm().tirx
        where = index if lanes == 1 else tirx.Ramp(index, 1, lanes)
        return tirx.BufferLoad(self.buffer, [where])

    def store(self, index: Expr, value: Expr, lanes: int = 1) -> None:
        """Store an element or a vector from an index on."""
        where = index if lanes == 1 else tvm().tirx.Ramp(index, 1, lanes)
        language().buffer_store(self.buffer, value, [where])


@dataclass(frozen=True)
class Parameter:
    """A parameter of a kernel."""

    shape: tuple[int, ...]
    """Shape of the tensor."""
    dtype: str = "float32"
    """Element type: "float32" or "int32"."""


@dataclass(frozen=True)
class Code:
    """The builder of a kernel's code."""

    parameters: tuple[Memory, ...]
    """The kernel's parameters as flat buffers."""
    block: tuple[Expr, Expr, Expr]
    """Index of the block along x, y, z."""
    thread: tuple[Expr, Expr, Expr]
    """Index of the thread in its block along x, y, z."""

    def registers(self, count: int, lanes: int = 1, dtype: str = "float32") -> Memory:
        """Memory of one thread, which compilers keep in registers if all indices are constant."""
        return self._allocate(count, lanes, "local", dtype)

    def shared(self, count: int) -> Memory:
        """Memory shared by a block, of `count` floats."""
        return self._allocate(count, 1, "shared")

    def _allocate(self, count: int, lanes: int, scope: str, dtype: str = "float32") -> Memory:
        kind = dtype if lanes == 1 else f"{dtype}x{lanes}"
        return Memory(language().alloc_buffer((count,), kind, scope=scope))

    def bind(self, value: Expr) -> Expr:
        """Bind a value to a variable, so that it is computed once, at this point."""
        return value if isinstance(value, int | float) else language().bind(value)

    @contextmanager
    def loop(self, count: int) -> Iterator[Expr]:
        """Write a loop that is not unrolled; a single iteration needs none."""
        if count == 1:
            yield 0
            return
        with language().serial(0, count) as index:
            yield index

    @contextmanager
    def when(self, condition: Expr) -> Iterator[None]:
        """Write code that runs if a condition holds; Python's True adds no test."""
        if condition is True:
            yield
            return
        with language().If(condition), language().Then():
            yield

    def barrier(self) -> None:
        """Wait for all threads of the block."""
        language().evaluate(language().tvm_storage_sync("shared"))


def choose(condition: Expr, then: Callable[[], Expr], otherwise: Expr) -> Expr:
    """Select by a condition; `then` is evaluated, with its loads, only if that holds."""
    if condition is True:
        return then()
    return language().if_then_else(condition, then(), otherwise)


def zero(lanes: int) -> Expr:
    """Return zero, or a vector of zeros."""
    return spread(0.0, lanes)


def spread(value: Expr, lanes: int) -> Expr:
    """Broadcast a scalar to every lane."""
    scalar = language().float32(value) if isinstance(value, float) else value
    return scalar if lanes == 1 else language().Broadcast(scalar, lanes)


def lane(vector: Expr, number: int, lanes: int) -> Expr:
    """Extract one lane of a vector."""
    return vector if lanes == 1 else tvm().tirx.Shuffle([vector], [number])


def both(*conditions: Expr) -> Expr:
    """Combine conditions with `and`; Python's True is omitted."""
    found: Expr = True
    for condition in conditions:
        if condition is not True:
            found = condition if found is True else language().And(found, condition)
    return found


def function(
    parameters: Sequence[Parameter], grid: Extent, block: Extent, body: Callable[[Code], None]
) -> Any:
    """Make the PrimFunc that runs `body` in every thread; its parameters are named p00, p01, …."""
    T, builder = language(), tvm().script.ir_builder.IRBuilder
    with builder() as made, T.prim_func(), ExitStack() as inside:
        T.func_name("kernel")
        T.func_attr({"tirx.is_scheduled": True, "op_pattern": 8})
        tensors = [
            T.arg(f"t{i:02}", T.Buffer(parameter.shape, parameter.dtype))
            for i, parameter in enumerate(parameters)
        ]
        memories = tuple(
            Memory(_flat(builder, i, *pair))
            for i, pair in enumerate(zip(tensors, parameters, strict=True))
        )
        where = [
            inside.enter_context(T.launch_thread(f"{name}Idx.{axis}", extent))
            for name, extents in (("block", grid), ("thread", block))
            for axis, extent in zip("xyz", extents, strict=True)
        ]
        body(Code(memories, (where[0], where[1], where[2]), (where[3], where[4], where[5])))
    return made.get()


def _flat(builder: Any, number: int, tensor: Any, parameter: Parameter) -> Any:
    """Declare a tensor's memory as a flat buffer, under its name in the device code."""
    count = prod(parameter.shape)
    flat = language().decl_buffer((count,), parameter.dtype, data=tensor.data)
    return builder.name(f"p{number:02}", flat)
