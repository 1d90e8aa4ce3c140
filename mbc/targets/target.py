"""Resolved targets of code generation: a triple, a CPU and its vector unit."""

from __future__ import annotations

from typing import Literal

from mbc.records import dataclass
from mbc.targets.architecture import Architecture, Core
from mbc.targets.architectures import find_architecture
from mbc.targets.boards import Board
from mbc.targets.gpu import Gpu

ObjectFormat = Literal["elf", "macho"]
System = Literal["linux", "android", "macos"]


@dataclass(frozen=True)
class Target:
    """A resolved target."""

    name: str
    """Value of `--target`."""
    triple: str
    """LLVM's triple."""
    cpu: str
    """LLVM's name of the CPU."""
    isa: str
    """Vector description of the LLVM backend ("avx2", "neon")."""
    features: tuple[str, ...] = ()
    """LLVM's names of features added and removed, with their sign ("+neon")."""
    link_triple: str = ""
    """zig's target for executables ("aarch64-linux-musl")."""
    model: Core | None = None
    """Core that costs are predicted for; None for the architecture's default."""
    description: str = ""
    """One line for `mbc targets`."""
    board: Board | None = None
    """The board, if it is one."""
    gpu: Gpu | None = None
    """GPU that the network runs on; None for the CPU."""

    @property
    def arch(self) -> str:
        """First component of the triple."""
        return self.triple.split("-", 1)[0]

    @property
    def architecture(self) -> Architecture:
        """Facts about the instruction set; ValueError for a triple of an unknown one."""
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
        """LLVM's name of the ABI; "" for LLVM's default."""
        return self.architecture.abi

    @property
    def system(self) -> System:
        """Operating system that the code is for."""
        if "android" in self.triple:
            return "android"
        return "macos" if "apple" in self.triple else "linux"

    @property
    def object_format(self) -> ObjectFormat:
        """Format of objects, libraries and executables."""
        return "macho" if self.system == "macos" else "elf"

    @property
    def feature_string(self) -> str:
        """Features in LLVM's notation."""
        return ",".join(self.features)

    @property
    def page_bytes(self) -> int:
        """Largest page size of the system's kernels; segments must not share pages. Android has
        pages of 4 or 16 KB."""
        return self.architecture.page_bytes if self.system == "linux" else 16384

    @property
    def reserves_x18(self) -> bool:
        """Whether the system reserves that register (Arm's "platform register")."""
        return self.architecture.platform_register == "x18" and self.system != "linux"

    @property
    def hard_float(self) -> bool:
        """Whether 32-bit Arm code passes floats in vector registers; Android's does not."""
        return self.family == "arm" and self.triple.endswith("hf")

    @property
    def libc_functions(self) -> tuple[str, ...]:
        """Names of the functions that LLVM may call on this system."""
        if self.system == "macos":
            return ("bzero", "memcpy", "memset")
        plain = ("memcpy", "memset")
        return (self.system == "android" and self.architecture.android_functions) or plain

    def shared_name(self, net: str) -> str:
        """Return the file name of a network's shared library."""
        return f"lib{net}.{'dylib' if self.object_format == 'macho' else 'so'}"

    def loader_name(self, net: str, build: str) -> str:
        """Return the library's SONAME or install name, which programs linked with it request.

        It identifies the build. Android's loader finds libraries of an app only if their names end
        in .so, and its tools take the file's name; there only the symbols distinguish builds.
        """
        if self.object_format == "macho":
            return f"@rpath/lib{'.'.join((net, *([build] if build else [])))}.dylib"
        version = f".{build}" if build and self.system != "android" else ""
        return f"lib{net}.so{version}"
