"""The CPUs that threads are pinned to: a list of numbers, or a cluster (big or little).

Linux reports the speed of each CPU: `cpu_capacity` where the firmware provides it, as on most
boards with two kinds of Arm cores, else the maximum clock.
"""

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
    """Parse "0,4-6" to (0, 4, 5, 6); ValueError for anything but numbers and rising ranges."""
    cpus: list[int] = []
    for word in text.split(","):
        found = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", word)
        if not found:
            raise ValueError(f"{word!r} is not a CPU number")
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first or len(cpus) + last - first >= MOST:
            raise ValueError(f"{word!r} is not a range of at most {MOST} CPUs")
        cpus += range(first, last + 1)
    return tuple(cpus)


def choose_cpus(wanted: str | tuple[int, ...], threads: int | None) -> tuple[int, ...]:
    """Choose a CPU for each thread: those listed, or the fastest of a cluster.

    Without `threads`, every CPU listed or of the cluster gets one. Raises E0606 if a list has
    another number of CPUs than `threads`, or a cluster too few.
    """
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
    """Raise E0606 unless threads can be pinned to each CPU; tried by pinning this one briefly."""
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
    """Read the speed of each allowed CPU, by the first of MEASURES that all of them have.

    Returns an empty dict if there is no such measure.
    """
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
    """Return the CPUs of a cluster, fastest first: "little" are the slowest, "big" all others.

    Raises E0606 if all are equally fast, or if no speeds are known.
    """
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
