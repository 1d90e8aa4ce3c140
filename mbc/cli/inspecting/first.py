"""The first screen: what is this network, how large, how fast, what limits it, what changed."""

from __future__ import annotations

from collections.abc import Iterator

from mbc.cli import console
from mbc.cli.inspecting.page import BOLD, DIM, Line, Lines, Profile, indented, milliseconds, table
from mbc.inspect.model import Inspected
from mbc.inspect.overview import Limit, Step, changed_most, limit_of, slowest, steps_of
from mbc.ops.cost import short_form

CLOCKS = {
    "board": "",
    "given": "",
    "measured": ", as measured here",
    "assumed": ", a clock that is assumed: --mhz sets it",
}
HEADERS = (
    "",
    "pass",
    "nodes",
    "M MACs",
    "written KB",
    "arena KB",
    "predicted ms",
    "pass ms",
    "remarks",
)


def first_screen(inspected: Inspected, profile: Profile | None) -> Iterator[Line]:
    """Yield the answers, then the pipeline as a table."""
    network = inspected.network
    level = "passes given by hand" if network.level is None else f"-O{network.level}"
    kind = "8-bit codes" if network.quantised else "floats"
    yield Line(f"{network.name}, {network.file}", BOLD)
    yield Line(f"  for {network.target} ({network.cpu}), {level}, for {network.goal}, on {kind}")
    yield Line("")
    for question, answer in _answers(inspected, profile):
        head, *more = answer
        yield Line(f"  {question:<9}{head}")
        yield from (Line(f"  {'':<9}{text}") for text in more)
    yield Line("")
    yield from _pipeline(inspected)
    yield Line("")
    yield from _hints(inspected)


def _answers(inspected: Inspected, profile: Profile | None) -> Iterator[tuple[str, list[str]]]:
    yield "computes", [_ends(inspected)]
    yield "size", [_size(inspected)]
    yield "time", list(_time(inspected, profile))
    if limit := limit_of(inspected):
        yield "limit", [*_limit(inspected, limit)]
    if slow := slowest(inspected):
        rows = [
            f"{ending.share or 0:6.1%}  {milliseconds(ending.point.ms or 0)} ms  {ending.node.op} "
            f"{short_form(ending.node.origins) or ending.node.name} ({ending.node.bound})"
            for ending in slow
        ]
        yield "slowest", rows
    if steps := changed_most(inspected):
        yield "changed", [_change(step) for step in steps]


def _limit(inspected: Inspected, limit: Limit) -> Iterator[str]:
    kernels = f"{limit.kernels} of {console.counted(len(inspected.last.nodes), 'kernel')}"
    yield f"{limit.bound} bounds {kernels}, {limit.share:.0%} of the time"
    near = f"the limits of the core allow {milliseconds(limit.least_ms)} ms"
    if limit.least_ms < limit.ms:
        yield f"{near}, {limit.least_ms / limit.ms:.0%} of what is predicted"
    else:
        yield f"{near} where all tensors come from memory; here caches hold some"


def _ends(inspected: Inspected) -> str:
    first = inspected.graphs[0]
    inputs = ", ".join(f"{value.name} {value.type.text}" for value in first.inputs)
    outputs = ", ".join(
        f"{output.name} {output.element}[{','.join(map(str, output.shape))}]"
        for output in first.outputs
    )
    return f"{outputs} from {inputs}"


def _size(inspected: Inspected) -> str:
    network, lowered, last = inspected.network, inspected.lowered, inspected.last
    text = f"{_millions(network.macs)} M multiply-adds, {network.params:,} parameters"
    if lowered is not None:
        text += f"; weights {lowered.weights_bytes:,} bytes, arena {last.arena_bytes or 0:,} bytes"
    return text


def _millions(macs: int) -> str:
    return f"{macs / 1e6:,.1f}" if macs >= 10**7 else f"{macs / 1e6:.3f}"


def _time(inspected: Inspected, profile: Profile | None) -> Iterator[str]:
    limits, ms = inspected.limits, inspected.ms(inspected.last)
    clock = f"{limits.mhz} MHz{CLOCKS[limits.clock]}"
    if ms is None:
        yield "not predicted: a node has no kernel yet"
    else:
        yield f"predicted {milliseconds(ms)} ms on one core at {clock}"
    if inspected.network.quantised:
        yield "kernels on codes count as those on floats, and so do the limits: they may be faster"
    yield f"{limits.title}: {limits.gflops:g} GFLOP/s and {limits.memory_gbs:g} GB/s a core"
    if profile is not None:
        threads = console.counted(profile["threads"], "thread")
        took = milliseconds(profile["ms_median"])
        yield f"measured {took} ms on {threads} of {profile['target']}"


def _change(step: Step) -> str:
    before, after = step.before, step.after
    parts = []
    if len(before.nodes) != len(after.nodes):
        parts.append(f"{len(before.nodes)} -> {len(after.nodes)} nodes")
    if before.activation_bytes != after.activation_bytes:
        kb = before.activation_bytes / 1e3, after.activation_bytes / 1e3
        parts.append(f"{kb[0]:,.0f} -> {kb[1]:,.0f} KB written")
    if before.cycles and after.cycles and before.cycles != after.cycles:
        parts.append(f"predicted time {after.cycles / before.cycles - 1:+.1%}")
    return f"{step.stage.name}: {', '.join(parts)}"


def _pipeline(inspected: Inspected) -> Lines:
    rows = [_row(inspected, step) for step in steps_of(inspected)]
    return table(HEADERS, rows, (0, 2, 3, 4, 5, 6, 7, 8))


def _row(inspected: Inspected, step: Step) -> tuple[str, ...]:
    stage, graph, before = step.stage, step.after, step.before
    if stage.changed:
        arena, ms = graph.arena_bytes, inspected.ms(graph)
        was = f"{len(before.nodes)} -> " if len(before.nodes) != len(graph.nodes) else ""
        cells = [
            f"{was}{len(graph.nodes)}",
            _millions(graph.macs),
            f"{graph.activation_bytes / 1e3:,.0f}",
            "" if arena is None else f"{arena / 1e3:,.0f}",
            "" if ms is None else milliseconds(ms),
        ]
    else:
        cells = ["=", "", "", "", ""]
    seconds = f"{1e3 * stage.seconds:.1f}" if stage.index else ""
    return str(stage.index), stage.name, *cells, seconds, str(len(stage.remarks) or "")


def _hints(inspected: Inspected) -> Lines:
    named = [step.stage.name for step in changed_most(inspected)]
    pass_name = next(iter(named), next(s.name for s in reversed(inspected.stages) if s.changed))
    ending = next(iter(slowest(inspected)), None)
    value = inspected.last.nodes[-1].name if ending is None else ending.node.name
    for option, text in (
        (f"--pass {pass_name}", "what that pass changed"),
        (f"--diff import {pass_name}", "two stages beside each other"),
        (f"--node {value}", "one value, from your line to its kernel"),
        (f"--why {value}", "what passes did with it, and why not more"),
        (f"--around {value}", "its neighbours"),
    ):
        yield from indented([Line(f"{option:<44} {text}", DIM)])
