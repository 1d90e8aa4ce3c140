"""Networks whose kernels TVM runs on a CPU."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from mbc.backends.llvm.toolchain import Toolchain, choose_toolchain
from mbc.backends.tvm import board
from mbc.backends.tvm.build import compile_module, cpu_target, export
from mbc.backends.tvm.cpu.module import cpu_module
from mbc.backends.tvm.require import tvm
from mbc.backends.tvm.vm import TvmNet
from mbc.driver.platforms import link_target
from mbc.driver.producers.producer import ArtifactWriter, Compiled, Producer, Wanted
from mbc.driver.request import TVM, Observer
from mbc.files import scratch_folder
from mbc.passes.plan_memory import Threads
from mbc.records import dataclass
from mbc.runtime.abi import NetSpec, interface_of
from mbc.runtime.engine import Engine
from mbc.runtime.pool import Team
from mbc.targets.backend import Backend

RUN = "run.py"

COMPLETE = {
    option: f"{option} is for --backend llvm; TVM's modules have all they need"
    for option in ("--emit", "--weights-placement", "--labels")
}
FLOATS_ALONE = "--input-dtype u8 is for --backend llvm; TVM's modules take float32 alone"


@dataclass(frozen=True)
class TvmProducer(Producer):
    """Makes modules of TVM, which plans their memory and owns their threads."""

    name: ClassVar[str] = TVM
    plans: ClassVar[tuple[Threads, ...]] = ()
    libraries: ClassVar[tuple[str, ...]] = (
        *Producer.libraries,
        "apache-tvm",
        "apache-tvm-ffi",
    )
    refused: ClassVar[Mapping[str, str]] = {
        **COMPLETE,
        "--input-dtype": FLOATS_ALONE,
        "--cpus": "--cpus pins our threads; with --backend tvm they are TVM's",
    }

    def backend(self) -> Backend:
        """LLVM's kernels, as TVM can call them."""
        from mbc.backends.tvm.cpu.backend import TvmBackend  # takes time to import

        return TvmBackend(self.target)

    def require(self) -> None:
        """Import TVM."""
        tvm()

    def text(self, compiled: Compiled, observer: Observer) -> str:
        """Return the module as TVM's script."""
        text: str = cpu_module(compiled.graph, self.target).script()
        return text

    def writer(self, compiled: Compiled, wanted: Wanted, observer: Observer) -> ArtifactWriter:
        """NET.so and the program that runs it."""
        return TvmWriter(compiled, wanted, observer)

    def engine(self, compiled: Compiled, team: Team, observer: Observer) -> Engine:
        """TVM's virtual machine."""
        with scratch_folder() as folder:
            library = folder / f"{compiled.source.net}.so"
            write_module(compiled, library, choose_toolchain(), observer)
            return TvmNet(library, *interface_of(compiled.graph), threads=team.threads)


@dataclass(frozen=True)
class TvmWriter(ArtifactWriter):
    """Writes NET.so and run.py."""

    @property
    def spec(self) -> NetSpec:
        """TVM owns all memory, so there is no arena."""
        graph = self.compiled.graph
        weights = sum(constant.type.bytes for constant in graph.constants().values())
        return NetSpec(self.compiled.source.net, *interface_of(graph), 0, 0, weights)

    def write(self, folder: Path) -> None:
        """Lower, link, and copy the program."""
        library = folder / f"{self.net}.so"
        write_module(self.compiled, library, self.wanted.toolchain, self.observer)
        shutil.copyfile(board.__file__, folder / RUN)


def write_module(compiled: Compiled, out: Path, toolchain: Toolchain, observer: Observer) -> None:
    """Make NET.so."""
    observer.step("lowering to TVM's IR")
    module = cpu_module(compiled.graph, compiled.target)
    observer.step("generating code")
    executable = compile_module(module, cpu_target(compiled.target))
    observer.step("linking the module")
    export(executable, out, link_target(compiled.target), toolchain)
