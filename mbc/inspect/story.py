"""One value through all stages, and the remarks on it."""

from __future__ import annotations

from collections.abc import Iterator

from mbc.inspect.find import accounting, names_of
from mbc.inspect.limits import Point
from mbc.inspect.model import Inspected, Kernel
from mbc.inspect.nodes import NodeRecord
from mbc.inspect.stages import RemarkRecord, StageRecord
from mbc.ir.names import value_symbol
from mbc.records import dataclass
from mbc.report.memory import Holding


@dataclass(frozen=True)
class Chapter:
    """A stage that changed the nodes which account for a value, or remarked on them."""

    stage: StageRecord
    before: tuple[NodeRecord, ...]
    """The nodes that accounted for it before the stage."""
    nodes: tuple[NodeRecord, ...]
    """The nodes that do after it; none where nothing does any more."""
    changed: bool
    """Whether they are others than before."""
    remarks: tuple[RemarkRecord, ...]


@dataclass(frozen=True)
class Ending:
    """What became of a value: a node of the last stage that accounts for it."""

    node: NodeRecord
    point: Point
    share: float | None
    """Share of the predicted time of the network."""
    kernel: Kernel | None
    holding: Holding | None
    """Where its result lies in the arena."""


def story_of(inspected: Inspected, name: str) -> Iterator[Chapter]:
    """Yield the stages that concern a value, the import first."""
    before: tuple[NodeRecord, ...] = ()
    known = {name}
    for stage in inspected.stages:
        nodes = tuple(accounting(inspected.graph_of(stage), name))
        known |= {each for node in (*before, *nodes) for each in _own(node, name)}
        remarks = tuple(remark for remark in stage.remarks if _concerns(remark, name, known))
        changed = nodes != before
        if changed or remarks or stage.index == 0:
            yield Chapter(stage, before, nodes, changed, remarks)
        before = nodes


def _own(node: NodeRecord, name: str) -> Iterator[str]:
    """Yield the names under which remarks speak of a value that a node accounts for."""
    inside = [inner for inner in node.body if name in inner.origins or name in names_of(inner)]
    yield from (value.name for each in (inside or [node]) for value in each.results)


def _concerns(remark: RemarkRecord, name: str, known: set[str]) -> bool:
    if remark.node in known or name in remark.origins:
        return True
    words = remark.message.replace(",", " ").replace(":", " ").split()
    return any(value_symbol(each) in words for each in known)


def endings_of(inspected: Inspected, name: str) -> list[Ending]:
    """Return what became of a value."""
    return [ending_of(inspected, node) for node in accounting(inspected.last, name)]


def ending_of(inspected: Inspected, node: NodeRecord) -> Ending:
    """Return the kernel, place and time of a node of the last stage."""
    total, lowered = inspected.last.cycles, inspected.lowered
    share = node.cycles / total if total and node.cycles is not None else None
    kernels = lowered.kernels if lowered else ()
    holdings = lowered.memory.holdings if lowered else ()
    symbol = value_symbol(node.name)
    return Ending(
        node,
        Point.of(node, inspected.limits),
        share,
        next((kernel for kernel in kernels if kernel.node == node.name), None),
        next((h for h in holdings if h.kind == "value" and symbol in h.values), None),
    )
