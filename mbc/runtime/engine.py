"""The interface of networks in this process, independent of the backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np


class Engine(Protocol):
    """Computes outputs from inputs, dense float32 tensors by name."""

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Compute the outputs by name."""
        ...

    def inference(self, inputs: Mapping[str, np.ndarray]) -> Callable[[], object]:
        """Return a function that runs the network on these inputs, to be timed.

        Engines whose calls do more than run the network do the rest beforehand.
        """
        return lambda: self(inputs)
