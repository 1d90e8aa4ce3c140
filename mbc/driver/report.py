"""The report on a compiled network: costs from the graph, sizes from lowering it."""

from __future__ import annotations

from mbc.diag import error
from mbc.driver.producers.llvm import lower_graph
from mbc.driver.producers.producer import Compiled
from mbc.driver.request import Observer
from mbc.memory.facts import Facts
from mbc.ops.cost import bytes_moved_by_data_movement, integer_macs, layers
from mbc.report.costs import Report
from mbc.report.memory import Memory, memory_of
from mbc.report.roofline import roofline


def make_memory_report(compiled: Compiled, observer: Observer) -> Memory:
    """Report what lies in the arena. Raises E0106 if the memory of the graph is not planned."""
    if compiled.graph.arena_bytes is None:
        raise error("E0106", "--memory reports on a memory plan, and here is none", helps=[PLANS])
    spec = lower_graph(compiled, observer).spec
    facts = Facts(compiled.producer.backend())
    return memory_of(compiled.graph, facts, spec.shared_bytes, spec.scratch_bytes)


PLANS = "the stage plan makes it: --stop-after plan, or a later one"


def make_report(compiled: Compiled, observer: Observer) -> Report:
    """Report costs and sizes. The sizes are those of the artefact; before the memory plan there is
    no arena, and constants count as they are."""
    source, graph, board = compiled.source, compiled.graph, compiled.target.board
    rows, arena = layers(graph), 0
    weights = sum(constant.type.bytes for constant in graph.constants().values())
    if graph.arena_bytes is not None:
        spec = lower_graph(compiled, observer).spec
        arena, weights = spec.arena_bytes, spec.weights_bytes
    return Report(
        network=source.network,
        parameters=source.parameters,
        target=compiled.target.name,
        macs=source.totals.macs,
        params=source.totals.params,
        arena_bytes=arena,
        weights_bytes=weights,
        bytes_moved_by_data_movement=bytes_moved_by_data_movement(graph),
        layers=rows,
        roofline=roofline([(row.macs, row.bytes) for row in rows], board) if board else None,
        integer_macs=integer_macs(graph),
    )
