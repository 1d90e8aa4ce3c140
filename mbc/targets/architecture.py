"""What is known of an architecture and of its CPUs: a row each, from which all else derives.

The rows are the files of `mbc/targets/architectures`. A name that LLVM has and no table here lacks
facts rather than a row: `Architecture.core` stands in for its caches and units.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True)
class Core:
    """What the cost model and rooflines need to know of one core."""

    l1: int
    """First data cache, KiB."""
    l2: int
    """Second cache, KiB: the core's own or, without one, that of the cluster."""
    l3: int
    """Third cache, KiB, shared by all cores; 0 if there is none."""
    units: int
    """Vector units that multiply and add."""
    lanes: int
    """Single-precision elements that one of them takes a cycle."""
    accesses: int = 2
    """Vectors that it loads or stores a cycle."""
    memory: float = 4.0
    """Bytes a cycle that one core gets from the memory."""

    @property
    def fma(self) -> int:
        """Single-precision multiply-adds a cycle."""
        return self.units * self.lanes


@dataclass(frozen=True)
class Cpu:
    """A CPU by LLVM's name."""

    name: str
    core: Core
    qemu: str
    """The CPU of qemu that it is emulated as: the very one, or the nearest of its extensions."""
    features: frozenset[str]
    """Extensions of the instruction set, those implied included."""


FLOW = "jump call return ret branch_relative"
"""Capstone's groups of control flow, which every architecture has."""


@dataclass(frozen=True)
class Instructions:
    """How instructions are read, and which extension each belongs to.

    Capstone sorts instructions into groups, most of them named after an extension; what it leaves
    without a group is told by its text. Where capstone has no decoder, the text is that of LLVM's
    assembly, and an instruction that no pattern tells is refused.
    """

    capstone: tuple[str, str] | None
    """Names of capstone's architecture and mode; None if it does not decode the architecture."""
    patterns: tuple[tuple[re.Pattern[str], str], ...]
    """Extensions by a pattern that the text of an instruction begins with."""
    base: frozenset[str]
    """Groups and extensions that every CPU has."""
    groups: Mapping[str, str] = field(default_factory=dict)
    """Extensions by capstone's group, where their names differ."""
    modes: Mapping[str, str] = field(default_factory=dict)
    """Further modes of capstone, by the feature that they decode."""
    vectors: re.Pattern[str] | None = None
    """Registers of instructions that must be told by a group or by their text."""
    halves: tuple[str, re.Pattern[str]] | None = None
    """The extension of those that have such operands and are told by neither."""
    everyones: re.Pattern[str] | None = None
    """What capstone takes for privileged and is not."""


def patterns(table: Mapping[str, str]) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Extensions by a pattern, from patterns by extension."""
    return tuple((re.compile(pattern), name) for name, pattern in table.items())


@dataclass(frozen=True)
class Architecture:
    """An instruction set, and what systems, linkers and emulators make of it."""

    name: str
    """As uname and qemu have it."""
    aliases: tuple[str, ...]
    """What else triples, compilers and uname call it."""
    triple: str
    """LLVM's triple for Linux."""
    link_triple: str
    """What zig calls the platform of executables."""
    bits: int
    """Of an address."""
    elf_machine: str
    """As pyelftools names it."""
    page_bytes: int
    """Largest pages of Linux kernels, which segments must not share."""
    core: Core
    """Stands in for the cores of CPUs of which no facts are known."""
    cpus: Mapping[str, Cpu]
    """CPUs by name."""
    features: tuple[str, ...]
    """Names for `--mattr`."""
    implied: Mapping[str, tuple[str, ...]]
    """Features that come with a feature; only direct ones, `closure` follows them."""
    asked: Mapping[str, tuple[int, ...]]
    """Where executables find whether the CPU has a feature, as `c/cpu.h` reads it, the most telling
    features first."""
    instructions: Instructions
    """How its code is read back."""
    abi: str = ""
    """LLVM's name of the ABI, where its default is another."""
    elf_flags: tuple[int, int, str] | None = None
    """Mask and value of an ELF file's flags, and what they say."""
    elf_limits: Mapping[str, tuple[int, int]] | None = None
    """The most that Tag_CPU_arch and Tag_FP_arch may say, by the first of these features that the
    target has; None where there are no such build attributes."""
    platform_register: str = ""
    """A register that systems other than Linux keep for themselves."""
    android_functions: tuple[str, ...] = ()
    """What Android's libc calls the functions that LLVM calls, where other libcs differ."""
    always: tuple[str, ...] = ()
    """Features that every CPU has, and that no row lists."""
    maskable: tuple[str, ...] = ()
    """Features that a virtual machine may hide although the CPU's name promises them."""
    emulated: str = "max"
    """qemu's CPU that has all that qemu can do."""
    not_emulated: frozenset[str] = frozenset()
    """Features that no qemu has."""

    @property
    def qemu(self) -> str:
        """The emulator of programs."""
        return f"qemu-{self.name}"

    @cached_property
    def names(self) -> frozenset[str]:
        """All that it is called."""
        return frozenset((self.name, *self.aliases))

    def core_of(self, cpu: str) -> Core:
        """The facts of a CPU's core, or of what stands in for it."""
        return self.cpus[cpu].core if cpu in self.cpus else self.core

    def features_of(self, cpu: str) -> frozenset[str]:
        """The extensions of a CPU; none of one that no table has."""
        return self.cpus[cpu].features if cpu in self.cpus else frozenset()

    def closure(self, features: Iterable[str]) -> frozenset[str]:
        """The features and all that they imply."""
        return closure(features, self.implied)


@dataclass(frozen=True)
class Baseline:
    """A vector unit that kernels are written for, and what CPUs need to run them."""

    architecture: Architecture
    isa: str
    """The vector unit of `mbc.backends.llvm.isa`."""
    needs: tuple[str, ...]
    """Features without which no kernel runs."""
    implied_by: tuple[tuple[str, str], ...] = ()
    """Features that may be named in `--mattr` with the one of `needs` that LLVM removes along."""
    better: str = ""
    """A better vector unit, of CPUs that have it."""
    better_needs: tuple[str, ...] = ()
    """Features that it takes."""
    better_not: tuple[str, ...] = ()
    """Features that rule it out."""
    besides: tuple[str, ...] = ()
    """CPUs that lack a need by name: targets switch it on."""

    @property
    def name(self) -> str:
        """Name of the architecture."""
        return self.architecture.name

    @cached_property
    def cpus(self) -> tuple[str, ...]:
        """The CPUs that run the kernels."""
        return tuple(
            name
            for name, cpu in self.architecture.cpus.items()
            if cpu.features.union(self.architecture.always).issuperset(self.needs)
            or name in self.besides
        )


def closure(features: Iterable[str], implied: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """The features and all that they imply."""
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
    """CPUs from lines "name | L1 L2 L3 | units x lanes, accesses | qemu's name | features".

    "-" in the second column stands for `core`, "=" for the core of that name in `others`. "=NAME"
    among the features are those of `sets`. ValueError names a line that is not such a row.
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
