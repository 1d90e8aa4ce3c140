"""What mbc runs as one kernel, or only reads elsewhere, as functions of a domain of our own.

A function's body is nodes of ONNX, so every engine runs it and viewers show it. Its weights are
operands of the node that calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mbc.frontends.onnx.writer import Writer
from mbc.records import dataclass

DOMAIN, VERSION = "ai.mbc", 1


@dataclass(frozen=True)
class Function:
    """A function before its opset is known."""

    name: str
    """The op that calls it."""
    inputs: tuple[str, ...]
    """Names of its operands, weights included."""
    outputs: tuple[str, ...]
    """Names of its results."""
    nodes: tuple[Any, ...]
    """Its body."""

    def made(self, onnx: Any, opset: int) -> Any:
        """Return the FunctionProto."""
        opsets = [onnx.helper.make_opsetid("", opset)]
        return onnx.helper.make_function(
            DOMAIN, self.name, self.inputs, self.outputs, self.nodes, opsets
        )


class KernelWriter(Writer):
    """A writer that makes functions of groups of nodes."""

    def __init__(self, taken: Sequence[str]) -> None:
        super().__init__(taken)
        self.functions: list[Function] = []
        self._inside = False

    def group(self, kind: str, name: str, write: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
        """Make a function of the nodes that `write` adds, and a node that calls it; returns what
        `write` returns. A group within a group is part of it."""
        if self._inside:
            return write()
        first, self._inside = len(self.nodes), True
        results = write()
        self._inside = False
        body = self.nodes[first:]
        made = {output for node in body for output in node.output}
        if made.issuperset(results):
            self.nodes[first:] = [self._call(kind, name, body, results)]
        return results

    def _call(self, kind: str, name: str, body: Sequence[Any], results: Sequence[str]) -> Any:
        stored = {tensor.name: tensor for tensor in self.initializers}
        made = {output for node in body for output in node.output}
        read = dict.fromkeys(name for node in body for name in node.input if name)
        whole = self.onnx.TensorProto.INT64
        numbers = [n for n in read if n in stored and stored[n].data_type == whole]
        inputs = tuple(name for name in read if name not in made and name not in numbers)
        helper = self.onnx.helper
        constants = [helper.make_node("Constant", [], [n], value=stored[n]) for n in numbers]
        function = f"{kind}_{len(self.functions)}"
        self.functions.append(Function(function, inputs, (*results,), (*constants, *body)))
        return helper.make_node(function, inputs, results, self.fresh(name), domain=DOMAIN)
