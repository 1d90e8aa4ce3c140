"""Facts about architectures and CPUs: one row each, from which everything else is derived.

The rows are in the files of `mbc/targets/architectures`. For CPUs that LLVM knows and no table here
lists, `Architecture.core` is the default of caches and units.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from functools import cached_property

from mbc.records import dataclass


@dataclass(frozen=True)
class Core:
    """Facts about one core, for the cost model and rooflines."""

    l1: int
    """First-level data cache, KiB."""
    l2: int
    """Second-level cache, KiB: the core's own or, without one, that of the cluster."""
    l3: int
    """Third-level cache, KiB, shared by all cores; 0 if there is none."""
    units: int
    """Number of vector units with multiply-add."""
    lanes: int
    """Single-precision elements per cycle of one unit."""
    accesses: int = 2
    """Vector loads or stores per cycle."""
    memory: float = 4.0
    """Bytes per cycle that one core transfers from memory."""

    @property
    def fma(self) -> int:
        """Single-precision multiply-adds per cycle."""
        return self.units * self.lanes


@dataclass(frozen=True)
class Cpu:
    """A CPU by LLVM's name."""

    name: str
    core: Core
    qemu: str
    """Its CPU model in qemu, or the one with the most similar extensions."""
    features: frozenset[str]
    """Extensions of the instruction set, including implied ones."""


FLOW = "jump call return ret branch_relative"
"""Capstone's groups of control flow, which every architecture has."""


@dataclass(frozen=True)
class Twin:
    """An instruction that capstone does not decode, by one that it does, whose operands are encoded
    alike."""

    name: str
    """What assemblers call it."""
    mask: bytes
    """The bits of its first bytes that tell it."""
    bits: bytes
    """Their values."""
    last: int
    """The last of these bytes of the one that is decoded in its place."""

    def decodable(self, code: bytes) -> bytes | None:
        """Return the code of the other one where `code` begins with this; else None."""
        length = len(self.mask)
        first = bytes(byte & mask for byte, mask in zip(code, self.mask, strict=False))
        if first != self.bits:
            return None
        return code[: length - 1] + bytes([self.last]) + code[length:]


@dataclass(frozen=True)
class Instructions:
    """How instructions are decoded, and which extension each belongs to.

    Capstone sorts instructions into groups, most of them named after an extension; those without a
    group are identified by their text. Where capstone has no decoder, the text is LLVM's assembly,
    and an instruction that matches no pattern is refused.
    """

    capstone: tuple[str, str] | None
    """Names of capstone's architecture and mode; None if it does not decode the architecture."""
    patterns: tuple[tuple[re.Pattern[str], str], ...]
    """Pairs of an extension and a pattern for the beginning of an instruction's text."""
    base: frozenset[str]
    """Groups and extensions that every CPU has."""
    groups: Mapping[str, str] = field(default_factory=dict)
    """Extensions by capstone's group, where their names differ."""
    modes: Mapping[str, str] = field(default_factory=dict)
    """Further modes of capstone, by the feature that they decode."""
    twins: tuple[Twin, ...] = ()
    """Instructions that capstone does not decode."""
    vectors: re.Pattern[str] | None = None
    """Vector registers: instructions on these must be identified by a group or by their text."""
    halves: tuple[str, re.Pattern[str]] | None = None
    """Extension and operands of instructions on vectors that are identified by neither."""
    everyones: re.Pattern[str] | None = None
    """Unprivileged instructions that capstone considers privileged."""


