"""Instruments: verify, dump, print or check the graph around each pass."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mbc.accuracy import difference, worst
from mbc.diag import MbcError, error
from mbc.interp.ties import run_with_ties
from mbc.ir.elements import F16
from mbc.ir.graph import Graph
from mbc.ir.text.module import DumpFolder
from mbc.ir.text.printer import print_graph
from mbc.ir.types import TensorType
from mbc.ir.verify import verify
from mbc.passmgr.manager import Instrument, PassFault, PassRecord
from mbc.passmgr.passes import Pass, Remark
from mbc.passmgr.pipeline import find_pass
from mbc.records import dataclass

Write = Callable[[str], None]

F16_STEP = 2.0**-10


class Verify(Instrument):
    """Verifies the graph before the first pass, where faults are the user's, and after each."""

    def start(self, graph: Graph) -> None:
        verify(graph)

    def after(self, record: PassRecord, graph: Graph) -> None:
        try:
            verify(graph)
        except MbcError as breach:
            raise PassFault(f"the graph is not valid after it: {breach}") from breach


REMARKS_FILE = "remarks.txt"


class DumpEach(Instrument):
    """Writes `00-import.mbc`, `01-fold-constants.mbc` and so on, one file a pass whether it changed
    the graph or not, and all remarks to `remarks.txt`: dumps have none, so that what passes make of
    one is the next. Whoever made the folder closes it, which writes the constants."""

    def __init__(self, folder: DumpFolder) -> None:
        self._folder = folder
        self._remarks: list[str] = []

    def start(self, graph: Graph) -> None:
        self._folder.write(graph, "00-import.mbc")
        self._folder.write_text("", REMARKS_FILE)  # instead of those of an earlier run

    def after(self, record: PassRecord, graph: Graph) -> None:
        self._folder.write(graph, f"{record.step.index:02d}-{record.step.name}.mbc")
        if lines := remark_lines([record]):
            self._remarks += [f"{record.step.index:02d} {line}\n" for line in lines]
            self._folder.write_text("".join(self._remarks), REMARKS_FILE)


class PrintAfter(Instrument):
    """Prints the IR after the named passes; all of them for None."""

    def __init__(self, names: frozenset[str] | None, write: Write) -> None:
        self._names, self._write = names, write

    def after(self, record: PassRecord, graph: Graph) -> None:
        if self._names is None or record.step.name in self._names:
            self._write(f"// after {_title(record)}\n{print_graph(graph)}")


def pass_names(text: str, known: Sequence[type[Pass]]) -> frozenset[str] | None:
    """Parse the argument of `--print-ir-after`: names with commas, or "all" (None). Raises MbcError
    E0510 for other names."""
    if text == "all":
        return None
    names = [name.strip() for name in text.split(",")]
    return frozenset(find_pass(name, known).name for name in names)


class PrintChanged(Instrument):
    """Prints what each pass changed, as a unified diff; nothing for a pass that changed nothing."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._before = ""

    def start(self, graph: Graph) -> None:
        self._before = print_graph(graph)

    def after(self, record: PassRecord, graph: Graph) -> None:
        after = print_graph(graph)
        diff = difflib.unified_diff(
            self._before.splitlines(keepends=True),
            after.splitlines(keepends=True),
            f"before {_title(record)}",
            f"after {_title(record)}",
        )
        self._before = after
        if text := "".join(diff):
            self._write(text)


def _title(record: PassRecord) -> str:
    return f"{record.step.index:02d}-{record.step.name}"


@dataclass(frozen=True)
class Check:
    """The largest relative error of an output across a pass."""

    name: str
    error: float
    tolerance: float


class CheckPasses(Instrument):
    """Runs the oracle on one seeded random input after each pass that changed the graph and
    compares the outputs with those before it; `checks` has the results. Constants must have data.

    The magnitudes of pixels differ by up to a factor of 1000, so that errors in small ones show."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._answer: Mapping[str, np.ndarray] = {}
        self.checks: list[Check] = []

    def start(self, graph: Graph) -> None:
        self._answer = self._run(graph)

    def after(self, record: PassRecord, graph: Graph) -> None:
        if not record.result.changed:
            return
        before, self._answer = self._answer, self._run(graph)
        found = {name: difference(y, before[name]) for name, y in self._answer.items()}
        output, far = worst(found)
        tolerance = record.step.instance.tolerance + _rounding(graph)
        self.checks.append(Check(record.step.name, far.error, tolerance))
        if not far.error <= tolerance:
            raise PassFault(f"it changes {output} by {far}, at most {tolerance:g} is right")

    def _run(self, graph: Graph) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(self._seed)
        try:
            return run_with_ties(graph, {v.name: _drawn(rng, v.type) for v in graph.inputs})
        except MemoryError:
            raise error(
                "E0902",
                "there is not enough memory to evaluate the network for --check-passes",
            ) from None


def _rounding(graph: Graph) -> float:
    """How far from each other results may be that f16 rounds, though sums differ in f32 alone."""
    types = (result.type for node in graph.topo() for result in node.results)
    return F16_STEP if any(type.element is F16 for type in types) else 0.0


def _drawn(rng: np.random.Generator, type: TensorType) -> np.ndarray:
    """Draw a tensor whose pixels have different magnitudes; integers from 0 to 127."""
    if not type.element.is_float:
        return rng.integers(0, 128, type.shape).astype(type.element.numpy)
    tensor = rng.standard_normal(type.shape, np.float32)
    tensor *= (10 ** rng.uniform(-3, 0, (*type.shape[:-1], 1))).astype(np.float32)
    return tensor


def timing_table(records: Sequence[PassRecord]) -> str:
    """Format the milliseconds of each pass and their shares."""
    total = sum(record.seconds for record in records) or 1.0
    lines = [f"{'ms':>9}  {'share':>6}  pass"]
    for record in records:
        share = 100 * record.seconds / total
        lines.append(f"{1e3 * record.seconds:9.2f}  {share:5.1f}%  {_title(record)}")
    return "\n".join([*lines, f"{1e3 * sum(r.seconds for r in records):9.2f}          all passes"])


def remark_lines(records: Sequence[PassRecord]) -> list[str]:
    """Format all remarks: `net.py:41:9: fuse-activation.shared: not fused: …`."""
    return [
        f"{f'{remark.subject}: ' * bool(remark.subject)}{remark_text(record, remark)}"
        for record in records
        for remark in record.result.remarks
    ]


def remark_text(record: PassRecord, remark: Remark) -> str:
    """Format a remark, its id first; that of a pass within another after the outer one's name."""
    name = record.step.name
    id = remark.id(name)
    inner = "" if id.startswith(f"{name}.") else f"{name}: "
    return f"{inner}{id}: {remark.message}"
