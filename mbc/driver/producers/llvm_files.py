"""The files that LLVM's code of a network is written to: each is made once, and checked against its
target when it is made."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from mbc.backends.llvm.codegen import (
    assembly_text,
    emit_assembly,
    emit_plain_name,
    object_code,
)
from mbc.backends.llvm.data import data_object_parts
from mbc.backends.llvm.interface import library_ir
from mbc.backends.llvm.invoke import callees
from mbc.backends.llvm.isa import isa_of
from mbc.backends.llvm.link import MAIN_SOURCES, archive, link_executable
from mbc.backends.llvm.lower import LoweredNet
from mbc.backends.llvm.profile import meter_stride, profile_module, timed_peaks
from mbc.backends.llvm.shared import link_shared
from mbc.diag import Diagnostic, MbcError, error
from mbc.driver.platforms import program_target
from mbc.driver.producers.producer import ArtifactWriter
from mbc.files import scratch_folder
from mbc.ir.elements import U8
from mbc.ir.text.module import write_dump
from mbc.records import dataclass
from mbc.runtime.abi import NetSpec, weights_file
from mbc.runtime.header import c_header
from mbc.runtime.labels import labels_config
from mbc.runtime.preprocessing import c_config
from mbc.runtime.program import main_config
from mbc.runtime.timing import TimedLayer, Timing, timing_config
from mbc.targets.conformance import Contract, Kind, problems
from mbc.targets.cpu_check import cpu_config
from mbc.targets.target import Target

DEFAULT_EMIT = ("exe", "lib", "header")
ANDROID_EMIT = ("exe", "so", "header")  # an app loads a shared library


def default_emit(target: Target) -> tuple[str, ...]:
    """Return the kinds that are written unless the user says."""
    return ANDROID_EMIT if target.system == "android" else DEFAULT_EMIT


@dataclass(frozen=True)
class LlvmWriter(ArtifactWriter):
    """Writes files of the wanted kinds, and what they cannot do without."""

    lowered: LoweredNet

    @property
    def spec(self) -> NetSpec:
        """The network as C callers see it."""
        return self.lowered.spec

    @property
    def kinds(self) -> tuple[str, ...]:
        """Each wanted kind once."""
        wanted = self.wanted.kinds
        return tuple(dict.fromkeys(default_emit(self.lowered.target) if wanted is None else wanted))

    @property
    def runnable(self) -> bool:
        """Whether there is code that is linked."""
        return not RUNNABLE_KINDS.isdisjoint(self.kinds)

    def write(self, folder: Path) -> None:
        """Make the files in a scratch folder, and copy the wanted ones."""
        with scratch_folder() as scratch:
            files = LlvmFiles(self, scratch)
            for kind in self.kinds:
                _deliver(EMITTERS[kind](files), folder)
            for name, file in files.links().items():
                _link(folder / name, folder / file)
            if self.spec.external_weights and not CODE_KINDS.isdisjoint(self.kinds):
                _deliver(files.weights(), folder)


def _deliver(path: Path, folder: Path) -> None:
    """Copy a file into the output folder, with the constants that IR text needs beside it."""
    check_made(path)
    _give(path, folder / path.name)
    constants = path.parent / "constants.safetensors"
    if path.suffix == ".mbc" and constants.exists():
        shutil.copy(constants, folder / constants.name)


def _give(path: Path, name: Path) -> None:
    """Have a file of a scratch folder under another name too: a copy on another file system."""
    try:
        name.hardlink_to(path)
    except OSError:
        shutil.copy(path, name)


def _link(name: Path, file: Path) -> None:
    """Give a file a second name: a copy where the file system knows no links."""
    try:
        name.symlink_to(file.name)
    except OSError:
        shutil.copy(file, name)


class LlvmFiles:
    """The files of one network in a scratch folder, intermediate ones included."""

    def __init__(self, writer: LlvmWriter, folder: Path) -> None:
        self.folder, self.writer = folder, writer
        self.compiled, self.lowered = writer.compiled, writer.lowered
        self.net, self.platform = writer.net, writer.platform
        self.toolchain, self.observer = writer.wanted.toolchain, writer.observer

    def object(self) -> Path:
        """NET.o: the code, without the weights."""
        return self._object(f"{self.net}.o", self.lowered.target)

    def header(self) -> Path:
        """NET.h."""
        return self._text(f"{self.net}.h", c_header(self.lowered.spec))

    def library(self) -> Path:
        """libNET.a: the code, and the weights unless they are a file of their own."""
        path = self.folder / f"lib{self.net}.a"
        if not path.exists():
            archive([self.object(), *self._weights_objects()], path, self.toolchain)
        return path

    def shared(self) -> Path:
        """libNET.so or libNET.dylib: code and weights as a shared library."""
        target = self.lowered.target
        path = self.folder / target.shared_name(self.net)
        objects = [self.object(), self._plain_name(), *self._weights_objects()]
        self.observer.step("linking the shared library")
        name = target.loader_name(self.net, self.lowered.spec.build)
        link_shared(objects, path, self.platform, self.toolchain, name)
        return self._checked(path, "shared", target)

    def links(self) -> dict[str, str]:
        """Files by their second names: a shared library has the one that programs which were
        linked with it ask the loader for."""
        target = self.lowered.target
        path = self.folder / target.shared_name(self.net)
        name = Path(target.loader_name(self.net, self.lowered.spec.build)).name
        return {name: path.name} if path.exists() and name != path.name else {}

    def executable(self) -> Path:
        """NET, a program on its own."""
        path, target = self.folder / self.net, program_target(self.lowered.target)
        code = self.object()
        if target != self.lowered.target:
            code = self._object(f"{self.net}_program.o", target)
        objects = [code, self._profile_object(target), *self._weights_objects()]
        self._text("mbc_net.h", self._main_config())
        self.observer.step("linking the executable")
        link_executable(
            [*MAIN_SOURCES, *objects],
            path,
            self.platform,
            self.toolchain,
            include_dirs=[self.folder],
            progress=self.observer.step,
        )
        return self._checked(path, "executable", target)

    def weights(self) -> Path:
        """NET.weights, for code that was compiled without them."""
        path = self.folder / f"{self.net}.weights"
        path.write_bytes(weights_file(self.lowered.weights))
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

    def _object(self, name: str, target: Target) -> Path:
        path = self.folder / name
        if not path.exists():
            self.observer.step("generating code")
            self._generated(path, library_ir(replace(self.lowered, target=target)), target)
        return path

    def _profile_object(self, target: Target) -> Path:
        """Make an object that times the kernels, for executables alone."""
        path = self.folder / f"{self.net}_profile.o"
        lowered = replace(self.lowered, target=target)
        return self._generated(path, profile_module(lowered), target, beside=self._callees())

    def _generated(
        self, path: Path, module: str, target: Target, beside: Iterable[str] = ()
    ) -> Path:
        """Make the object of a module, and check it. `beside`: symbols that a sibling object
        defines."""
        path.write_bytes(object_code(module, target))
        contract = self._contract(target, frozenset(beside))
        if target.architecture.instructions.capstone is None:
            contract = replace(contract, assembly=assembly_text(module, target))
        return self._kept(path, "object", contract)

    def _callees(self) -> Iterable[str]:
        """Return the kernels' symbols."""
        end = f"_{self.lowered.spec.build}"
        return (f"{name}{end}" for name in callees(self.lowered.spec, self.lowered.calls))

    def _plain_name(self) -> Path:
        """Make an object that makes `NET_abi` known to dlsym, for shared libraries alone."""
        path = self.folder / f"{self.net}_abi.o"
        path.write_bytes(emit_plain_name(self.lowered))
        return path

    def _main_config(self) -> str:
        """mbc_net.h."""
        spec = self.lowered.spec
        cpu, timing = cpu_config(self.lowered.target), timing_config(spec, self._timing())
        wanted = self.writer.wanted
        bytes = any(io.element is U8 for io in spec.inputs)
        words = c_config(wanted.photos, bytes=bytes) + labels_config(wanted.labels)
        return main_config(spec) + cpu + timing + words

    def _timing(self) -> Timing:
        source, isa = self.compiled.source, isa_of(self.lowered.target)
        timed = [
            TimedLayer(x.name, x.origins, x.op, x.shape, kernel.peak, x.macs, x.bytes)
            for kernel in self.lowered.kernels
            for x in (kernel.layer,)
        ]
        return Timing(
            head={
                "network": source.network,
                "parameters": source.parameters,
                "target": self.lowered.target.name,
                "macs": source.totals.macs,
            },
            macs=source.totals.macs,
            layers=tuple(timed),
            peaks=timed_peaks(self.lowered),
            peak_bytes=meter_stride(isa),
        )

    def _weights_objects(self) -> list[Path]:
        """Make the weights an object to link; none if they are a file of their own."""
        if self.lowered.spec.external_weights:
            return []
        path = self.folder / f"{self.net}_weights.o"
        if not path.exists():
            self.observer.step("packing the weights")
            symbol = self.lowered.spec.symbol("weights")
            parts = data_object_parts(self.lowered.weights, symbol, self.lowered.target)
            with path.open("wb") as file:
                file.writelines(parts)
        return [path]

    def _text(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, "utf-8")
        return path

    def _contract(self, target: Target, beside: frozenset[str] = frozenset()) -> Contract:
        spec = self.lowered.spec
        return Contract(target, spec.name, spec.build, spec.external_weights, beside)

    def _checked(self, path: Path, kind: Kind, target: Target) -> Path:
        """Check the file that a tool made; E0602 where there is none."""
        check_made(path)
        return self._kept(path, kind, self._contract(target))

    def _kept(self, path: Path, kind: Kind, contract: Contract) -> Path:
        """Return the file, if it keeps to the contract; else E0910."""
        found = tuple(problems(path, kind, contract))
        if found:
            raise MbcError(*(self._fault(f"{path.name} {problem}") for problem in found[:8]))
        return path

    def _fault(self, message: str) -> Diagnostic:
        command = self.writer.wanted.command
        helps = ("this is a bug in mbc; please report it with your network", command)
        return Diagnostic("E0910", f"internal error: {message}", helps=helps)


def check_made(path: Path) -> None:
    """E0602 if a tool succeeded but produced no file."""
    if not path.exists():
        raise error("E0602", f"the tool succeeded but produced no {path.name}")


EMITTERS: Mapping[str, Callable[[LlvmFiles], Path]] = {
    "exe": LlvmFiles.executable,
    "lib": LlvmFiles.library,
    "so": LlvmFiles.shared,
    "header": LlvmFiles.header,
    "obj": LlvmFiles.object,
    "asm": LlvmFiles.assembly,
    "llvm": LlvmFiles.llvm,
    "ir": LlvmFiles.ir,
}
CODE_KINDS = frozenset(("exe", "lib", "so", "obj"))  # they need the weights
RUNNABLE_KINDS = frozenset(("exe", "lib", "so"))
