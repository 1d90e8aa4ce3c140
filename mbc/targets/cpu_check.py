"""The features that executables require of the CPU before they run a network (`c/cpu.h`).

Only features that compilers may use on their own are checked. Those of cryptography are not: a
Raspberry Pi 4 lacks some that LLVM's Cortex-A72 has, and no generated code uses them.
"""

from __future__ import annotations

from collections.abc import Iterator

from mbc.targets.catalogue import ENTRIES, entry_target
from mbc.targets.features import features_of
from mbc.targets.target import Target

# Apple's page "Determining instruction set characteristics"; all its CPUs for Macs have the others.
_MACOS = {"i8mm": "FEAT_I8MM", "bf16": "FEAT_BF16", "sve": "FEAT_SVE", "sve2": "FEAT_SVE2"}


def needs(target: Target) -> tuple[str, ...]:
    """List the features that code for the target may use and a CPU of its family may lack, the most
    distinguishing first."""
    known = _MACOS if target.system == "macos" else target.architecture.asked
    present = features_of(target)
    return tuple(name for name in known if name in present)


def cpu_config(target: Target) -> str:
    """Write the part of mbc_net.h for `c/cpu.h`; "" if every CPU runs the code."""
    asked = needs(target)
    if not asked:
        return ""
    others = [other for other in _others(target) if set(needs(other)) < set(asked)]
    names = [f"{target.name} ({target.cpu})", *(other.name for other in others)]
    rows = [row for index, t in enumerate((target, *others)) for row in _rows(index, t)]
    listed = ", ".join(f'"{name}"' for name in names)
    return f"\n#define MBC_CPU_TARGETS {{{listed}}}\n#define MBC_CPU_NEEDS {{{', '.join(rows)}}}\n"


def _rows(index: int, target: Target) -> Iterator[str]:
    for name in needs(target):
        if target.system == "macos":
            yield f'{{{index}, "{name}", "hw.optional.arm.{_MACOS[name]}"}}'
        else:
            words = ", ".join(map(str, target.architecture.asked[name]))
            yield f'{{{index}, "{name}", {words}}}'


def _others(target: Target) -> Iterator[Target]:
    """Yield the catalogue's targets of the same family and system, without boards."""
    for entry in ENTRIES:
        other = entry_target(entry)
        if entry.board is None and (other.family, other.system) == (target.family, target.system):
            yield other
