"""Networks whose kernels run on a GPU."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from mbc.backends.tvm import board
from mbc.backends.tvm.build import export
from mbc.backends.tvm.gpu.cuda import CudaNet
from mbc.backends.tvm.gpu.host_c import opencl_host
from mbc.backends.tvm.gpu.launch import LaunchPlan
from mbc.backends.tvm.gpu.nvcc import FORMS, compile_cuda, find_nvcc, knows, need_nvcc
from mbc.backends.tvm.gpu.opencl import OpenClNet
from mbc.backends.tvm.require import tvm
from mbc.diag import error
from mbc.driver.producers.producer import ArtifactWriter, Compiled, Producer, Wanted
from mbc.driver.producers.tvm import COMPLETE, FLOATS_ALONE, RUN, TvmProducer
from mbc.driver.request import TVM, Observer
from mbc.passes.plan_memory import Threads
from mbc.records import dataclass
from mbc.runtime.abi import NetSpec, weights_file
from mbc.runtime.engine import Engine
from mbc.runtime.pool import Team
from mbc.targets.backend import Backend
from mbc.targets.gpu import Gpu

LAUNCHES = "launch.json"
SUFFIXES = {"cuda": "cu", "opencl": "cl"}

OWN_THREADS = "--threads and --cpus are for CPUs; a GPU has its own"


@dataclass(frozen=True)
class GpuProducer(Producer):
    """Makes kernels, and what launches them."""

    name: ClassVar[str] = TVM
    plans: ClassVar[tuple[Threads, ...]] = ("one",)
    libraries: ClassVar[tuple[str, ...]] = TvmProducer.libraries
    refused: ClassVar[Mapping[str, str]] = {
        **COMPLETE,
        "--input-dtype": FLOATS_ALONE,
        "--threads": OWN_THREADS,
        "--cpus": OWN_THREADS,
    }

    gpu: Gpu
    nvcc: str | None = None
    """CUDA's compiler, if the user names one."""

    def backend(self) -> Backend:
        """Return the kernels for this GPU."""
        from mbc.backends.tvm.gpu.backend import GpuBackend  # takes time to import

        return GpuBackend(self.gpu)

    def require(self) -> None:
        """Import TVM, which makes the source."""
        tvm()

    def text(self, compiled: Compiled, observer: Observer) -> str:
        """Return the kernels in the GPU's language."""
        return self._plan(compiled, observer).source

    def writer(self, compiled: Compiled, wanted: Wanted, observer: Observer) -> ArtifactWriter:
        """Kernels, launch plan, weights and hosts; E0601 for a compiler that is not there."""
        compiler = find_nvcc(self.nvcc) if self.gpu.api == "cuda" else None
        return GpuWriter(compiled, wanted, observer, self._plan(compiled, observer), compiler)

    def engine(self, compiled: Compiled, team: Team, observer: Observer) -> Engine:
        """Load the network on a GPU of this machine. For CUDA it is PTX that the driver compiles
        further, so that it runs on whatever GPU there is."""
        if self.gpu.api == "opencl":
            plan = self._plan(compiled, observer)
            observer.step("compiling the kernels")
            return OpenClNet(plan)
        compiler = need_nvcc(self.nvcc)
        if not knows(compiler, self.gpu.arch):
            raise error("E0601", f"{compiler} makes no code for {self.gpu.arch}")
        plan = self._plan(compiled, observer)
        observer.step("compiling the kernels")
        return CudaNet(plan, compile_cuda(compiler, plan.source, self.gpu.arch, "ptx") + b"\0")

    def _plan(self, compiled: Compiled, observer: Observer) -> LaunchPlan:
        from mbc.backends.tvm.gpu.planner import plan_launches  # takes time to import

        observer.step("lowering to TVM's IR")
        return plan_launches(compiled.graph, self.gpu).identified()


@dataclass(frozen=True)
class GpuWriter(ArtifactWriter):
    """Writes a launch plan, for launchers with and without TVM."""

    plan: LaunchPlan
    nvcc: Path | None
    """CUDA's compiler, if there is one."""

    @property
    def spec(self) -> NetSpec:
        """The network as launchers see it."""
        return self.plan.spec

    def write(self, folder: Path) -> None:
        """Source, launch plan, weights and programs; machine code where it can be made; NET.so."""
        for name, text in self._texts():
            (folder / name).write_text(text, "utf-8")
        (folder / f"{self.net}.weights").write_bytes(weights_file(self.plan.weights))
        shutil.copyfile(board.__file__, folder / RUN)
        if self.plan.gpu.api == "cuda":
            self._write_binaries(folder)
        self._write_module(folder)

    def _texts(self) -> Iterator[tuple[str, str]]:
        yield f"{self.net}.{SUFFIXES[self.plan.gpu.api]}", self.plan.source
        yield LAUNCHES, self.plan.to_json()
        if self.plan.gpu.api == "opencl":
            yield from opencl_host(self.plan).items()

    def _write_binaries(self, folder: Path) -> None:
        """NET.ptx and NET.cubin, if there is a compiler for the architecture."""
        nvcc, arch = self.nvcc, self.plan.gpu.arch
        if nvcc is None or not knows(nvcc, arch):
            who = "there is no nvcc here" if nvcc is None else f"{nvcc} knows no {arch}"
            self.observer.note(f"warning: {who}, so {self.net}.cu is not compiled")
            return
        self.observer.step(f"compiling the kernels for {arch}")
        for form in FORMS:
            code = compile_cuda(nvcc, self.plan.source, arch, form)
            (folder / f"{self.net}.{form}").write_bytes(code)

    def _write_module(self, folder: Path) -> None:
        """NET.so, for TVM's runtime."""
        from mbc.backends.tvm.gpu.module import compile_gpu_module, gpu_module  # take time as well

        self.observer.step("linking the module")
        module = gpu_module(self.compiled.graph, self.plan.gpu)
        executable = compile_gpu_module(module, self.compiled.target, self.plan.gpu)
        export(executable, folder / f"{self.net}.so", self.platform, self.wanted.toolchain)
