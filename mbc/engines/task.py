"""What every engine is given, and what it must do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np

EXTRA = "bench"
"""The extra of mbc that brings the engines."""


@dataclass(frozen=True)
class Task:
    """An ONNX model in a scratch folder, a tensor for each of its inputs (dense float32, images
    NCHW, in the model's order), the names of its outputs, and how many threads may compute."""

    model: Path
    inputs: Mapping[str, np.ndarray]
    outputs: tuple[str, ...]
    threads: int


class Session(Protocol):
    """A model loaded by an engine, its inputs in place. Engines raise what they like."""

    distribution: ClassVar[str]
    """The Python distribution, for its version."""

    def __init__(self, task: Task) -> None: ...

    def run(self) -> None:
        """One inference."""

    def outputs(self) -> tuple[np.ndarray, ...]:
        """Copies of what the last inference gave, in the model's order."""
