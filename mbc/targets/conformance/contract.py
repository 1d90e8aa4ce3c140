"""The requirements that compiled code must meet."""

from __future__ import annotations

from mbc.records import dataclass
from mbc.targets.target import Target


class FormatError(Exception):
    """A file does not have the expected format."""


@dataclass(frozen=True)
class Contract:
    """A target, and the C symbols that code for a build of a network defines and may import."""

    target: Target
    """The target."""
    net: str
    """Name of the network in C."""
    build: str = ""
    """Digest of the build, the end of every symbol."""
    external_weights: bool = False
    """Whether the weights are a separate file."""
    beside: frozenset[str] = frozenset()
    """Symbols of another object that it is always linked with."""
    assembly: str | None = None
    """LLVM's assembly of an object's code, where capstone does not disassemble it."""

    @property
    def exports(self) -> frozenset[str]:
        """Symbols of a shared library's C interface: `NET_abi` by its plain name too."""
        functions = ("run", "arena_bytes", "flush_subnormals", "abi")
        return frozenset((f"{self.net}_abi", *map(self._symbol, functions)))

    @property
    def loader_name(self) -> str:
        """SONAME or install name of a shared library."""
        return self.target.loader_name(self.net, self.build)

    def _symbol(self, part: str) -> str:
        return "_".join((self.net, part, *([self.build] if self.build else [])))

    @property
    def libc(self) -> frozenset[str]:
        """Functions that may come from a libc."""
        return frozenset(self.target.libc_functions)

    @property
    def imports(self) -> frozenset[str]:
        """Symbols that an object may leave undefined."""
        own = () if self.external_weights else (self._symbol("weights"),)
        return self.libc.union(own, self.beside)
