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
class Refusal:
    """Why a pass leaves a node as it is; false if there is no reason."""

    reason: str = ""
    """Its id within the pass: one of those that `mbc.remarks` lists."""
    text: str = ""
    """The reason in words."""

    def __bool__(self) -> bool:
        return bool(self.text)

    def __str__(self) -> str:
        return self.text

    def of(self, name: str) -> Refusal:
        """Return the refusal with a name before its words: `%3: …`."""
        return Refusal(self.reason, f"{name}: {self.text}") if self else self


ACCEPTED = Refusal()
"""No reason to refuse."""


@dataclass(frozen=True)
class Remark:
    """A remark of a pass: what it did, or why it did not ("not fused: %3 has 2 users")."""

    message: str
    subject: str = ""
    """The user's line."""
    reason: str = ""
    """Its id within the pass, or `PASS.ID` for a remark of a pass within it."""
    node: Node | None = None
    """What it is about."""
    did: bool = False
    """Whether it tells of a change."""

    def id(self, pass_name: str) -> str:
        """Return the stable id of a pass's remark: `fuse-activation.shared`."""
        return self.reason if "." in self.reason else f"{pass_name}.{self.reason}"


@dataclass
class PassResult:
    """The result of a pass: whether the graph changed, and remarks."""

    changed: bool = False
    remarks: list[Remark] = field(default_factory=list)

    def did(self, reason: str, message: str, node: Node | None = None) -> None:
        """Record a change; `reason` is the id of the remark within the pass."""
        self.changed = True
        self._remark(reason, message, node, did=True)

    def note(self, reason: str, message: str, node: Node | None = None) -> None:
        """Record a remark without a change: a near miss, or a fact."""
        self._remark(reason, message, node, did=False)

    def _remark(self, reason: str, message: str, node: Node | None, *, did: bool) -> None:
        where = str(node.locations[0]) if node is not None and node.locations else ""
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
