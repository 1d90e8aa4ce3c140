"""The stages `lower` and `emit`: from a planned graph to the files of an output folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from mbc import __version__
from mbc.backends.llvm.codegen import emit_assembly, emit_object
from mbc.backends.llvm.link import MAIN_C, Toolchain, archive, link_executable, weights_object
from mbc.backends.llvm.lower import LoweredNet, library_ir, lower
from mbc.driver.output import check_replaceable, output_folder
from mbc.driver.pipeline import Compiled
from mbc.driver.platforms import link_target
from mbc.driver.request import Observer
from mbc.files import scratch_folder
from mbc.ir.text.module import write_dump
from mbc.runtime.abi import c_header, main_config
from mbc.runtime.manifest import FILE_NAME, Manifest, digests, tensors

DEFAULT_EMIT = ("exe", "lib", "header")


@dataclass(frozen=True)
class Workshop:
    """A scratch folder in which the files of one network are made."""

    folder: Path
    compiled: Compiled
    lowered: LoweredNet
    toolchain: Toolchain
    observer: Observer

    @property
    def net(self) -> str:
        """Name of the artefacts."""
        return self.lowered.spec.name

    def object(self) -> Path:
        """NET.o: the code, without the weights."""
        path = self.folder / f"{self.net}.o"
        if not path.exists():
            self.observer.step("generating code")
            path.write_bytes(emit_object(self.lowered))
        return path

    def header(self) -> Path:
        """NET.h."""
        return self._text(f"{self.net}.h", c_header(self.lowered.spec))

    def library(self) -> Path:
        """libNET.a: the code and the weights."""
        path = self.folder / f"lib{self.net}.a"
        if not path.exists():
            code = self.object()
            self.observer.step("packing the weights into the library")
            weights = self.folder / f"{self.net}_weights.o"
            target = link_target(self.lowered.target)
            symbol = f"{self.net}_weights"
            weights_object(self.lowered.weights, symbol, target, weights, self.toolchain)
            archive([code, weights], path, self.toolchain)
        return path

    def executable(self) -> Path:
        """NET, a program on its own."""
        path, library = self.folder / self.net, self.library()
        self._text("mbc_net.h", main_config(self.lowered.spec))
        self.observer.step("linking the executable")
        link_executable(
            [MAIN_C, library],
            path,
            link_target(self.lowered.target),
            self.toolchain,
            include_dirs=[self.header().parent],
            progress=self.observer.step,
        )
        return path

    def assembly(self) -> Path:
        """NET.s."""
        self.observer.step("writing assembly")
        return self._text(f"{self.net}.s", emit_assembly(self.lowered))

    def llvm(self) -> Path:
        """NET.ll."""
        return self._text(f"{self.net}.ll", library_ir(self.lowered))

    def ir(self) -> Path:
        """NET.mbc, with constants.safetensors beside it."""
        return write_dump(self.compiled.graph, self.folder, f"{self.net}.mbc")

    def _text(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path


EMITTERS: Mapping[str, Callable[[Workshop], Path]] = {
    "exe": Workshop.executable,
    "lib": Workshop.library,
    "header": Workshop.header,
    "obj": Workshop.object,
    "asm": Workshop.assembly,
    "llvm": Workshop.llvm,
    "ir": Workshop.ir,
}


@dataclass(frozen=True)
class Built:
    """An output folder and its manifest."""

    folder: Path
    manifest: Manifest


def lower_graph(compiled: Compiled, observer: Observer) -> LoweredNet:
    """The stage `lower`."""
    observer.step("lowering to LLVM IR")
    return lower(compiled.graph, compiled.target)


def build(
    compiled: Compiled,
    output: Path,
    emit: Iterable[str],
    toolchain: Toolchain,
    observer: Observer,
) -> Built:
    """Write the wanted kinds of files (names of `EMITTERS`) and the manifest; all or nothing."""
    check_replaceable(output)
    lowered = lower_graph(compiled, observer)
    with output_folder(output) as folder, scratch_folder() as scratch:
        workshop = Workshop(scratch, compiled, lowered, toolchain, observer)
        for kind in dict.fromkeys(emit):
            _deliver(EMITTERS[kind](workshop), folder)
        manifest = describe(compiled, lowered, toolchain)
        manifest = replace(manifest, files=digests(folder))
        (folder / FILE_NAME).write_text(manifest.to_json())
    return Built(output, manifest)


def _deliver(path: Path, folder: Path) -> None:
    """Copy a file into the output folder, with the constants that IR text needs beside it."""
    shutil.copy(path, folder / path.name)
    constants = path.parent / "constants.safetensors"
    if path.suffix == ".mbc" and constants.exists():
        shutil.copy(constants, folder / constants.name)


def describe(compiled: Compiled, lowered: LoweredNet, toolchain: Toolchain) -> Manifest:
    """The manifest, but for the files."""
    source, target, spec = compiled.source, compiled.target, lowered.spec
    inputs, outputs = tensors(spec)
    return Manifest(
        network=source.network,
        parameters=source.parameters,
        weights=source.weights,
        target=target.name,
        triple=target.triple,
        cpu=target.cpu,
        features=target.features,
        macs=source.totals.macs,
        params=source.totals.params,
        arena_bytes=spec.arena_bytes,
        scratch_bytes=spec.scratch_bytes,
        weights_bytes=spec.weights_bytes,
        inputs=inputs,
        outputs=outputs,
        passes=compiled.passes,
        versions=versions(toolchain),
    )


def versions(toolchain: Toolchain) -> dict[str, str]:
    """Of everything that decides about the bytes of an artefact."""
    libraries = ("llvmlite", "numpy")
    return {
        "mbc": __version__,
        **{name: metadata.version(name) for name in libraries},
        "toolchain": toolchain.name,
    }


def default_output(net: str, target: str) -> Path:
    """build/NET-TARGET."""
    return Path("build") / f"{net}-{target}"