def patterns(table: Mapping[str, str]) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Compile a table of patterns by extension to pairs of a pattern and its extension."""
    return tuple((re.compile(pattern), name) for name, pattern in table.items())


@dataclass(frozen=True)
class Architecture:
    """An instruction set, and its properties for systems, linkers and emulators."""

    name: str
    """Its name for uname and qemu."""
    aliases: tuple[str, ...]
    """Its other names in triples, compilers and uname."""
    triple: str
    """LLVM's triple for Linux."""
    link_triple: str
    """zig's target for executables."""
    bits: int
    """Bits of an address."""
    elf_machine: str
    """pyelftools' name of the ELF machine."""
    page_bytes: int
    """Largest page size of Linux kernels; segments must not share pages."""
    core: Core
    """Default for CPUs without known caches and units."""
    cpus: Mapping[str, Cpu]
    """CPUs by name."""
    features: tuple[str, ...]
    """Names for `--mattr`."""
    implied: Mapping[str, tuple[str, ...]]
    """Features directly implied by a feature; `closure` follows them."""
    asked: Mapping[str, tuple[int, ...]]
    """How executables query a feature of the CPU, in the format of `c/cpu.h`; the most
    distinguishing features come first."""
    instructions: Instructions
    """How its code is decoded."""
    abi: str = ""
    """LLVM's name of the ABI, if that is not LLVM's default."""
    elf_flags: tuple[int, int, str] | None = None
    """Mask and value of an ELF file's flags, and the name of the ABI that they state."""
    elf_limits: Mapping[str, tuple[int, int]] | None = None
    """Largest Tag_CPU_arch and Tag_FP_arch, by the first of these features that the target has;
    None if there are no such build attributes."""
    platform_register: str = ""
    """A register that systems other than Linux reserve."""
    android_functions: tuple[str, ...] = ()
    """Names in Android's libc of the functions that LLVM calls, where other libcs differ."""
    always: tuple[str, ...] = ()
    """Features of every CPU, which rows do not list."""
    maskable: tuple[str, ...] = ()
    """Features that a virtual machine may hide although CPUs of the name have them."""
    emulated: str = "max"
    """qemu's CPU model with all features that qemu supports."""
    not_emulated: Mapping[str, str] = field(default_factory=dict)
    """Features that no version of qemu supports, and what their makers call them."""

    @property
    def qemu(self) -> str:
        """Name of the user-mode emulator."""
        return f"qemu-{self.name}"

    @cached_property
    def names(self) -> frozenset[str]:
        """All its names."""
        return frozenset((self.name, *self.aliases))

    def core_of(self, cpu: str) -> Core:
        """Return the core of a CPU, or the default."""
        return self.cpus[cpu].core if cpu in self.cpus else self.core

    def features_of(self, cpu: str) -> frozenset[str]:
        """Return the extensions of a CPU; none if no table lists it."""
        return self.cpus[cpu].features if cpu in self.cpus else frozenset()

    def closure(self, features: Iterable[str]) -> frozenset[str]:
        """Return the features and all that they imply."""
        return closure(features, self.implied)


@dataclass(frozen=True)
class Baseline:
    """A vector unit that kernels are written for, and the features that they require."""

    architecture: Architecture
    isa: str
    """Name of the vector unit in `mbc.backends.llvm.isa`."""
    needs: tuple[str, ...]
    """Features that all kernels require."""
    implied_by: tuple[tuple[str, str], ...] = ()
    """Pairs of a feature for `--mattr` and the one of `needs` that LLVM removes with it."""
    better: str = ""
    """A better vector unit, used for CPUs that have it."""
    better_needs: tuple[str, ...] = ()
    """Features that it requires."""
    better_not: tuple[str, ...] = ()
    """Features that rule it out."""
    besides: tuple[str, ...] = ()
    """CPUs whose name lacks one of `needs`: targets switch it on."""

    @property
    def name(self) -> str:
        """Name of the architecture."""
        return self.architecture.name

    @cached_property
    def cpus(self) -> tuple[str, ...]:
        """CPUs that run the kernels."""
        return tuple(
            name
            for name, cpu in self.architecture.cpus.items()
            if cpu.features.union(self.architecture.always).issuperset(self.needs)
            or name in self.besides
        )


def closure(features: Iterable[str], implied: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """Return the features and all that they imply."""
    found, waiting = set[str](), list(features)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += implied.get(name, ())
    return frozenset(found)


def cpu_table(
    text: str,
    core: Core,
    implied: Mapping[str, tuple[str, ...]],
    sets: Mapping[str, str],
    others: Mapping[str, Cpu] | None = None,
) -> dict[str, Cpu]:
    """Parse CPUs from lines "name | L1 L2 L3 | units x lanes, accesses | qemu's name | features".

    "-" in the second column means `core`, "=" the core of that name in `others`. "=NAME" among the
    features means the set of that name in `sets`. Raises ValueError for a line of another form.
    """
    cpus: dict[str, Cpu] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        try:
            name, caches, units, qemu, features = map(str.strip, line.split("|"))
            known = {"-": core, **({"=": others[name].core} if caches == "=" and others else {})}
            facts = known.get(caches) or _core(caches, units, core)
            words = frozenset(_features(features.split(), sets))
        except (KeyError, ValueError) as problem:
            raise ValueError(f"not a row of CPUs: {line} ({problem})") from None
        if name in cpus:
            raise ValueError(f"two rows of {name}")
        cpus[name] = Cpu(name, facts, qemu, closure(words, implied))
    return cpus


def _core(caches: str, units: str, like: Core) -> Core:
    l1, l2, l3 = map(int, caches.split())
    count, lanes, accesses = map(int, units.replace("x", " ").split())
    return Core(l1, l2, l3, count, lanes, accesses, like.memory)


def _features(words: Iterable[str], sets: Mapping[str, str]) -> Iterator[str]:
    for word in words:
        if word.startswith("="):
            yield from sets[word[1:]].split()
        else:
            yield word
