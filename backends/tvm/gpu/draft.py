"""A kernel under construction: its arguments, then its code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field

import numpy as np

from mbc.backends.tvm.gpu.launch import Argument, Extent, NodeKernel, Read, Weights, Write
from mbc.backends.tvm.gpu.tir import Code, Parameter, function
from mbc.ir.subnormals import flushed
from mbc.ir.views import Value
from mbc.records import dataclass


@dataclass
class Draft:
    """Collects a kernel's arguments, those that it reads before those that it writes.

    The number of an argument is its index among the kernel's parameters.
    """

    op: str
    """What the kernel does, in a few words."""
    arguments: list[Argument] = field(default_factory=list)
    """Arguments so far."""

    def read(self, value: Value) -> int:
        """Add a value to read, unless it was added before; returns its number."""
        for number, argument in enumerate(self.arguments):
            if isinstance(argument, Read) and argument.value is value:
                return number
        return self._add(Read(value))

    def weights(self, array: np.ndarray) -> int:
        """Add packed constants of any shape, float32 or int32; returns the number.

        Subnormal numbers become zero.
        """
        return self._add(Weights(flushed(np.ascontiguousarray(array)).ravel()))

    def write(self, value: Value) -> int:
        """Add the result, which comes last; returns its number."""
        return self._add(Write(value))

    def _add(self, argument: Argument) -> int:
        self.arguments.append(argument)
        return len(self.arguments) - 1

    def finish(self, grid: Extent, block: Extent, body: Callable[[Code], None]) -> NodeKernel:
        """Make the kernel that runs `body`."""
        parameters = [_parameter(argument) for argument in self.arguments]
        return NodeKernel(function(parameters, grid, block, body), tuple(self.arguments), self.op)


def _parameter(argument: Argument) -> Parameter:
    match argument:
        case Read(value=value) | Write(value=value):
            return Parameter(value.type.shape, str(value.type.element.numpy))
        case Weights(array=array):
            return Parameter(array.shape, str(array.dtype))
