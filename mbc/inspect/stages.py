"""The stages of a compilation: an instrument that records the graph as imported and after each
pass."""

from __future__ import annotations

from mbc.diag import Location
from mbc.inspect.nodes import NodeRecord, ValueRecord
from mbc.ir.graph import Constant, Graph, Node
from mbc.ir.text.printer import print_graph, view_text
from mbc.ops.cost import origins_of
from mbc.passmgr.manager import Instrument, PassRecord
from mbc.passmgr.passes import Remark
from mbc.passmgr.pipeline import spec_of
from mbc.records import dataclass
from mbc.targets.backend import Backend

IMPORT = "import"
"""Name of the first stage: the network as written."""


@dataclass(frozen=True)
class OutputRecord:
    """An output of the graph."""

    name: str
    """Its name for callers."""
    text: str
    """What it reads, as in IR text."""
    values: tuple[str, ...]
    shape: tuple[int, ...]
    element: str


@dataclass(frozen=True)
class GraphRecord:
    """A graph between two passes."""

    text: str
    """Its IR text."""
    nodes: tuple[NodeRecord, ...]
    """In the order in which they run."""
    inputs: tuple[ValueRecord, ...]
    outputs: tuple[OutputRecord, ...]
    arena_bytes: int | None
    """Arena of one thread; None if memory is not planned."""

    @property
    def macs(self) -> int:
        """Multiply-adds of all nodes."""
        return sum(node.macs for node in self.nodes)

    @property
    def params(self) -> int:
        """Elements of all constants."""
        return sum(node.params for node in self.nodes)

    @property
    def activation_bytes(self) -> int:
        """Bytes of all results that nodes write."""
        return sum(node.bytes_written for node in self.nodes)

    @property
    def cycles(self) -> float | None:
        """Predicted cycles of one core; None if a node has no kernel."""
        each = [node.cycles for node in self.nodes if node.cycles is not None]
        return round(sum(each), 1) if len(each) == len(self.nodes) else None

    def named(self, name: str) -> NodeRecord | None:
        """Return the node with a result of that name, or whose body has one."""
        return next((node for node in self.nodes if name in _made(node)), None)


def _made(node: NodeRecord) -> set[str]:
    inside = (name for inner in node.body for name in _made(inner))
    return {*inside, *(value.name for value in node.results)}


@dataclass(frozen=True)
class RemarkRecord:
    """A remark of a pass."""

    id: str
    """Stable id: PASS.REASON."""
    message: str
    line: Location | None
    """The user's line."""
    node: str | None
    """Name of the node that it is about."""
    origins: tuple[str, ...]
    """The origins of that node."""
    did: bool
    """Whether it tells of a change; else of a near miss, or of a fact."""


@dataclass(frozen=True)
class StageRecord:
    """A pass that was run, or the import."""

    index: int
    """From 0, the import."""
    name: str
    """Name of the pass."""
    spec: str
    """Name and options, as for `--passes`."""
    group: str
    """Stage of the pipeline: import, canonicalize, fuse, plan."""
    seconds: float
    changed: bool
    remarks: tuple[RemarkRecord, ...]
    graph: int
    """Index of the graph after it among `graphs`."""


class Trace(Instrument):
    """Records every pass of a pipeline. A graph is recorded only where a pass changed it."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.graphs: list[GraphRecord] = []
        self.stages: list[StageRecord] = []
        self.constants: dict[str, Constant] = {}
        """All constants that any stage has, by name."""

    def start(self, graph: Graph) -> None:
        """Record the graph as imported."""
        self._record(graph)
        self.stages.append(StageRecord(0, IMPORT, IMPORT, IMPORT, 0.0, True, (), 0))

    def after(self, record: PassRecord, graph: Graph) -> None:
        """Record a pass, and the graph if it has changed."""
        step, result = record.step, record.result
        if result.changed:
            self._record(graph)
        remarks = tuple(remark_record(step.name, remark) for remark in result.remarks)
        self.stages.append(
            StageRecord(
                step.index,
                step.name,
                spec_of(step.instance),
                step.stage,
                record.seconds,
                result.changed,
                remarks,
                len(self.graphs) - 1,
            )
        )

    def _record(self, graph: Graph) -> None:
        self.constants |= graph.constants()
        self.graphs.append(graph_record(graph, self._backend))


def graph_record(graph: Graph, backend: Backend) -> GraphRecord:
    """Record a graph."""
    outputs = zip(graph.output_names, graph.outputs, strict=True)
    return GraphRecord(
        text=print_graph(graph),
        nodes=tuple(NodeRecord.of(node, backend) for node in graph.topo()),
        inputs=tuple(map(ValueRecord.of, graph.inputs)),
        outputs=tuple(
            OutputRecord(
                name,
                view_text(view),
                tuple(value.name for value in view.values),
                view.type.shape,
                str(view.type.element),
            )
            for name, view in outputs
        ),
        arena_bytes=graph.arena_bytes,
    )


def remark_record(name: str, remark: Remark) -> RemarkRecord:
    """Record a remark of a pass."""
    node = remark.node
    about = None if node is None else _about(node)
    return RemarkRecord(
        remark.id(name),
        remark.message,
        node.locations[0] if node is not None and node.locations else None,
        about and about[0],
        about[1] if about else (),
        remark.did,
    )


def _about(node: Node) -> tuple[str, tuple[str, ...]]:
    return node.results[0].name, origins_of(node)
