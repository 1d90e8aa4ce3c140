"""LLVM IR as text: a function under construction, with loops whose carried values are phis.

Text is emitted many times faster than llvmlite's builder objects would, and is parsed once.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from mbc.backends.llvm.isa import Isa

Carried = tuple[str, str]
"""Type and initial value of a loop-carried value."""

Count = int | str
"""A number known now, or the name of a value."""


def float_literal(value: float) -> str:
    """A float constant as LLVM writes it: the bits of the double of the same value."""
    (single,) = struct.unpack("f", struct.pack("f", value))
    (bits,) = struct.unpack("<Q", struct.pack("<d", single))
    return f"0x{bits:016X}"


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function: LLVM type, and name with its percent sign."""

    type: str
    name: str


class Function:
    """One function: straight-line code goes to the current block."""

    def __init__(self, isa: Isa, parameters: Sequence[Parameter]) -> None:
        self.isa = isa
        self.parameters = tuple(parameters)
        self._lines: list[str] = []
        self._temps = 0
        self._labels = 0
        self._block = "entry"

    @contextmanager
    def vectors_of(self, isa: Isa) -> Iterator[None]:
        """Code with other vectors of the same instruction set."""
        own, self.isa = self.isa, isa
        try:
            yield
        finally:
            self.isa = own

    # plumbing

    def text(self, name: str, attributes: str, linkage: str = "internal ") -> str:
        """Return the finished definition under a name; `linkage` ends in a space unless empty."""
        parameters = ", ".join(f"{p.type} {p.name}" for p in self.parameters)
        body = "\n".join(self._lines)
        head = f"define {linkage}void @{name}({parameters}) {attributes}"
        return f"{head} {{\nentry:\n{body}\n  ret void\n}}\n"

    def body_key(self) -> str:
        """Equal for functions that do the same."""
        return "\n".join((*(p.type for p in self.parameters), *self._lines))

    def emit(self, line: str) -> None:
        """An instruction without a result."""
        self._lines.append(f"  {line}")

    def op(self, expression: str) -> str:
        """An instruction with a result; its name."""
        self._temps += 1
        name = f"%t{self._temps}"
        self._lines.append(f"  {name} = {expression}")
        return name

    def label(self, hint: str) -> str:
        """A fresh label."""
        self._labels += 1
        return f"{hint}{self._labels}"

    @property
    def block(self) -> str:
        """Label of the block that instructions go to."""
        return self._block

    def start_block(self, label: str) -> None:
        """Further instructions go to a new block."""
        self._lines.append(f"{label}:")
        self._block = label

    # addresses and integers

    def offset(self, pointer: str, bytes: Count) -> str:
        """pointer + bytes."""
        if bytes == 0:
            return pointer
        return self.op(f"getelementptr i8, ptr {pointer}, {self.isa.word} {bytes}")

    def advance(self, pointer: str, bytes: int, last: list[str]) -> tuple[str, list[str]]:
        """(pointer + bytes, last), along a stream of loads; `last` is all that was computed from
        what was loaded. Where one instruction loads several registers, LLVM must neither hoist the
        next load, for want of registers, nor fold the step into an offset, which such loads do not
        have: so the next address seems to depend on `last`."""
        following = self.offset(pointer, bytes)
        if self.isa.multi_load == 1:
            return following, last
        first, *rest = self._tied([("ptr", "r", following), *(self._register(v) for v in last)])
        return first, rest

    def finished(self, values: Sequence[str]) -> list[str]:
        """The vectors, all computed before anything that follows. LLVM would put off what belongs
        to the last ones, and then lack registers for what it depends on. Where assembly takes no
        vectors, only what follows in memory is kept behind."""
        if self.isa.register:
            return self._tied([self._register(value) for value in values])
        self.emit('call void asm sideeffect "", "~{memory}"()')
        return list(values)

    def forgotten(self, pointers: Sequence[str]) -> list[str]:
        """The pointers, of which LLVM no longer knows how they came about. It would count along in
        a loop for each place that code after the loop computes from where the loop ends."""
        return self._tied([("ptr", "r", pointer) for pointer in pointers])

    def opaque(self, vector: str) -> str:
        """The vector, of which LLVM no longer knows that all its lanes are the same. It would add
        two such as scalars first, and then spread the sum."""
        v, kind = self.isa.vector, self.isa.register
        return self.op(f'call {v} asm "", "={kind},0"({v} {vector})')

    def _register(self, value: str) -> tuple[str, str, str]:
        return self.isa.vector, self.isa.register, value

    def _tied(self, values: Sequence[tuple[str, str, str]]) -> list[str]:
        """The values, given as type, kind of register and name, after an empty piece of assembly
        that seems to change them all."""
        result = f"{{ {', '.join(type for type, _, _ in values)} }}"
        outs = ",".join(f"={kind}" for _, kind, _ in values)
        ties = ",".join(map(str, range(len(values))))
        arguments = ", ".join(f"{type} {value}" for type, _, value in values)
        asm = f'asm sideeffect "", "{outs},{ties},~{{memory}}"({arguments})'
        if len(values) == 1:
            return [self.op(f"call {values[0][0]} {asm}")]
        opaque = self.op(f"call {result} {asm}")
        return [self.op(f"extractvalue {result} {opaque}, {i}") for i in range(len(values))]

    def binary(self, operation: str, a: Count, b: Count) -> Count:
        """Integer arithmetic on address words, folded where both are known."""
        if isinstance(a, int) and isinstance(b, int):
            return _FOLD[operation](a, b)
        if operation == "mul" and 1 in (a, b):
            return a if b == 1 else b
        if operation == "add" and 0 in (a, b):
            return a if b == 0 else b
        return self.op(f"{operation} {self.isa.word} {a}, {b}")

    def clamp(self, operation: str, a: Count, b: Count) -> Count:
        """Unsigned minimum ("min") or maximum ("max")."""
        if isinstance(a, int) and isinstance(b, int):
            return min(a, b) if operation == "min" else max(a, b)
        predicate = "ult" if operation == "min" else "ugt"
        test = self.op(f"icmp {predicate} {self.isa.word} {a}, {b}")
        return self.op(f"select i1 {test}, {self.isa.word} {a}, {self.isa.word} {b}")

    # control flow

    def loop(
        self,
        start: Count,
        stop: Count,
        carried: Sequence[Carried],
        body: Callable[[Count, list[str]], Sequence[str]],
        *,
        step: int = 1,
    ) -> list[str]:
        """`for i in range(start, stop, step)`: body(i, values) gives the next values; returns the
        last ones. A known trip count of 0 or 1 makes no loop."""
        if isinstance(start, int) and isinstance(stop, int):
            if stop <= start:
                return [initial for _, initial in carried]
            if start + step >= stop:
                return list(body(start, [initial for _, initial in carried]))
            return self._known_loop(start, stop, carried, body, step)
        return self._guarded_loop(start, stop, carried, body, step)

    def _guarded_loop(
        self,
        start: Count,
        stop: Count,
        carried: Sequence[Carried],
        body: Callable[[Count, list[str]], Sequence[str]],
        step: int,
    ) -> list[str]:
        before, enter, leave = self._block, self.label("some"), self.label("after")
        some = self.op(f"icmp ult {self.isa.word} {start}, {stop}")
        self.emit(f"br i1 {some}, label %{enter}, label %{leave}")
        self.start_block(enter)
        finals = self._known_loop(start, stop, carried, body, step)
        last = self._block
        self.emit(f"br label %{leave}")
        self.start_block(leave)
        return [
            self.op(f"phi {type} [ {initial}, %{before} ], [ {final}, %{last} ]")
            for (type, initial), final in zip(carried, finals, strict=True)
        ]

    def _known_loop(
        self,
        start: Count,
        stop: Count,
        carried: Sequence[Carried],
        body: Callable[[Count, list[str]], Sequence[str]],
        step: int,
    ) -> list[str]:
        word, before, head = self.isa.word, self._block, self.label("loop")
        self.emit(f"br label %{head}")
        self.start_block(head)
        phis = [self.op("") for _ in range(len(carried) + 1)]
        slot = len(self._lines) - len(phis)
        finals = list(body(phis[0], phis[1:]))
        following = self.op(f"add {word} {phis[0]}, {step}")
        again = self.op(f"icmp ult {word} {following}, {stop}")
        leave = self.label("done")
        self.emit(f"br i1 {again}, label %{head}, label %{leave}")
        values = zip(phis, [(word, str(start)), *carried], [following, *finals], strict=True)
        for i, (phi, (type, initial), final) in enumerate(values):
            self._lines[slot + i] = (
                f"  {phi} = phi {type} [ {initial}, %{before} ], [ {final}, %{self._block} ]"
            )
        self.start_block(leave)
        return finals

    def switch(self, value: str, cases: Sequence[tuple[Sequence[int], Callable[[], None]]]) -> None:
        """Run the last case unless the value is listed in an earlier one."""
        labels = [self.label("case") for _ in cases]
        leave = self.label("join")
        table = " ".join(
            f"{self.isa.word} {number}, label %{label}"
            for (numbers, _), label in zip(cases[:-1], labels, strict=False)
            for number in numbers
        )
        self.emit(f"switch {self.isa.word} {value}, label %{labels[-1]} [ {table} ]")
        for (_, body), label in zip(cases, labels, strict=True):
            self.start_block(label)
            body()
            self.emit(f"br label %{leave}")
        self.start_block(leave)


_FOLD: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "udiv": lambda a, b: a // b,
    "urem": lambda a, b: a % b,
}
