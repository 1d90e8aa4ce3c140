"""Instruments around passes, for what the user asks to see of a pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mbc.ir.graph import Graph
from mbc.ir.text.module import DumpFolder
from mbc.passes.pipelines import PASSES
from mbc.passmgr.instruments import (
    CheckPasses,
    DumpEach,
    PrintAfter,
    PrintChanged,
    Verify,
    pass_names,
    remark_lines,
    timing_table,
)
from mbc.passmgr.manager import Instrument, PassRecord
from mbc.records import dataclass
from mbc.report.subnormals import subnormal_weights

Write = Callable[[str], None]


@dataclass(frozen=True)
class Inspection:
    """What users ask to see of the passes."""

    dump: Path | None = None
    """Folder for the IR after each pass."""
    print_after: tuple[str, ...] = ()
    """Names of passes, or "all"."""
    print_changed: bool = False
    check: bool = False
    """Whether to compare the oracle's answers before and after each pass."""
    time: bool = False
    remarks: bool = False


@contextmanager
def instruments(wanted: Inspection, write: Write) -> Iterator[tuple[Instrument, ...]]:
    """Yield the instruments, the verifier always first; dumps are complete when the context ends,
    by an error too. Prints go to `write`. Raises E0510 for a pass that does not exist."""
    checker = CheckPasses() if wanted.check else None
    chosen: list[Instrument] = [Verify(), *([checker] if checker else [])]
    chosen += [PrintAfter(pass_names(names, PASSES), write) for names in wanted.print_after]
    if wanted.print_changed:
        chosen.append(PrintChanged(write))
    if wanted.dump is None:
        yield tuple(chosen)
    else:
        with DumpFolder(wanted.dump) as folder:
            yield (*chosen, DumpEach(folder))
    for check in checker.checks if checker else ():
        write(
            f"checked {check.name}: relative error {check.error:.2g} (at most {check.tolerance:g})"
        )


def summaries(wanted: Inspection, records: Sequence[PassRecord]) -> Iterator[str]:
    """Remarks and times, after the last pass."""
    if wanted.remarks:
        yield from remark_lines(records)
    if wanted.time:
        yield timing_table(records)


def weight_remarks(wanted: Inspection, graph: Graph) -> Iterator[str]:
    """Yield lines on the weights that packing changes: one a layer, or one for all."""
    found = subnormal_weights(graph)
    if wanted.remarks:
        yield from map(str, found)
    elif found:
        count, layers = sum(layer.count for layer in found), len(found)
        where = f"{layers} layers" if layers > 1 else found[0].layer
        yield (
            f"weights: {count} of {where} are subnormal (below 1.2e-38): packed as 0; "
            "--remarks tells the layers"
        )
