"""All that is known of a compiled network, and the object that `mbc inspect --json` prints.

docs/inspect.md describes the object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mbc.inspect.limits import Limits, Point
from mbc.inspect.nodes import NodeRecord
from mbc.inspect.stages import GraphRecord, StageRecord
from mbc.inspect.weights import weight_records
from mbc.ir.graph import Constant
from mbc.records import dataclass
from mbc.report.memory import Memory

SCHEMA = 1
"""Version of the object; it grows when a field changes its meaning or goes."""


@dataclass(frozen=True)
class Kernel:
    """The kernel of a node of the last stage."""

    node: str
    symbol: str
    """Name of the function that computes it, which equal layers share."""
    wrapper: str
    """Name of the function that calls it with the node's tensors."""
    tasks: int
    """Into how many tasks it is divided for threads."""
    is_dealt: bool
    """Whether threads share the tasks."""


@dataclass(frozen=True)
class Network:
    """The network as written, and what it is compiled for."""

    name: str
    parameters: Mapping[str, Any]
    file: str
    weights: str
    """Origin of the weights, in words."""
    macs: int
    """Multiply-adds as papers count them."""
    params: int
    """Learned parameters."""
    target: str
    cpu: str
    backend: str
    level: int | None
    """-O; None for passes that are listed by hand."""
    goal: str
    """What it is optimised for: speed or memory."""
    quantised: bool
    mbc: str
    """Version of mbc."""


@dataclass(frozen=True)
class Lowered:
    """What lowering a planned graph tells."""

    kernels: tuple[Kernel, ...]
    memory: Memory
    weights_bytes: int
    """Packed weights."""


@dataclass(frozen=True)
class Inspected:
    """A network across its passes."""

    network: Network
    stages: tuple[StageRecord, ...]
    graphs: tuple[GraphRecord, ...]
    """The graph as imported, and after each pass that changed it; stages name them by index."""
    limits: Limits
    lowered: Lowered | None
    """None if the pipeline was stopped before memory was planned."""
    constants: Mapping[str, Constant]
    """Those of all graphs, by name."""

    @property
    def last(self) -> GraphRecord:
        """The graph after the last pass."""
        return self.graphs[-1]

    def graph_of(self, stage: StageRecord) -> GraphRecord:
        """Return the graph after a stage."""
        return self.graphs[stage.graph]

    def to_json(self, *, source: bool = True) -> dict[str, Any]:
        """Return the object that `mbc inspect --json` prints; without `source` the text of the
        user's files is left out."""
        lowered = self.lowered
        return {
            "schema": SCHEMA,
            "network": asdict(self.network) | self._ends(),
            "sources": [asdict(file) for file in sources(self)] if source else None,
            "stages": [asdict(stage) for stage in self.stages],
            "graphs": [self._graph(graph) for graph in self.graphs],
            "weights": {
                record.name: asdict(record) for record in weight_records(self.constants.values())
            },
            "limits": asdict(self.limits) | {"ridge": round(self.limits.ridge, 3)},
            "kernels": None if lowered is None else [asdict(k) for k in lowered.kernels],
            "memory": None if lowered is None else lowered.memory.to_json(),
            "totals": self._totals(),
        }

    def _ends(self) -> dict[str, Any]:
        """Return inputs and outputs as callers see them."""
        first = self.graphs[0]
        inputs = [{"name": v.name, "type": asdict(v.type)} for v in first.inputs]
        outputs = [{"name": o.name, "shape": o.shape, "element": o.element} for o in first.outputs]
        return {"inputs": inputs, "outputs": outputs}

    def _graph(self, graph: GraphRecord) -> dict[str, Any]:
        return asdict(graph) | {
            "nodes": [self._node(node) for node in graph.nodes],
            "totals": {
                "nodes": len(graph.nodes),
                "macs": graph.macs,
                "params": graph.params,
                "activation_bytes": graph.activation_bytes,
                "cycles": graph.cycles,
                "ms": self.ms(graph),
            },
        }

    def _node(self, node: NodeRecord) -> dict[str, Any]:
        return asdict(node) | {
            "constants": node.constants,
            "roofline": asdict(Point.of(node, self.limits)),
        }

    def ms(self, graph: GraphRecord) -> float | None:
        """Return the predicted time of a graph on one core."""
        cycles = graph.cycles
        return None if cycles is None else round(self.limits.ms(cycles), 6)

    def _totals(self) -> dict[str, Any]:
        """Sum up the last stage."""
        last = self.last
        points = [Point.of(node, self.limits) for node in last.nodes]
        return {
            "macs": self.network.macs,
            "params": self.network.params,
            "nodes": len(last.nodes),
            "cycles": last.cycles,
            "ms": self.ms(last),
            "least_ms": round(sum(point.least_ms for point in points), 6),
            "weights_bytes": None if self.lowered is None else self.lowered.weights_bytes,
            "arena_bytes": last.arena_bytes,
            "seconds": sum(stage.seconds for stage in self.stages),
        }


@dataclass(frozen=True)
class SourceFile:
    """A file of the user."""

    file: str
    """Path, as lines of nodes name it."""
    text: str


def sources(inspected: Inspected) -> Sequence[SourceFile]:
    """Return the text of the files that nodes come from, that of the network first."""
    nodes = (node for graph in inspected.graphs for node in graph.nodes)
    files = dict.fromkeys(line.file for node in nodes for line in node.lines if line.line)
    names = dict.fromkeys([inspected.network.file, *files])
    return [found for name in names if (found := _source(name))]


def _source(file: str) -> SourceFile | None:
    """Read a file; None for models, which are no text."""
    try:
        return SourceFile(file, Path(file).read_text("utf-8"))
    except (OSError, ValueError):
        return None
