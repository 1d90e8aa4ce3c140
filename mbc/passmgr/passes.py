"""The interface of passes, and pipelines of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import ClassVar, Protocol

from mbc.int8.quantisation import Quantisation
from mbc.ir.graph import Graph, Node
from mbc.records import dataclass
from mbc.targets.backend import Backend


@dataclass(frozen=True)
class Remark:
    """A remark of a pass: what it did, or why it did not ("not fused: %3 has 2 users")."""

    message: str
    subject: str = ""
    """The user's line."""
    reason: str = ""
    """Its id within the pass."""
    node: Node | None = None
    """What it is about."""
    did: bool = False
    """Whether it tells of a change."""


@dataclass
class PassResult:
    """The result of a pass: whether the graph changed, and remarks."""

    changed: bool = False
    remarks: list[Remark] = field(default_factory=list)

    def did(self, message: str, node: Node | None = None) -> None:
        """Record a change."""
        self.changed = True
        self._remark(message, node, did=True)

    def note(self, message: str, node: Node | None = None) -> None:
        """Record a remark without a change."""
        self._remark(message, node, did=False)

    def _remark(self, message: str, node: Node | None, *, did: bool) -> None:
        where = str(node.locations[0]) if node is not None and node.locations else ""
        reason = message.partition(":")[0].replace(" ", "-")
        self.remarks.append(Remark(message, where, reason, node, did))


@dataclass(frozen=True)
class PassContext:
    """What passes may query."""

    backend: Backend
    """The backend that will run the graph."""
    quantisation: Quantisation | None = None
    """The ranges of its values, by which it is quantised."""


class Pass(Protocol):
    """A frozen dataclass whose fields are its options; edits the graph in place, prints nothing.

    `tolerance` is the largest relative change of the oracle's outputs that the pass may cause; 0 if
    it must keep them bit for bit."""

    name: ClassVar[str]
    tolerance: ClassVar[float]

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Rewrite the graph."""


@dataclass(frozen=True)
class Stage:
    """A named sequence of passes."""

    name: str
    passes: tuple[Pass, ...]


@dataclass(frozen=True)
class Pipeline:
    """Named stages in order."""

    stages: tuple[Stage, ...]

    def all_passes(self) -> Iterable[tuple[str, Pass]]:
        """Yield (stage name, pass) in order."""
        return ((stage.name, p) for stage in self.stages for p in stage.passes)
