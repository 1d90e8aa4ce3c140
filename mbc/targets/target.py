"""What code is generated for: a triple, a CPU and its vector unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mbc.targets.architecture import Architecture, Core
from mbc.targets.architectures import find_architecture
from mbc.targets.boards import Board
from mbc.targets.gpu import Gpu

ObjectFormat = Literal["elf", "macho"]
System = Literal["linux", "android", "macos"]


@dataclass(frozen=True)
class Target:
    """A resolved target. `isa` names a vector description of the LLVM backend ("avx2", "neon");
    `cpu` and `features` are LLVM's names, features with their sign ("+neon")."""

    name: str
    triple: str
    cpu: str
    isa: str
    features: tuple[str, ...] = ()
    link_triple: str = ""  # what zig calls the platform of executables, "aarch64-linux-musl"
    model: Core | None = None  # what costs are predicted for, if not the architecture's
    description: str = ""
    board: Board | None = None
    gpu: Gpu | None = None  # where the network runs, if not on the CPU

    @property
    def arch(self) -> str:
        """First component of the triple."""
        return self.triple.split("-", 1)[0]

    @property
    def architecture(self) -> Architecture:
        """What is known of the instruction set; ValueError for a triple of none that we have."""
        found = find_architecture(self.arch)
        if found is None:
            raise ValueError(f"no architecture is called {self.arch}")
        return found

    @property
    def family(self) -> str:
        """Name of the architecture, without its version: "aarch64", "arm" or "x86_64"."""
        return self.architecture.name

    @property
    def core(self) -> Core:
        """The core that costs are predicted for."""
        return self.model or self.architecture.core

    @property
    def abi(self) -> str:
        """LLVM's name of the ABI, where its default is another."""
        return self.architecture.abi

    @property
    def system(self) -> System:
        """Operating system that the code is for."""
        if "android" in self.triple:
            return "android"
        return "macos" if "apple" in self.triple else "linux"

    @property
    def object_format(self) -> ObjectFormat:
        """Of objects, libraries and executables."""
        return "macho" if self.system == "macos" else "elf"

    @property
    def feature_string(self) -> str:
        """Features as LLVM takes them."""
        return ",".join(self.features)

    @property
    def page_bytes(self) -> int:
        """Largest pages of the system's kernels, which segments must not share; Android is built
        for pages of 4 or 16 KB."""
        return self.architecture.page_bytes if self.system == "linux" else 16384

    @property
    def reserves_x18(self) -> bool:
        """Whether the system keeps that register for itself (Arm's "platform register")."""
        return self.architecture.platform_register == "x18" and self.system != "linux"

    @property
    def hard_float(self) -> bool:
        """Whether 32-bit Arm code passes floats in vector registers; Android's does not."""
        return self.family == "arm" and self.triple.endswith("hf")

    @property
    def libc_functions(self) -> tuple[str, ...]:
        """What compiled code may call, by the names that LLVM has for it on this system."""
        if self.system == "macos":
            return ("bzero", "memcpy", "memset")
        plain = ("memcpy", "memset")
        return (self.system == "android" and self.architecture.android_functions) or plain

    def shared_name(self, net: str) -> str:
        """The file of a network's shared library."""
        return f"lib{net}.{'dylib' if self.object_format == 'macho' else 'so'}"

    def loader_name(self, net: str, build: str) -> str:
        """What that library calls itself, and programs that were linked with it ask for: a name of
        this build. Android's loader finds libraries of an app only where they end in .so, and its
        tools take the file's name; there the symbols alone tell builds apart."""
        if self.object_format == "macho":
            return f"@rpath/lib{'.'.join((net, *([build] if build else [])))}.dylib"
        version = f".{build}" if build and self.system != "android" else ""
        return f"lib{net}.so{version}"
