"""What code is generated for: a triple, a CPU and its vector unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mbc.targets.boards import Board
from mbc.targets.gpu import Gpu

ObjectFormat = Literal["elf", "macho"]
System = Literal["linux", "android", "macos"]

FAMILIES = {"arm64": "aarch64", "armv7a": "arm"}  # where the triple's first word says otherwise


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
    abi: str = ""
    l1_bytes: int = 32 * 1024
    l2_bytes: int = 512 * 1024
    description: str = ""
    board: Board | None = None
    gpu: Gpu | None = None  # where the network runs, if not on the CPU

    @property
    def arch(self) -> str:
        """First component of the triple."""
        return self.triple.split("-", 1)[0]

    @property
    def family(self) -> str:
        """Architecture without its version, as uname has it: "aarch64", "arm" or "x86_64"."""
        return FAMILIES.get(self.arch, self.arch)

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
        """Largest pages of the system's kernels, which segments must not share: on Arm, Linux may
        be built for 4, 16 (as for Raspberry Pi 5) or 64 KB, Android for 4 or 16."""
        if self.system == "linux":
            return 4096 if self.family == "x86_64" else 65536
        return 16384

    @property
    def reserves_x18(self) -> bool:
        """Whether the system keeps that register for itself (Arm's "platform register")."""
        return self.family == "aarch64" and self.system != "linux"

    @property
    def hard_float(self) -> bool:
        """Whether 32-bit Arm code passes floats in vector registers; Android's does not."""
        return self.family == "arm" and self.triple.endswith("hf")

    @property
    def libc_functions(self) -> tuple[str, ...]:
        """What compiled code may call, by the names that LLVM has for it on this system."""
        if self.system == "macos":
            return ("bzero", "memcpy", "memset")
        if self.system == "android" and self.family == "arm":
            return tuple(f"__aeabi_mem{op}{n}" for op in ("clr", "cpy", "set") for n in ("", 4, 8))
        return ("memcpy", "memset")

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
