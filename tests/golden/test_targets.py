"""What the tables of targets say, row by row: names that users may write, and what they stand for.

A row that goes takes a name from those who wrote it; `pytest --update-golden` rewrites the record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from mbc.backends.tvm.gpu.schedule import FACTS
from mbc.targets import elsewhere
from mbc.targets.architecture import Architecture, Cpu
from mbc.targets.architectures import ARCHITECTURES, BASELINES
from mbc.targets.boards import BOARDS
from mbc.targets.catalogue import ENTRIES
from mbc.targets.cpu_check import _MACOS
from mbc.targets.gpu import BOARD_GPUS, GPU_TARGETS, INSTEAD

RECORD = Path(__file__).with_name("targets.txt")


def words(names: object) -> str:
    """Return names in order, with spaces between; "-" for none."""
    assert isinstance(names, tuple | list | set | frozenset)
    listed = names if isinstance(names, tuple | list) else sorted(names)
    return " ".join(map(str, listed)) or "-"


def targets() -> Iterator[str]:
    for entry in ENTRIES:
        what = f"{entry.baseline.isa}, {entry.cpu} {words(entry.features)}, {entry.triple}"
        yield f"target {entry.name}: {what}, {entry.link_triple}, also {words(entry.aliases)}"
    for name, board in BOARDS.items():
        cores = ", ".join(map(str, board.cores))
        yield f"board {name}: {cores}, {board.memory_gbs:g} GB/s, GPU {BOARD_GPUS.get(name, '-')}"
    for gpu in GPU_TARGETS:
        yield f"target {gpu.api}: {words(gpu.arches)}, by default {gpu.default or 'any'}"
    for table in FACTS.values():
        yield from (f"gpu {arch or 'any'}: {facts}" for arch, facts in table.items())
    yield from (f"instead of {name}: {what}" for name, what in INSTEAD.items())
    for known in (elsewhere._REASONS, elsewhere._INSTEAD):
        yield from (f"known elsewhere: {what}: {words(names)}" for what, names in known.items())


def baselines() -> Iterator[str]:
    for base in BASELINES:
        what = f"{base.name}, needs {words(base.needs)}, runs {words(base.cpus)}"
        better = f"{base.better or '-'} with {words(base.better_needs)}"
        implied = words([f"{name}<{need}" for name, need in base.implied_by])
        yield f"baseline {base.isa}: {what}, {better} not {words(base.better_not)}, {implied}"
    yield from (f"feature macos {name}: {asked}" for name, asked in _MACOS.items())


def architecture(known: Architecture) -> Iterator[str]:
    name, instructions = known.name, known.instructions
    yield f"architecture {name}: {words(known.aliases)}, {known.triple}, {known.link_triple}"
    yield f"architecture {name}: always {words(known.always)}, maskable {words(known.maskable)}"
    for feature, called in known.not_emulated.items():
        yield f"architecture {name}: not emulated {feature}, {called}"
    yield f"architecture {name}: every CPU {words(instructions.base)}"
    for feature in known.features:
        implied = known.closure([feature]) - {feature}
        yield f"feature {name} {feature}: {words(implied)}, asked {known.asked.get(feature, '-')}"
    yield f"asked {name}: {words(tuple(known.asked))}"
    for mapping in (instructions.groups, instructions.modes, known.elf_limits or {}):
        yield from (f"instructions {name} {key}: {value}" for key, value in mapping.items())
    for pattern, extension in instructions.patterns:
        yield f"instructions {name} {extension}: {pattern.pattern}"
    for twin in instructions.twins:
        how = f"{twin.mask.hex()} {twin.bits.hex()} {twin.last:#x}"
        yield f"instructions {name} {twin.name}: {how}"
    yield from (f"function {name} {function}" for function in known.android_functions)


def cpus(known: Mapping[str, Cpu], name: str) -> Iterator[str]:
    for cpu in known.values():
        core = cpu.core
        caches = f"{core.l1} {core.l2} {core.l3}, {core.units}x{core.lanes} {core.accesses}"
        yield f"cpu {name} {cpu.name}: {caches}, {cpu.qemu}, {words(cpu.features)}"


def record() -> str:
    lines = [*targets(), *baselines()]
    for known in ARCHITECTURES:
        lines += [*architecture(known), *cpus(known.cpus, known.name)]
    return "\n".join(lines) + "\n"


def test_the_tables_say_what_they_said(pytestconfig: pytest.Config) -> None:
    if pytestconfig.getoption("--update-golden"):
        RECORD.write_text(record(), "utf-8")
    said, says = RECORD.read_text("utf-8").splitlines(), record().splitlines()
    assert [line for line in said if line not in says] == [], "no longer"
    assert [line for line in says if line not in said] == [], "new"
    assert said == says
