"""Networks that TVM runs: as a callable in this process, and as the files of an output folder."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from mbc.backends.llvm.link import Toolchain, choose_toolchain
from mbc.backends.tvm import board
from mbc.backends.tvm.build import compile_module, cpu_target, export
from mbc.backends.tvm.cpu.module import cpu_module
from mbc.backends.tvm.require import tvm
from mbc.backends.tvm.vm import TvmNet
from mbc.diag import error
from mbc.driver.build import Beside, Built, describe, write_check
from mbc.driver.output import check_replaceable, output_folder
from mbc.driver.pipeline import Compiled
from mbc.driver.platforms import link_target
from mbc.driver.request import Observer
from mbc.files import scratch_folder
from mbc.runtime.abi import NetSpec, interface_of
from mbc.runtime.manifest import FILE_NAME, digests
from mbc.runtime.pool import Team

RUN = "run.py"


def tvm_engine(compiled: Compiled, team: Team, observer: Observer) -> TvmNet:
    """The network in TVM's virtual machine in this process."""
    if team.cpus is not None:
        raise error("E0106", "--cpus pins our threads; with --backend tvm they are TVM's")
    inputs, outputs = interface_of(compiled.graph)
    with scratch_folder() as folder:
        library = folder / f"{compiled.source.net}.so"
        write_module(compiled, library, choose_toolchain(), observer)
        return TvmNet(library, inputs, outputs, threads=team.threads)


def build_tvm(
    compiled: Compiled,
    output: Path,
    toolchain: Toolchain,
    observer: Observer,
    beside: Beside,
) -> Built:
    """Write NET.so, run.py, the reference if it is wanted, and the manifest; all or nothing."""
    tvm()
    check_replaceable(output)
    spec = spec_of(compiled)
    with output_folder(output) as folder:
        write_module(compiled, folder / f"{spec.name}.so", toolchain, observer)
        shutil.copyfile(board.__file__, folder / RUN)
        found = write_check(compiled, spec, folder, observer) if beside.check else None
        manifest = describe(compiled, spec, toolchain, beside.photos)
        manifest = replace(manifest, check=found, files=digests(folder))
        (folder / FILE_NAME).write_text(manifest.to_json())
    return Built(output, manifest)


def module_text(compiled: Compiled) -> str:
    """The module as TVM's script."""
    text: str = cpu_module(compiled.graph, compiled.target).script()
    return text


def spec_of(compiled: Compiled) -> NetSpec:
    """What the manifest says of the network. TVM owns all memory, so there is no arena."""
    inputs, outputs = interface_of(compiled.graph)
    weights = sum(constant.type.bytes for constant in compiled.graph.constants().values())
    return NetSpec(compiled.source.net, inputs, outputs, 0, 0, weights)


def write_module(compiled: Compiled, out: Path, toolchain: Toolchain, observer: Observer) -> None:
    """Make NET.so."""
    observer.step("lowering to TVM's IR")
    module = cpu_module(compiled.graph, compiled.target)
    observer.step("generating code")
    executable = compile_module(module, cpu_target(compiled.target))
    observer.step("linking the module")
    export(executable, out, link_target(compiled.target), toolchain)
