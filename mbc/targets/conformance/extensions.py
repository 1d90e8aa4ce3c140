"""The instruction set extension of an instruction, by the tables of its architecture.

An unidentified instruction is refused: one of a group that no table has, and one on vectors of
64-bit Arm that is in no group and neither loads, stores nor moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mbc.targets.architecture import Instructions
from mbc.targets.conformance.decoder import Decoder
from mbc.targets.features import features_of
from mbc.targets.target import Target

UNKNOWN = "an extension that is not known here"


def disassembler(target: Target) -> Decoder:
    """Return capstone's disassembler for the target.

    Raises ValueError if capstone does not decode the architecture.
    """
    instructions, features = target.architecture.instructions, features_of(target)
    if instructions.capstone is None:
        raise ValueError(f"capstone does not decode {target.architecture.name}")
    architecture, *modes = instructions.capstone
    modes += [mode for feature, mode in instructions.modes.items() if feature in features]
    return Decoder(architecture, modes, instructions.twins)


def extensions(target: Target, engine: Decoder, code: bytes, address: int) -> frozenset[str]:
    """Return the extensions that an instruction belongs to; none if every CPU has it."""
    instructions = target.architecture.instructions
    text, found = engine.described(code, address)
    groups = set(found)
    if instructions.everyones and instructions.everyones.fullmatch(text):
        groups.discard("privilege")  # capstone says that of every system register
    names = (*_by_group(instructions, groups), *_by_text(instructions, text, groups))
    return frozenset(names)


def text_extensions(target: Target, text: str) -> frozenset[str]:
    """Return the extensions that an instruction of LLVM's assembly belongs to, by its text."""
    instructions = target.architecture.instructions
    names = {name for pattern, name in instructions.patterns if pattern.match(text)}
    return frozenset(names - instructions.base if names else {UNKNOWN})


def _by_group(instructions: Instructions, groups: Iterable[str]) -> Iterator[str]:
    for group in groups:
        if group not in instructions.base:
            yield instructions.groups.get(group, group)


def _by_text(instructions: Instructions, text: str, groups: set[str]) -> Iterator[str]:
    names = [name for pattern, name in instructions.patterns if pattern.match(text)]
    yield from names
    moves = text.startswith(("ld", "st", "mov ", "umov ", "smov "))
    vectors = instructions.vectors
    if vectors and not (names or groups or moves) and vectors.search(text):
        half, operands = instructions.halves or (UNKNOWN, vectors)
        yield half if operands.search(text) else UNKNOWN
