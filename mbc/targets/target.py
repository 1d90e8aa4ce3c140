"""What code is generated for: a triple, a CPU and its vector unit."""

from __future__ import annotations

from dataclasses import dataclass


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

    @property
    def arch(self) -> str:
        """First component of the triple."""
        return self.triple.split("-", 1)[0]

    @property
    def feature_string(self) -> str:
        """Features as LLVM takes them."""
        return ",".join(self.features)
