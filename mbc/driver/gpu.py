"""Networks on GPUs: as a callable in this process, and as the files of an output folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mbc.backends.llvm.link import Toolchain
from mbc.backends.tvm import board
from mbc.backends.tvm.build import export
from mbc.backends.tvm.gpu.cuda import CudaNet
from mbc.backends.tvm.gpu.host_c import opencl_host
from mbc.backends.tvm.gpu.launch import LaunchPlan, read_plan
from mbc.backends.tvm.gpu.nvcc import compile_cuda, find_nvcc, knows, need_nvcc
from mbc.backends.tvm.gpu.opencl import OpenClNet
from mbc.diag import error
from mbc.driver.build import Beside, Built, describe, write_check
from mbc.driver.output import check_replaceable, output_folder
from mbc.driver.pipeline import Compiled
from mbc.driver.platforms import link_target
from mbc.driver.request import Observer
from mbc.driver.tvm import RUN
from mbc.runtime.abi import weights_file
from mbc.runtime.bundle import Bundle
from mbc.runtime.manifest import FILE_NAME, digests
from mbc.targets.gpu import Gpu

LAUNCHES = "launch.json"
SUFFIXES = {"cuda": "cu", "opencl": "cl"}


def gpu_engine(compiled: Compiled, nvcc: str | None, observer: Observer) -> CudaNet | OpenClNet:
    """The network on a GPU of this machine. For CUDA it is PTX that the driver compiles further,
    so that it runs on whatever GPU there is."""
    gpu = gpu_of(compiled)
    if gpu.api == "opencl":
        plan = _plan(compiled, observer)
        observer.step("compiling the kernels")
        return OpenClNet(plan)
    compiler = need_nvcc(nvcc)
    if not knows(compiler, gpu.arch):
        raise error("E0601", f"{compiler} makes no code for {gpu.arch}")
    plan = _plan(compiled, observer)
    observer.step("compiling the kernels")
    return CudaNet(plan, compile_cuda(compiler, plan.source, gpu.arch, "ptx") + b"\0")


def build_gpu(
    compiled: Compiled,
    output: Path,
    toolchain: Toolchain,
    nvcc: str | None,
    observer: Observer,
    beside: Beside,
) -> Built:
    """Write kernels, launch plan, weights, hosts, the reference if it is wanted, and the manifest;
    all or nothing."""
    check_replaceable(output)
    compiler = find_nvcc(nvcc) if gpu_of(compiled).api == "cuda" else None
    plan = _plan(compiled, observer)
    with output_folder(output) as folder:
        press = _Press(compiled, plan, folder, observer)
        press.texts()
        press.binaries(compiler)
        press.module(toolchain)
        found = write_check(compiled, plan.spec, folder, observer) if beside.check else None
        manifest = describe(compiled, plan.spec, toolchain, beside.photos)
        manifest = replace(manifest, check=found, files=digests(folder))
        (folder / FILE_NAME).write_text(manifest.to_json())
    return Built(output, manifest)


def run_bundle(bundle: Bundle, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the kernels of an output folder compute on a GPU of this machine; E0713 if launch.json
    is none of ours, E0724 without machine code, and what launchers raise."""
    plan = _read(bundle)
    if plan.gpu.api == "opencl":
        return OpenClNet(plan)(inputs)
    image = bundle.path(f"{bundle.spec.name}.cubin")
    if image is None:
        message = f"{bundle.folder} has no machine code for a GPU"
        raise error("E0724", message, helps=["compile it where an nvcc is found"])
    return CudaNet(plan, image.read_bytes())(inputs)


def _read(bundle: Bundle) -> LaunchPlan:
    net, folder = bundle.spec.name, bundle.folder
    try:
        listed = json.loads((folder / LAUNCHES).read_bytes())
        source = (folder / f"{net}.{SUFFIXES[listed['api']]}").read_text()
        return read_plan(bundle.spec, listed, source, (folder / f"{net}.weights").read_bytes())
    except (OSError, ValueError, TypeError, KeyError):
        raise error("E0713", f"{folder / LAUNCHES} is no launch plan of ours") from None


def source_text(compiled: Compiled, observer: Observer) -> str:
    """The kernels in the GPU's language."""
    return _plan(compiled, observer).source


def gpu_of(compiled: Compiled) -> Gpu:
    """The target's GPU, which must have one."""
    if compiled.target.gpu is None:
        raise ValueError(f"the target {compiled.target.name} has no GPU")
    return compiled.target.gpu


def _plan(compiled: Compiled, observer: Observer) -> LaunchPlan:
    from mbc.backends.tvm.planner import plan_launches  # takes time to import

    observer.step("lowering to TVM's IR")
    return plan_launches(compiled.graph, gpu_of(compiled)).identified()


@dataclass(frozen=True)
class _Press:
    """Writes the files of one network."""

    compiled: Compiled
    plan: LaunchPlan
    folder: Path
    observer: Observer

    @property
    def net(self) -> str:
        return self.plan.spec.name

    def texts(self) -> None:
        """The kernels' source, how to launch them, the weights, and programs that do."""
        for name, text in self._texts():
            (self.folder / name).write_text(text)
        (self.folder / f"{self.net}.weights").write_bytes(weights_file(self.plan.weights))
        shutil.copyfile(board.__file__, self.folder / RUN)

    def _texts(self) -> Iterator[tuple[str, str]]:
        yield f"{self.net}.{SUFFIXES[self.plan.gpu.api]}", self.plan.source
        yield LAUNCHES, self.plan.to_json()
        if self.plan.gpu.api == "opencl":
            yield from opencl_host(self.plan).items()

    def binaries(self, nvcc: Path | None) -> None:
        """For CUDA NET.ptx and NET.cubin, if there is a compiler for the architecture."""
        arch = self.plan.gpu.arch
        if self.plan.gpu.api != "cuda":
            return
        if nvcc is None or not knows(nvcc, arch):
            who = "there is no nvcc here" if nvcc is None else f"{nvcc} knows no {arch}"
            self.observer.note(f"warning: {who}, so {self.net}.cu is not compiled")
            return
        self.observer.step(f"compiling the kernels for {arch}")
        (self.folder / f"{self.net}.ptx").write_bytes(
            compile_cuda(nvcc, self.plan.source, arch, "ptx")
        )
        (self.folder / f"{self.net}.cubin").write_bytes(
            compile_cuda(nvcc, self.plan.source, arch, "cubin")
        )

    def module(self, toolchain: Toolchain) -> None:
        """NET.so, for TVM's runtime."""
        self.observer.step("linking the module")
        from mbc.backends.tvm.gpu.module import compile_gpu_module, gpu_module

        module = gpu_module(self.compiled.graph, self.plan.gpu)
        executable = compile_gpu_module(module, self.compiled.target, self.plan.gpu)
        platform = link_target(self.compiled.target)
        export(executable, self.folder / f"{self.net}.so", platform, toolchain)
