"""The first look at a network: what takes the time, what limits it, and what each pass changed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from mbc.inspect.model import Inspected
from mbc.inspect.stages import GraphRecord, StageRecord
from mbc.inspect.story import Ending, ending_of
from mbc.records import dataclass

LARGEST = 3


@dataclass(frozen=True)
class Limit:
    """What bounds the network."""

    bound: str
    """What bounds the kernels that take most of the time: "compute" or "memory"."""
    kernels: int
    """How many those are."""
    share: float
    """Their share of the predicted time."""
    ms: float
    """Predicted time."""
    least_ms: float
    """The least time that the limits allow, if all tensors come from memory."""


def slowest(inspected: Inspected) -> list[Ending]:
    """Return the kernels that take most of the predicted time."""
    endings = [ending_of(inspected, node) for node in inspected.last.nodes]
    known = [ending for ending in endings if ending.share is not None]
    return sorted(known, key=lambda ending: -(ending.share or 0.0))[:LARGEST]


def limit_of(inspected: Inspected) -> Limit | None:
    """Return what bounds the last stage; None where a node has no kernel."""
    nodes, total, ms = inspected.last.nodes, inspected.last.cycles, inspected.ms(inspected.last)
    if not total or not ms:
        return None
    by_bound: dict[str, list[float]] = {}
    for node in nodes:
        by_bound.setdefault(node.bound or "compute", []).append(node.cycles or 0.0)
    bound, cycles = max(by_bound.items(), key=lambda item: sum(item[1]))
    least = sum(ending_of(inspected, node).point.least_ms for node in nodes)
    return Limit(bound, len(cycles), sum(cycles) / total, ms, least)


@dataclass(frozen=True)
class Step:
    """A stage beside the one before it."""

    stage: StageRecord
    before: GraphRecord
    after: GraphRecord

    @property
    def weight(self) -> float:
        """How much it changed: the shares by which nodes, activations and time became less."""
        ours = (len(self.after.nodes), self.after.activation_bytes, self.after.cycles)
        theirs = (len(self.before.nodes), self.before.activation_bytes, self.before.cycles)
        pairs = zip(ours, theirs, strict=True)
        return sum(abs(1 - a / b) for a, b in pairs if a is not None and b)


def steps_of(inspected: Inspected) -> Iterator[Step]:
    """Yield all stages with what was before; the import is its own."""
    first, *_ = inspected.stages
    yield Step(first, inspected.graph_of(first), inspected.graph_of(first))
    for before, stage in pairwise(inspected.stages):
        yield Step(stage, inspected.graph_of(before), inspected.graph_of(stage))


def changed_most(inspected: Inspected) -> list[Step]:
    """Return the passes that changed most, the most important first."""
    weighed = [step for step in steps_of(inspected) if step.weight > 0]
    return sorted(weighed, key=lambda step: -step.weight)[:LARGEST]
