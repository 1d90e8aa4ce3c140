"""The views of one pass, one value, and a neighbourhood."""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator, Sequence

from mbc.cli.console import counted
from mbc.cli.inspecting.page import BOLD, CHANGED, DIM, GONE, NEW, Line, Profile, milliseconds
from mbc.diag import Location
from mbc.inspect.around import around
from mbc.inspect.changes import changes
from mbc.inspect.find import accounting, find_stage, find_value
from mbc.inspect.model import Inspected
from mbc.inspect.nodes import NodeRecord
from mbc.inspect.stages import GraphRecord, RemarkRecord, StageRecord
from mbc.inspect.story import Chapter, Ending, endings_of, story_of
from mbc.ir.names import value_symbol
from mbc.remarks import REMARKS

STYLES = {"+ ": NEW, "- ": GONE, "~+": CHANGED, "~-": CHANGED, "@ ": DIM, "  ": ""}
CONTEXT = 2
ORIGINS = re.compile(r" from \((?:[^()\"]|\"[^\"]*\")*\)")
CONSTANT = "  const "


def of_pass(inspected: Inspected, name: str) -> Iterator[Line]:
    """Show the IR after a pass, with what it changed."""
    stage = find_stage(inspected, name)
    before = inspected.stages[max(stage.index - 1, 0)]
    took = f"{1e3 * stage.seconds:.1f} ms" if stage.index else "the network as written"
    yield _title(stage, took)
    yield from _remarks(stage.remarks)
    if not stage.changed:
        yield Line("changed nothing")
    yield Line("")
    yield from _compared(inspected, before, stage, None)


def of_two(inspected: Inspected, first: str, second: str) -> Iterator[Line]:
    """Show what changed from one stage to another."""
    before, after = find_stage(inspected, first), find_stage(inspected, second)
    yield Line(f"- {before.index:02d} {before.name}", GONE)
    yield Line(f"+ {after.index:02d} {after.name}", NEW)
    lines = [*_compared(inspected, before, after, CONTEXT)]
    yield from lines or [Line("the two are equal")]


def _compared(
    inspected: Inspected, before: StageRecord, after: StageRecord, context: int | None
) -> Iterator[Line]:
    """Compare two graphs, whose constants are only counted."""
    texts = [inspected.graph_of(stage).text.splitlines() for stage in (before, after)]
    old, new = ([x for x in lines if not x.startswith(CONSTANT)] for lines in texts)
    for line in changes(old, new, context):
        yield Line(f"{line.sign} {line.text}", STYLES[line.sign])
    ours, theirs = ({x for x in lines if x.startswith(CONSTANT)} for lines in texts)
    if ours != theirs:
        told = f"constants: {len(ours - theirs)} are gone, {len(theirs - ours)} are new"
        yield Line(f"{told}, {len(ours & theirs)} as before", DIM)


def of_value(inspected: Inspected, name: str, profile: Profile | None) -> Iterator[Line]:
    """Follow a value through all stages, to its kernel, its place and its time."""
    value = find_value(inspected, name)
    yield Line(value_symbol(value), BOLD)
    chapters = [*story_of(inspected, value)]
    first = next((node for chapter in chapters for node in chapter.nodes), None)
    for line in first.lines if first else ():
        yield from _source_line(line)
    yield Line("")
    for chapter in chapters:
        yield from _chapter(inspected, chapter, value)
    for ending in endings_of(inspected, value):
        yield Line("")
        yield from _ending(inspected, ending, profile)


def _source_line(line: Location) -> Iterator[Line]:
    found = linecache.getline(line.file, line.line).strip() if line.line else ""
    text = "".join(c if c.isprintable() else " " for c in found)
    yield Line(f"  {line}" + (f": {text}" if text else ""), DIM)


def _chapter(inspected: Inspected, chapter: Chapter, value: str) -> Iterator[Line]:
    yield _title(chapter.stage)
    yield from _remarks(chapter.remarks)
    if not chapter.changed:
        return
    if not chapter.nodes:
        yield Line("    nothing accounts for it any more")
    graph, known = inspected.graph_of(chapter.stage), {_core(node) for node in chapter.before}
    for node in chapter.nodes:
        if _core(node) in known:
            yield Line(f"    {_choices(node)}")
        else:
            yield from (Line(f"    {text}") for text in _in_short(graph, node, value))


def _core(node: NodeRecord) -> tuple[object, ...]:
    """Return what a node computes, of what, without how and where."""
    inside = tuple(inner.name for inner in node.body)
    texts = tuple(operand.text for operand in node.operands)
    return node.name, node.op, str(node.attributes), texts, inside


