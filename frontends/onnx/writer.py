"""An ONNX graph under construction: nodes, initializers and unique names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from mbc.extras import optional_module
from mbc.ir.elements import Q8, Element

OPSET = 17


class Writer:
    """Collects nodes and initializers.

    Values are identified by their ONNX names; constants with equal data are stored once.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.onnx = optional_module("onnx", "onnx")
        self.opset = OPSET  # what the nodes need at least
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._names = set(taken)
        self._rounding: Q8 | None = None  # of the result of each node
        self._stored: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def node(self, kind: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Add a node with one result; returns the result's name."""
        (result,) = self.many(kind, inputs, name, 1, **attributes)
        return result

    def many(
        self, kind: str, inputs: Sequence[str], name: str, results: int, **attributes: Any
    ) -> tuple[str, ...]:
        """Add a node with the given number of results; returns their names."""
        unique = self.fresh(name)
        outputs = [unique] + [self.fresh(f"{name}.{i}") for i in range(1, results)]
        made = self.onnx.helper.make_node(kind, list(inputs), outputs, unique, **attributes)
        self.nodes.append(made)
        if self._rounding is None:
            return tuple(outputs)
        return tuple(self.rounded(output, self._rounding, output) for output in outputs)

    @contextmanager
    def rounding(self, element: Element | None) -> Iterator[None]:
        """Round the result of each node that is added to the codes of an element, if it has any:
        engines look for ops that read and make codes."""
        before, self._rounding = self._rounding, element if isinstance(element, Q8) else None
        yield
        self._rounding = before

    def rounded(self, x: str, element: Element, name: str) -> str:
        """Round real numbers to those that codes of an element stand for; any others are left as
        they are."""
        if not isinstance(element, Q8):
            return x
        return self.real(self.codes(x, element, name), element, name)

    def codes(self, x: str, element: Q8, name: str) -> str:
        """Convert real numbers to codes."""
        with self.rounding(None):
            inputs = [x, *self._steps(element, name)]
            return self.node("QuantizeLinear", inputs, f"{name}.codes")

    def real(self, x: str, element: Q8, name: str) -> str:
        """Convert codes to real numbers."""
        with self.rounding(None):
            inputs = [x, *self._steps(element, name)]
            return self.node("DequantizeLinear", inputs, f"{name}.rounded")

    def _steps(self, element: Q8, name: str) -> tuple[str, str]:
        scale = self.constant(f"{name}.scale", np.array(element.scale, np.float32))
        return scale, self.constant(f"{name}.zero", np.array(element.zero, np.uint8))

    def constant(self, name: str, array: np.ndarray) -> str:
        """Store an array as an initializer; returns its name."""
        data = np.asarray(array, order="C")  # unlike ascontiguousarray, it keeps scalars
        key = str(data.dtype), data.shape, data.tobytes()
        if key not in self._stored:
            unique = self._stored[key] = self.fresh(name)
            self.initializers.append(self.onnx.numpy_helper.from_array(data, unique))
        return self._stored[key]

    def integers(self, name: str, values: Sequence[int]) -> str:
        """Store a list of integers, such as a shape, as an initializer; returns its name."""
        return self.constant(name, np.array(values, np.int64))

    def group(self, kind: str, name: str, write: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
        """Add the nodes that `write` adds, which belong together; returns what it returns."""
        return write()

    def rename(self, old: str, new: str) -> None:
        """Give a node's result another name, wherever it is used."""
        for node in self.nodes:
            for names in (node.input, node.output):
                for i, name in enumerate(names):
                    if name == old:
                        names[i] = new

    def renamed(self, old: str, wanted: str) -> str:
        """Give a node's result a name if that is unused; returns the name that it has."""
        if wanted in self._names:
            return old
        self._names.add(wanted)
        self.rename(old, wanted)
        return wanted

    def fresh(self, wanted: str) -> str:
        """Return an unused name: `wanted`, with a number if that is taken."""
        name, number = wanted, 1
        while name in self._names:
            number += 1
            name = f"{wanted}.{number}"
        self._names.add(name)
        return name
