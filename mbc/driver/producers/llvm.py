"""Networks as machine code that needs no runtime, by LLVM."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import ClassVar

from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.llvm.interface import identified, library_ir
from mbc.backends.llvm.jit import JitNet
from mbc.backends.llvm.lower import LoweredNet, lower
from mbc.driver.producers.llvm_files import LlvmWriter
from mbc.driver.producers.producer import ArtifactWriter, Compiled, Producer, Wanted
from mbc.driver.request import LLVM, Observer
from mbc.passes.plan_memory import Threads
from mbc.records import dataclass
from mbc.runtime.engine import Engine
from mbc.runtime.pool import Team
from mbc.targets.backend import Backend


@dataclass(frozen=True)
class LlvmProducer(Producer):
    """Makes executables, libraries and code in this process."""

    name: ClassVar[str] = LLVM
    plans: ClassVar[tuple[Threads, ...]] = ("many", "one")

    def backend(self) -> Backend:
        """Return the kernels themselves."""
        return LlvmBackend(self.target)

    def require(self) -> None:
        """Nothing beyond what mbc is installed with."""

    def text(self, compiled: Compiled, observer: Observer) -> str:
        """LLVM IR of the C library."""
        return library_ir(identified(lower_graph(compiled, observer)))

    def writer(self, compiled: Compiled, wanted: Wanted, observer: Observer) -> ArtifactWriter:
        """Files of the wanted kinds."""
        lowered = lower_graph(compiled, observer)
        if wanted.external_weights:
            lowered = _without_weights(lowered)
        return LlvmWriter(compiled, wanted, observer, identified(lowered))

    def engine(self, compiled: Compiled, team: Team, observer: Observer) -> Engine:
        """Code in memory."""
        lowered = lower_graph(compiled, observer)
        observer.step("generating code")
        return JitNet(lowered, team.gather())


def lower_graph(compiled: Compiled, observer: Observer) -> LoweredNet:
    """Run the stage `lower`."""
    observer.step("lowering to LLVM IR")
    return lower(compiled.graph, compiled.target)


def _without_weights(lowered: LoweredNet) -> LoweredNet:
    digest = hashlib.sha256(lowered.weights).digest()
    return replace(lowered, spec=replace(lowered.spec, weights_sha256=digest))
