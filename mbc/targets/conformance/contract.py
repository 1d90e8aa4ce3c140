"""What compiled code has to keep to."""

from __future__ import annotations

from dataclasses import dataclass

from mbc.targets.target import Target


class FormatError(Exception):
    """A file is not of the format that it should be of."""


@dataclass(frozen=True)
class Contract:
    """A target, and the C symbols that code for a build of `net` defines and may ask for."""

    target: Target
    net: str
    build: str = ""
    external_weights: bool = False
    beside: frozenset[str] = frozenset()
    """Symbols of another object that it is always linked with."""
    assembly: str | None = None
    """LLVM's text of an object's code, where nothing here disassembles it."""

    @property
    def exports(self) -> frozenset[str]:
        """The C interface of a shared library: `NET_abi` by its plain name too."""
        functions = ("run", "arena_bytes", "flush_subnormals", "abi")
        return frozenset((f"{self.net}_abi", *map(self._symbol, functions)))

    @property
    def loader_name(self) -> str:
        """What a shared library calls itself."""
        return self.target.loader_name(self.net, self.build)

    def _symbol(self, part: str) -> str:
        return "_".join((self.net, part, *([self.build] if self.build else [])))

    @property
    def libc(self) -> frozenset[str]:
        """What may come from a libc."""
        return frozenset(self.target.libc_functions)

    @property
    def imports(self) -> frozenset[str]:
        """What an object may leave undefined."""
        own = () if self.external_weights else (self._symbol("weights"),)
        return self.libc.union(own, self.beside)
