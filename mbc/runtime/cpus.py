"""On which CPUs threads run: a list of numbers, or the fast or the slow ones of a machine that has
both. Linux tells how fast each is: `cpu_capacity` where the firmware says so, as on most boards
with Arm cores of two kinds, else the highest clock."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from mbc.diag import error

CLUSTERS = ("big", "little")
FOLDER = Path("/sys/devices/system/cpu")
MEASURES = ("cpu_capacity", "cpufreq/cpuinfo_max_freq")
MOST = 256


def parse_cpus(text: str) -> tuple[int, ...]:
    """The text "0,4-6" as (0, 4, 5, 6); ValueError unless all of it is numbers, ranges rising."""
    cpus: list[int] = []
    for word in text.split(","):
        found = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", word)
        if not found:
            raise ValueError(f"{word!r} is no CPU")
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first or len(cpus) + last - first >= MOST:
            raise ValueError(f"{word!r} is no range of at most {MOST} CPUs")
        cpus += range(first, last + 1)
    return tuple(cpus)


def choose_cpus(wanted: str | tuple[int, ...], threads: int | None) -> tuple[int, ...]:
    """A CPU for each thread: those listed, as many as there are threads if the user says how many;
    or of a cluster, as many as wanted, the fastest first. Raises E0606 where that does not fit."""
    if isinstance(wanted, tuple):
        if threads not in (None, len(wanted)):
            raise error("E0606", f"--cpus: {len(wanted)} CPUs for {threads} threads")
        return wanted
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    found = cluster(wanted, speeds(FOLDER, allowed))
    if threads is not None and threads > len(found):
        listed = ", ".join(map(str, found))
        message = f"--cpus: {threads} threads on {len(found)} {wanted} CPUs ({listed})"
        raise error("E0606", message)
    return found[:threads]


def check_cpus(cpus: tuple[int, ...]) -> None:
    """E0606 unless a thread can be pinned to each, found by pinning this one for a moment."""
    if not hasattr(os, "sched_setaffinity"):
        raise error("E0606", "--cpus: this system does not pin threads to CPUs")
    before = os.sched_getaffinity(0)
    for cpu in cpus:
        try:
            os.sched_setaffinity(0, {cpu})
        except (OSError, OverflowError, ValueError):
            here = ", ".join(map(str, sorted(before)))
            message = f"--cpus: this process may not run on CPU {cpu}"
            raise error("E0606", message, helps=[f"it runs on {here}"]) from None
        finally:
            os.sched_setaffinity(0, before)


def speeds(folder: Path, allowed: Collection[int]) -> dict[int, int]:
    """How fast each CPU is that we may run on, by the first measure that tells of all of them;
    empty if none does."""
    for measure in MEASURES:
        found = {cpu: _number(folder / f"cpu{cpu}" / measure) for cpu in sorted(allowed)}
        known = {cpu: speed for cpu, speed in found.items() if speed is not None}
        if len(known) == len(found):
            return known
    return {}


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def cluster(name: str, speeds: Mapping[int, int]) -> tuple[int, ...]:
    """The little CPUs are the slowest ones, all others are big. The fastest come first. Raises
    E0606 where all are alike, or nothing is known."""
    least = min(speeds.values(), default=0)
    if least == max(speeds.values(), default=0):
        why = "are all alike" if speeds else "do not tell how fast they are"
        raise error(
            "E0606",
            f"--cpus: there are no {name} CPUs: those of this machine {why}",
            helps=["name CPUs by their numbers, such as --cpus 0,1"],
        )
    chosen = [cpu for cpu in speeds if (speeds[cpu] == least) == (name == "little")]
    return tuple(sorted(chosen, key=lambda cpu: (-speeds[cpu], cpu)))
