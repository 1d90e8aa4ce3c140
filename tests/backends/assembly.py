"""Reads LLVM's assembly of x86-64 (AT&T) and AArch64: functions, basic blocks, innermost loops.

LLVM lays loops out in one piece, so a branch back to a label spans the loop's blocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

COMMENT = re.compile(r"\s*(?:##|//|#[A-Z\s]).*")
LABEL = re.compile(r"([\w.$]+):")
STORED_VECTOR = re.compile(r"%[xyz]mm|\b[qv]\d")  # d8 to d15 are saved for the caller
STACK_ADDRESS = re.compile(r"add x(?!29)\d+, sp, .*|leaq .*\(%rsp.*, %r(?!sp|bp)\w+")
STACK = re.compile(r"\(%rsp|\[sp\b")


@dataclass(frozen=True)
class Instruction:
    """A mnemonic, and its operands as text."""

    mnemonic: str
    operands: str

    @property
    def target(self) -> str:
        """The label that it branches to, if it is a branch to one."""
        last = self.operands.rpartition(",")[2].strip()
        return last if last.startswith(".L") else ""

    @property
    def is_vector_on_stack(self) -> bool:
        """Whether it loads or stores a whole vector on the stack."""
        return bool(STACK.search(self.operands) and STORED_VECTOR.search(self.operands))

    @property
    def takes_stack_address(self) -> bool:
        """Whether it makes a pointer into the stack, through which one could load and store."""
        return bool(STACK_ADDRESS.fullmatch(f"{self.mnemonic} {self.operands}"))


@dataclass(frozen=True)
class Block:
    """Straight-line code up to a label or a branch. The label is "" after a branch; the first block
    has the function's name."""

    label: str
    instructions: tuple[Instruction, ...]

    @property
    def target(self) -> str:
        """Where it may branch to."""
        return self.instructions[-1].target if self.instructions else ""


@dataclass(frozen=True)
class Routine:
    """A function as blocks in the order of the text."""

    name: str
    blocks: tuple[Block, ...]

    @property
    def instructions(self) -> Iterator[Instruction]:
        """All of them."""
        return (i for block in self.blocks for i in block.instructions)

    @cached_property
    def innermost_loops(self) -> list[tuple[Instruction, ...]]:
        """The instructions of each loop that holds no other."""
        place = {block.label: i for i, block in enumerate(self.blocks) if block.label}
        ends: dict[int, int] = {}
        for end, block in enumerate(self.blocks):
            start = place.get(block.target, end + 1)
            if start <= end:
                ends[start] = end
        spans = sorted(ends.items())
        inner = [span for span in spans if not any(_holds(span, other) for other in spans)]
        return [
            tuple(i for block in self.blocks[start : end + 1] for i in block.instructions)
            for start, end in inner
        ]


def _holds(span: tuple[int, int], other: tuple[int, int]) -> bool:
    return span != other and span[0] <= other[0] and other[1] <= span[1]


def read_assembly(text: str) -> dict[str, Routine]:
    """The functions by name."""
    routines: dict[str, Routine] = {}
    functions = set(re.findall(r"\.type\s+([\w.$]+),\s*[@%]function", text))
    name, blocks = "", list[tuple[str, list[Instruction]]]()
    for line in map(_code, text.splitlines()):
        if label := LABEL.fullmatch(line):
            if label[1] in functions:
                name, blocks = label[1], []
            blocks.append((label[1], []))
        elif line and not line.startswith(".") and blocks:
            mnemonic, *operands = line.split(maxsplit=1)
            blocks[-1][1].append(Instruction(mnemonic, "".join(operands)))
            if blocks[-1][1][-1].target:
                blocks.append(("", []))
        elif line.startswith(".size") and name:
            routines[name] = Routine(name, tuple(Block(n, tuple(i)) for n, i in blocks))
            name, blocks = "", []
    return routines


def _code(line: str) -> str:
    return COMMENT.sub("", line).strip()
