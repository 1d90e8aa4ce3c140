"""The interface of the stages after the passes: the products of a compiled network.

`configuration.py` chooses a producer once, from the target and the request. Commands ask it for
text, files or an engine, and never which backend it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from mbc.backends.llvm.toolchain import LinkTarget, Toolchain
from mbc.driver.platforms import link_target
from mbc.driver.request import Observer
from mbc.driver.source import Source
from mbc.int8.quantisation import Quantisation
from mbc.ir.graph import Graph
from mbc.passes.plan_memory import Threads
from mbc.records import dataclass
from mbc.runtime.abi import NetSpec
from mbc.runtime.engine import Engine
from mbc.runtime.pool import Team
from mbc.runtime.preprocessing import Preprocessing
from mbc.targets.backend import Backend
from mbc.targets.target import Target


@dataclass(frozen=True)
class Compiled:
    """A network after the passes."""

    source: Source
    """The network as written."""
    producer: Producer
    """The producer that lowers it."""
    graph: Graph
    passes: tuple[str, ...]
    """Specs of the passes that ran."""
    quantisation: Quantisation | None = None
    """The ranges by which it was quantised."""

    @property
    def target(self) -> Target:
        """Target that it is compiled for."""
        return self.producer.target


@dataclass(frozen=True)
class Wanted:
    """The contents of an output folder."""

    toolchain: Toolchain
    kinds: tuple[str, ...] | None = None
    """Names of `EMITTERS`; None: the target's default."""
    external_weights: bool = False
    """Whether the weights are a separate file."""
    check: bool = True
    """Whether to write the reference for `mbc verify`."""
    photos: Preprocessing | None = None
    """Preprocessing of photos, recorded in the manifest."""
    labels: tuple[str, ...] | None = None
    """Names of the classes, which executables print."""
    command: str = ""
    """The command line, for reports of internal errors."""


@dataclass(frozen=True)
class Producer(ABC):
    """Lowers networks for one target."""

    name: ClassVar[str]
    """Name in `--backend`, manifests and dumps."""
    plans: ClassVar[tuple[Threads, ...]]
    """The memory plans that lowering reads."""
    libraries: ClassVar[tuple[str, ...]] = ("llvmlite", "numpy")
    """Packages whose versions determine the bytes of artefacts."""
    refused: ClassVar[Mapping[str, str]] = {}
    """Messages of E0106 by option, for those without effect here."""

    target: Target

    @abstractmethod
    def backend(self) -> Backend:
        """Return the backend that passes ask."""

    @abstractmethod
    def require(self) -> None:
        """Raise E0610 or E0613 if a package is missing that lowering needs."""

    @abstractmethod
    def text(self, compiled: Compiled, observer: Observer) -> str:
        """Return the lowered program as text: LLVM IR, TVM's script, or the source of a GPU's
        kernels."""

    @abstractmethod
    def writer(self, compiled: Compiled, wanted: Wanted, observer: Observer) -> ArtifactWriter:
        """Lower the network, to be written."""

    @abstractmethod
    def engine(self, compiled: Compiled, team: Team, observer: Observer) -> Engine:
        """Lower the network, and load it into this process."""


@dataclass(frozen=True)
class ArtifactWriter(ABC):
    """Writes the files of one lowered network."""

    compiled: Compiled
    wanted: Wanted
    observer: Observer

    @property
    @abstractmethod
    def spec(self) -> NetSpec:
        """The network as callers see it."""

    @property
    def runnable(self) -> bool:
        """Whether there are files that `mbc verify` can run."""
        return True

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write them."""

    @property
    def net(self) -> str:
        """Prefix of the files' names."""
        return self.spec.name

    @property
    def platform(self) -> LinkTarget:
        """The platform to link for."""
        return link_target(self.compiled.target)
