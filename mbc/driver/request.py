"""What a user asks of the compiler, whatever the command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Request:
    """A file, the parameters of its network, a target, and how to get there. None means that the
    user has not said: the default is filled in where it is needed. `name` is for C and for files.
    """

    file: Path
    params: Mapping[str, object] = field(default_factory=dict)
    batch: int | None = None
    network: str | None = None
    weights: Path | None = None
    seed: int | None = None
    target: str | None = None
    mcpu: str | None = None
    mattr: str | None = None
    backend: str | None = None
    arch: str | None = None
    level: int | None = None
    optimize: str | None = None
    fuse: str | None = None
    strassen: bool = True
    passes: str | None = None
    stop_after: str | None = None
    name: str | None = None


class Observer(Protocol):
    """Who is told how the work goes on."""

    def step(self, text: str) -> None:
        """What begins now."""

    def note(self, text: str) -> None:
        """What the user should know afterwards."""


class Silent:
    """Nobody is told."""

    def step(self, text: str) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""
