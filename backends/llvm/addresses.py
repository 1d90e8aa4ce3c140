"""Addresses of tensors: in the caller's memory, or in the arena by one memory plan."""

from __future__ import annotations

from mbc.alignment import round_up
from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.llvm.isa import Isa, isa_of
from mbc.backends.llvm.kernels.base import Buffer, Kernel
from mbc.backends.llvm.storage import stored
from mbc.ir.graph import Graph, Node
from mbc.ir.views import ChannelView, Value
from mbc.targets.target import Target


class Addresses:
    """Addresses of the values of one graph by its memory plan; `nodes` are in stored form."""

    def __init__(self, graph: Graph, target: Target) -> None:
        self.graph, self.target = graph, target
        self.isa: Isa = isa_of(target)
        self.nodes = [stored(node) for node in graph.topo()]
        self.arena_bytes = round_up(max(graph.arena_bytes or 0, 1))
        outputs = [view.value for view in graph.outputs]
        self._external = {value: i for i, value in enumerate([*graph.inputs, *outputs])}

    def buffer(self, value: Value) -> Buffer:
        """Return the layout of a value in memory."""
        if value in self._external:
            return Buffer.dense(value.type)
        if value.place is not None and value.place.pitch is not None:
            return Buffer.shared(value.type, value.place.pitch)
        return Buffer.in_arena(value.type, self.isa)

    def is_ordered(self, node: Node) -> bool:
        """Return whether a result overlaps an operand other than exactly in place."""
        backend = LlvmBackend(self.target)
        return any(
            self._meet(value, result)
            and not (value.offset == result.offset and backend.may_alias(node, role))
            for role, operand in node.items()
            if isinstance(operand, ChannelView)
            for value in operand.values
            for result in node.results
        )

    def _meet(self, one: Value, other: Value) -> bool:
        """Return whether two values overlap in the arena other than by sharing its pixels."""
        if one.place is None or other.place is None or (one.place.pitch and other.place.pitch):
            return False
        ends = (v.place.offset + self.buffer(v).extent for v in (one, other) if v.place)
        return max(one.place.offset, other.place.offset) < min(ends)

    def wrapper(self, node: Node, kernel: Kernel, weights: int) -> str:
        """Return the body of a node's ABI function: computes addresses and calls the kernel."""
        word, lines, pointers = self.isa.word, [], []
        values = [value for view in node.views for value in view.values]
        for i, value in enumerate([*values, *node.results]):
            lines += self._address(f"%p{i}", value)
            pointers.append(f"ptr %p{i}")
        lines.append(f"%w = getelementptr i8, ptr %weights, {word} {weights}")
        lines += _widen(word)
        arguments = [*pointers, "ptr %w", "ptr %scratch", f"{word} %first", f"{word} %last"]
        lines.append(f"call void @{kernel.function}({', '.join(arguments)})")
        return "\n  ".join(lines)

    def _address(self, name: str, value: Value) -> list[str]:
        word = self.isa.word
        if value in self._external:
            slot = f"{name}.slot = getelementptr ptr, ptr %io, {word} {self._external[value]}"
            return [slot, f"{name} = load ptr, ptr {name}.slot"]
        if value.offset is None:
            raise ValueError(f"{value} has no place in the arena: run plan-memory")
        return [f"{name} = getelementptr i8, ptr %arena, {word} {value.offset}"]


def _widen(word: str) -> list[str]:
    if word == "i32":
        return ["%first = add i32 %begin, 0", "%last = add i32 %end, 0"]
    return [f"%first = zext i32 %begin to {word}", f"%last = zext i32 %end to {word}"]
