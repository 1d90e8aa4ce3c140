"""The interface of engines: what they are given, and what they must do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np

from mbc.records import dataclass

EXTRA = "bench"
"""Optional dependency group of mbc that installs the engines."""


@dataclass(frozen=True)
class Task:
    """A model to run, and its inputs."""

    model: Path
    """ONNX file in a temporary folder."""
    inputs: Mapping[str, np.ndarray]
    """Dense float32 tensor of each input, in the model's order; images are NCHW."""
    outputs: tuple[str, ...]
    """Names of the outputs."""
    threads: int
    """Number of threads that may compute."""
    exact: bool = False
    """Whether sums of integers must be exact, on CPUs too that are faster otherwise."""


class Session(Protocol):
    """A model loaded by an engine, its inputs bound. Engines may raise any exception."""

    distribution: ClassVar[str]
    """Name of the Python distribution, which has the version."""
    on_codes: ClassVar[bool]
    """Whether it computes on 8-bit codes what ONNX says to quantise."""

    def __init__(self, task: Task) -> None: ...

    def run(self) -> None:
        """Run one inference."""

    def outputs(self) -> tuple[np.ndarray, ...]:
        """Copy the results of the last inference, in the model's order."""
