"""LLVM IR as text: a function under construction, with loops whose carried values are phis.

Emitting text is many times faster than llvmlite's builder objects, and the text is parsed once.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from mbc.backends.llvm.isa import Isa
from mbc.records import dataclass

Carried = tuple[str, str]
"""Type and initial value of a loop-carried value."""

Count = int | str
"""A compile-time number, or the name of an SSA value."""


def float_literal(value: float) -> str:
    """Format a float constant for LLVM: the bits of the double of the same value."""
    (single,) = struct.unpack("f", struct.pack("f", value))
    (bits,) = struct.unpack("<Q", struct.pack("<d", single))
    return f"0x{bits:016X}"


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function."""

    type: str
    """LLVM type."""
    name: str
    """Name with its percent sign."""


class Function:
    """A function under construction; instructions are appended to the current block."""

    def __init__(self, isa: Isa, parameters: Sequence[Parameter]) -> None:
        self.isa = isa
        self.parameters = tuple(parameters)
        self._lines: list[str] = []
        self._temps = 0
        self._labels = 0
        self._block = "entry"

    @contextmanager
    def vectors_of(self, isa: Isa) -> Iterator[None]:
        """Emit with vectors of another length of the same instruction set."""
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
        """Return a key that is equal for functions with equal parameter types and code."""
        return "\n".join((*(p.type for p in self.parameters), *self._lines))

    def emit(self, line: str) -> None:
        """Append an instruction without a result."""
        self._lines.append(f"  {line}")

    def op(self, expression: str) -> str:
        """Append an instruction; returns the name of its result."""
        self._temps += 1
        name = f"%t{self._temps}"
        self._lines.append(f"  {name} = {expression}")
        return name

    def label(self, hint: str) -> str:
        """Return a fresh label."""
        self._labels += 1
        return f"{hint}{self._labels}"

    @property
    def block(self) -> str:
        """Label of the current block."""
        return self._block

    def start_block(self, label: str) -> None:
        """Begin a block and make it the current one."""
        self._lines.append(f"{label}:")
        self._block = label

    # addresses and integers

    def offset(self, pointer: str, bytes: Count) -> str:
        """Compute pointer + bytes."""
        if bytes == 0:
            return pointer
        return self.op(f"getelementptr i8, ptr {pointer}, {self.isa.word} {bytes}")

    def advance(self, pointer: str, bytes: int, last: list[str]) -> tuple[str, list[str]]:
        """Advance the pointer of a stream of loads; returns (pointer + bytes, last), where `last`
        is all vectors computed from the loaded ones.

        Where one instruction loads several registers, LLVM must not hoist the next load, which
        would spill registers, nor fold the step into an offset, which such loads lack. So the next
        address is tied to `last` by an opaque dependence.
        """
        following = self.offset(pointer, bytes)
        if self.isa.multi_load == 1:
            return following, last
        first, *rest = self.tied([("ptr", "r", following), *(self._register(v) for v in last)])
        return first, rest

    def finished(self, values: Sequence[str], type: str = "") -> list[str]:
        """Force vectors, of another type than the unit's if given, to be computed before all code
        that follows; returns them.

        LLVM would delay the last ones, and spill the registers that they depend on. Where inline
        assembly takes no vectors, only later memory accesses are kept behind.
        """
        if self.isa.register:
            kind = type or self.isa.vector
            return self.tied([(kind, self.isa.register, value) for value in values])
        self.barrier()
        return list(values)

    def barrier(self) -> None:
        """Keep accesses to memory on their side of this place."""
        self.emit('call void asm sideeffect "", "~{memory}"()')

    def forgotten(self, pointers: Sequence[str]) -> list[str]:
        """Hide from LLVM how pointers were computed; returns them. Otherwise it adds an induction
        variable to a loop for each address that later code derives from the loop's last one."""
        return self.tied([("ptr", "r", pointer) for pointer in pointers])

    def opaque(self, vector: str) -> str:
        """Hide from LLVM that a vector is a splat; returns it. Otherwise it adds two splats as
        scalars and splats the sum."""
        v, kind = self.isa.vector, self.isa.register
        return self.op(f'call {v} asm "", "={kind},0"({v} {vector})')

    def outlived(self, vector: str, other: str) -> str:
        """Keep another vector in its register until this one is computed, and return this one.
        Where multiply-adds overwrite an operand, LLVM takes one that nobody needs any longer, and a
        loop's sums would change their registers with each step."""
        v, kind = self.isa.vector, self.isa.register
        if self.isa.broadcast == "lane" or not kind:
            return vector
        return self.op(f'call {v} asm "", "={kind},0,{kind}"({v} {vector}, {v} {other})')

    def _register(self, value: str) -> tuple[str, str, str]:
        return self.isa.vector, self.isa.register, value

    def tied(self, values: Sequence[tuple[str, str, str]]) -> list[str]:
        """Pass values (LLVM type, register constraint, name) through empty inline assembly that
        seems to change them all."""
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
        """Compute integer arithmetic on address words, folded where both operands are constants."""
        if isinstance(a, int) and isinstance(b, int):
            return _FOLD[operation](a, b)
        if operation == "mul" and 1 in (a, b):
            return a if b == 1 else b
        if operation == "add" and 0 in (a, b):
            return a if b == 0 else b
        return self.op(f"{operation} {self.isa.word} {a}, {b}")

    def clamp(self, operation: str, a: Count, b: Count) -> Count:
        """Compute the unsigned minimum ("min") or maximum ("max")."""
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
        """Emit `for i in range(start, stop, step)`. body(i, values) returns the next carried
        values; the result is the last ones. A constant trip count of 0 or 1 emits no loop."""
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
