"""TVM's virtual machine in this process: a NET.so as a callable."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from time import perf_counter
from typing import Any

import numpy as np

from mbc.backends.tvm.require import tvm
from mbc.runtime.abi import IoSpec
from mbc.runtime.engine import Engine

ALL_CORES = 1  # of the pool's modes: the big ones first; -1 are the little ones


class TvmNet(Engine):
    """A network that TVM runs on a device of this machine ("cpu", "cuda"). Its virtual machine has
    memory of its own, so calls from several threads wait for one another."""

    def __init__(
        self,
        library: Path,
        inputs: tuple[IoSpec, ...],
        outputs: tuple[IoSpec, ...],
        device: str = "cpu",
        threads: int = 1,
    ) -> None:
        os.environ["TVM_NUM_THREADS"] = str(threads)  # read when TVM's pool is made
        self.inputs, self.outputs, self._turn = inputs, outputs, Lock()
        self.device = tvm().device(device)
        module = tvm().runtime.load_module(str(library))
        tvm().get_global_func("runtime.config_threadpool")(ALL_CORES, threads)
        self._main = tvm().relax.VirtualMachine(module, self.device)["main"]

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the network on dense float32 tensors by input name; returns the outputs by name."""
        given = [self.tensor(inputs[spec.name]) for spec in self.inputs]
        with self._turn:
            result = self._main(*given)
            arrays = [result] if len(self.outputs) == 1 else list(result)
            found = [array.numpy() for array in arrays]
        return {spec.name: array for spec, array in zip(self.outputs, found, strict=True)}

    def inference(self, inputs: Mapping[str, np.ndarray]) -> Callable[[], float]:
        """Return a function that runs the network on inputs that are on the device already."""
        tensors = [self.tensor(inputs[spec.name]) for spec in self.inputs]
        return lambda: self.time_once(tensors)

    def tensor(self, array: np.ndarray) -> Any:
        """Copy an array to the device."""
        return tvm().runtime.tensor(np.ascontiguousarray(array, np.float32), self.device)

    def time_once(self, tensors: list[Any]) -> float:
        """Return the seconds of one inference on tensors of the device, one for each input."""
        with self._turn:
            start = perf_counter()
            self._main(*tensors)
            self.device.sync()
            return perf_counter() - start