def _choices(node: NodeRecord) -> str:
    """Return how a node is computed, and where its result and its scratch lie."""
    offset = node.results[0].offset
    parts = (
        (f"schedule {node.schedule}", node.schedule),
        (f"at {offset}", offset is not None),
        (f"scratch at {node.scratch}", node.scratch is not None),
    )
    chosen = ", ".join(text for text, present in parts if present)
    return f"{value_symbol(node.name)}: {chosen or 'accounts for other values'}"


def _in_short(graph: GraphRecord, node: NodeRecord, value: str) -> Iterator[str]:
    """Yield the lines of a node, without its origins; of a body those that concern a value."""
    lines = [ORIGINS.sub("", text) for text in statement(graph, node)]
    inside = [inner for inner in node.body if value in inner.origins]
    heads = tuple(f"{value_symbol(inner.name)} = " for inner in inside)
    kept = [text for text in lines if text.lstrip().startswith(heads)] if heads else []
    if not kept:
        yield from lines
        return
    yield lines[0]
    yield from kept
    if len(node.body) > len(kept):
        yield f"  … {len(node.body)} ops in one kernel"
    yield lines[-1]


def statement(graph: GraphRecord, node: NodeRecord) -> Iterator[str]:
    """Yield the lines of a node in the text of its graph."""
    head = f"  {', '.join(value_symbol(value.name) for value in node.results)} = "
    lines = graph.text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(head))
    length = 1
    if node.body:
        length += next(i for i, line in enumerate(lines[start:]) if line.startswith("  } : "))
    return (line[2:] for line in lines[start : start + length])


def _ending(inspected: Inspected, ending: Ending, profile: Profile | None) -> Iterator[Line]:
    node, point = ending.node, ending.point
    yield Line(f"in the end {value_symbol(node.name)}, {node.op}", BOLD)
    if ending.kernel is not None:
        kernel = ending.kernel
        yield Line(
            f"  kernel   {kernel.symbol}, called by {kernel.wrapper}, "
            f"{counted(kernel.tasks, 'task')}"
        )
    if ending.holding is not None:
        held = ending.holding
        last = min(held.last, len(inspected.last.nodes) - 1)
        yield Line(
            f"  place    bytes {held.offset:,} to {held.end:,} of the arena, from step "
            f"{held.first} to step {last} of {len(inspected.last.nodes)}"
        )
    elif ending.kernel is not None:
        yield Line("  place    not in the arena: the caller's memory")
    if point.ms is not None:
        yield Line(
            f"  time     predicted {milliseconds(point.ms)} ms, {ending.share or 0:.1%} of the "
            f"network; by the limits of {point.bound} at least {milliseconds(point.least_ms)} ms"
        )
    if profile is not None:
        ms = next(layer["ms"] for layer in profile["layers"] if layer["name"] == node.name)
        yield Line(f"  measured {milliseconds(ms)} ms on {profile['target']}")


def of_remarks(inspected: Inspected, name: str) -> Iterator[Line]:
    """Show all remarks on a value, and what they mean."""
    value = find_value(inspected, name)
    yield Line(value_symbol(value), BOLD)
    seen: dict[str, None] = {}
    for chapter in story_of(inspected, value):
        if chapter.remarks:
            yield _title(chapter.stage)
            yield from _remarks(chapter.remarks)
            seen |= dict.fromkeys(remark.id for remark in chapter.remarks)
    if not seen:
        yield Line("no pass has remarked on it")
        return
    yield Line("")
    yield from (Line(f"{id}: {REMARKS[id]}", DIM) for id in seen if id in REMARKS)


def _remarks(remarks: Sequence[RemarkRecord]) -> Iterator[Line]:
    for remark in remarks:
        sign, style = ("*", NEW) if remark.did else ("-", CHANGED)
        where = f" ({remark.line})" if remark.line else ""
        yield Line(f"  {sign} {remark.id}: {remark.message}{where}", style)


def of_neighbourhood(inspected: Inspected, name: str, depth: int) -> Iterator[Line]:
    """Show what a value is made from, and what is made from it, in the last stage."""
    value = find_value(inspected, name)
    graph = inspected.last
    centres = accounting(graph, value)
    title = f"{value_symbol(value)} and {counted(depth, 'step')} around it, after the last pass"
    yield Line(title, BOLD)
    if not centres:
        yield Line("nothing accounts for it any more")
    for node_name, distance in around(graph, centres, depth).items():
        node = next(node for node in graph.nodes if node.name == node_name)
        mark = f"{distance:+d}" if distance else ">>"
        yield Line(f"{mark:>3} {_one_line(graph, node)}", "" if distance else BOLD)


def _one_line(graph: GraphRecord, node: NodeRecord) -> str:
    """Return the text of a node without its origins and its body."""
    first, *others = (ORIGINS.sub("", text) for text in statement(graph, node))
    return f"{first}…{others[-1]}" if others else first


def _title(stage: StageRecord, more: str = "") -> Line:
    return Line(f"{stage.index:02d} {stage.spec}" + (f", {more}" if more else ""), BOLD)
