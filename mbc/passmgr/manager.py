"""Runs pipelines. Instruments verify, dump and print around passes; records say what passes did."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from mbc.diag import MbcError, error
from mbc.ir.graph import Constant, Graph, Node
from mbc.ir.text.module import write_dump
from mbc.ir.text.printer import print_graph
from mbc.ir.views import Place, Value
from mbc.passmgr.passes import Pass, PassContext, PassResult, Pipeline
from mbc.passmgr.pipeline import spec_of
from mbc.records import dataclass


@dataclass(frozen=True)
class Step:
    """One pass of a pipeline."""

    index: int
    """From 1; 0 is the graph as imported."""
    stage: str
    instance: Pass

    @property
    def name(self) -> str:
        """Name of the pass."""
        return self.instance.name


@dataclass(frozen=True)
class PassRecord:
    """What one pass did, and how long it took."""

    step: Step
    result: PassResult
    seconds: float


class Instrument:
    """Callbacks around passes, by default without effect."""

    def start(self, graph: Graph) -> None:
        """Run before the first pass."""

    def before(self, step: Step, graph: Graph) -> None:
        """Run before a pass."""

    def after(self, record: PassRecord, graph: Graph) -> None:
        """Run after a pass. Raise PassFault if its result is wrong."""


class PassFault(Exception):
    """A pass produced a wrong graph: a bug of mbc."""


def run_pipeline(
    graph: Graph,
    pipeline: Pipeline,
    context: PassContext,
    instruments: Sequence[Instrument] = (),
    *,
    rescue: Path | None = None,
) -> list[PassRecord]:
    """Run all passes over the graph, in place.

    Raises MbcError E0901 if a pass fails or an instrument finds fault with it; the IR before that
    pass is then saved in the folder `rescue` (default: a new temporary one)."""
    for instrument in instruments:
        instrument.start(graph)
    records: list[PassRecord] = []
    before = _Snapshot.of(graph)
    for step in steps(pipeline):
        if records and records[-1].result.changed:
            before = _Snapshot.of(graph)
        try:
            records.append(_run(step, graph, context, instruments))
        except (MbcError, MemoryError):
            raise
        except Exception as problem:
            raise _internal_error(step, before, problem, rescue) from problem
    return records


def steps(pipeline: Pipeline) -> Iterable[Step]:
    """Yield the passes of a pipeline with their numbers."""
    for index, (stage, instance) in enumerate(pipeline.all_passes(), 1):
        yield Step(index, stage, instance)


def _run(
    step: Step, graph: Graph, context: PassContext, instruments: Sequence[Instrument]
) -> PassRecord:
    for instrument in instruments:
        instrument.before(step, graph)
    plan, arena = _plan(graph), graph.arena_bytes
    structure, threads_plan = _structure(graph), graph.threads_plan
    start = time.perf_counter()
    result = step.instance.run(graph, context)
    record = PassRecord(step, result, time.perf_counter() - start)
    if result.changed:
        if graph.arena_bytes == arena:
            _drop_stale_plan(graph, plan)
        if graph.threads_plan is threads_plan and _structure(graph) != structure:
            graph.threads_plan = None
    for instrument in instruments:
        instrument.after(record, graph)
    return record


def _plan(graph: Graph) -> dict[Value | Node, Place | None]:
    """Return the memory plan: the places of values and scratch in the arena, if any."""
    nodes = graph.topo()
    plan: dict[Value | Node, Place | None] = {v: v.place for n in nodes for v in n.results}
    scratch = {n: None if n.scratch is None else Place(n.scratch) for n in nodes}
    return plan | scratch


def _structure(graph: Graph) -> tuple[object, ...]:
    """Return what nodes and outputs read. A plan for several threads holds as long as this does."""
    return [(node, node.operands) for node in graph.topo()], graph.outputs


def _drop_stale_plan(graph: Graph, before: dict[Value | Node, Place | None]) -> None:
    """Drop the memory plan after an edit, unless the pass has made a new one."""
    now = _plan(graph)
    if not any(before.values()) or any(before.get(item) != place for item, place in now.items()):
        return
    graph.arena_bytes = None
    for item in now:
        match item:
            case Value():
                item.place = None
            case Node():
                item.scratch = None


@dataclass(frozen=True)
class _Snapshot:
    """The graph before a pass, as far as a dump needs it; cheaper than a copy."""

    text: str
    constants: dict[str, Constant]

    @staticmethod
    def of(graph: Graph) -> _Snapshot:
        return _Snapshot(print_graph(graph), graph.constants())

    def write(self, folder: Path, filename: str) -> Path:
        from mbc.ir.text.parser import parse  # takes time to import

        graph = parse(self.text)
        for name, constant in graph.constants().items():
            constant.data = self.constants[name].data
        return write_dump(graph, folder, filename)


def _internal_error(
    step: Step, before: _Snapshot, problem: Exception, rescue: Path | None
) -> MbcError:
    spec = spec_of(step.instance)
    what = (
        str(problem) if isinstance(problem, PassFault) else f"{type(problem).__name__}: {problem}"
    )
    folder = rescue or Path(tempfile.mkdtemp(prefix="mbc-"))
    path = before.write(folder, f"before-{step.name}.mbc")
    return error(
        "E0901",
        f"pass {spec} (stage {step.stage}) failed: {what}",
        helps=[f"the last good IR is in {path}", f"to reproduce it: mbc opt {path} -p '{spec}'"],
    )
