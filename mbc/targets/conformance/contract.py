"""What compiled code has to keep to."""

from __future__ import annotations

from dataclasses import dataclass

from mbc.targets.target import Target


class FormatError(Exception):
    """A file is not of the format that it should be of."""


@dataclass(frozen=True)
class Contract:
    """A target, and the C symbols that code for network `net` defines and may ask for; `beside` are
    those of another object that it is always linked with."""

    target: Target
    net: str
    external_weights: bool = False
    beside: frozenset[str] = frozenset()

    @property
    def exports(self) -> frozenset[str]:
        """The C interface."""
        functions = ("run", "arena_bytes", "flush_subnormals")
        return frozenset(f"{self.net}_{name}" for name in functions)

    @property
    def libc(self) -> frozenset[str]:
        """What may come from a libc."""
        return frozenset(self.target.libc_functions)

    @property
    def imports(self) -> frozenset[str]:
        """What an object may leave undefined."""
        own = () if self.external_weights else (f"{self.net}_weights",)
        return self.libc.union(own, self.beside)
