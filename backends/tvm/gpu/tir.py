"""TVM's tensor IR as our kernels use it: a thin layer over its builder.

A kernel is one PrimFunc with explicit blocks and threads. Buffers are flat; a load or store takes
an element index and moves one element or a vector of 2 or 4. Expressions are TVM's own (`Any`
here, since TVM has no types), so Python's operators work on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

from mbc.backends.tvm.gpu.launch import Extent
from mbc.backends.tvm.require import tvm

Expr: TypeAlias = Any
"""An expression of tensor IR, or a Python number."""


def language() -> Any:
    """The names of TVMScript, as the builder has them."""
    return tvm().script.ir_builder.tirx


@dataclass(frozen=True)
class Memory:
    """A flat buffer."""

    buffer: Any

    def load(self, index: Expr, lanes: int = 1) -> Expr:
        """Elements from an index on, as one vector if they are several."""
        tirx = tvm().tirx
        where = index if lanes == 1 else tirx.Ramp(index, 1, lanes)
        return tirx.BufferLoad(self.buffer, [where])

    def store(self, index: Expr, value: Expr, lanes: int = 1) -> None:
        """The reverse of `load`."""
        where = index if lanes == 1 else tvm().tirx.Ramp(index, 1, lanes)
        language().buffer_store(self.buffer, value, [where])


@dataclass(frozen=True)
class Parameter:
    """A parameter of a kernel: a tensor's shape and element type ("float32", "int32")."""

    shape: tuple[int, ...]
    dtype: str = "float32"


@dataclass(frozen=True)
class Code:
    """The inside of a kernel: its parameters as flat memories, and what may stand in it."""

    parameters: tuple[Memory, ...]
    block: tuple[Expr, Expr, Expr]
    thread: tuple[Expr, Expr, Expr]

    def registers(self, count: int, lanes: int = 1) -> Memory:
        """Memory of one thread, that compilers keep in registers where indices are constant."""
        return self._allocate(count, lanes, "local")

    def shared(self, count: int) -> Memory:
        """Memory of a block, in floats."""
        return self._allocate(count, 1, "shared")

    def _allocate(self, count: int, lanes: int, scope: str) -> Memory:
        dtype = "float32" if lanes == 1 else f"float32x{lanes}"
        return Memory(language().alloc_buffer((count,), dtype, scope=scope))

    def bind(self, value: Expr) -> Expr:
        """A name for a value, so that it is computed once, here."""
        return value if isinstance(value, int | float) else language().bind(value)

    @contextmanager
    def loop(self, count: int) -> Iterator[Expr]:
        """A loop that stays one in the code, unless it runs but once."""
        if count == 1:
            yield 0
            return
        with language().serial(0, count) as index:
            yield index

    @contextmanager
    def when(self, condition: Expr) -> Iterator[None]:
        """Code that runs where a condition holds; Python's True adds no test."""
        if condition is True:
            yield
            return
        with language().If(condition), language().Then():
            yield

    def barrier(self) -> None:
        """Wait for all threads of the block."""
        language().evaluate(language().tvm_storage_sync("shared"))


def choose(condition: Expr, then: Callable[[], Expr], otherwise: Expr) -> Expr:
    """A value that is not even loaded where the condition does not hold."""
    if condition is True:
        return then()
    return language().if_then_else(condition, then(), otherwise)


def zero(lanes: int) -> Expr:
    """Zeros."""
    return spread(0.0, lanes)


def spread(value: Expr, lanes: int) -> Expr:
    """A scalar in every lane."""
    scalar = language().float32(value) if isinstance(value, float) else value
    return scalar if lanes == 1 else language().Broadcast(scalar, lanes)


def lane(vector: Expr, number: int, lanes: int) -> Expr:
    """One lane of a vector."""
    return vector if lanes == 1 else tvm().tirx.Shuffle([vector], [number])


def both(*conditions: Expr) -> Expr:
    """The conjunction; Python's True is left out."""
    found: Expr = True
    for condition in conditions:
        if condition is not True:
            found = condition if found is True else language().And(found, condition)
    return found


def function(
    parameters: Sequence[Parameter], grid: Extent, block: Extent, body: Callable[[Code], None]
) -> Any:
    """The PrimFunc that runs `body` in every thread; its parameters are called p00, p01, p02."""
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
    """A tensor's memory as a vector, under the name by which the device code has it."""
    count = prod(parameter.shape)
    flat = language().decl_buffer((count,), parameter.dtype, data=tensor.data)
    return builder.name(f"p{number:02}", flat)
