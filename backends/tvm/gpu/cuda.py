"""Run a launch plan on an NVIDIA GPU, through the driver only."""

from __future__ import annotations

from collections.abc import Mapping
from ctypes import c_void_p
from threading import Lock
from types import TracebackType

import numpy as np

from mbc.backends.tvm.gpu.driver import LIBRARY, Driver
from mbc.backends.tvm.gpu.launch import ALIGNMENT, LaunchPlan
from mbc.runtime.engine import Engine


class CudaNet(Engine):
    """A network on the first GPU, from `image`, its compiled source: cubin, fatbin or PTX.

    Its launches are recorded once, so a run is one call. Calls share its memory, so they wait for
    one another. Raises E0622 if there is no driver or device, E0623 if the driver fails, as for an
    image of another architecture.
    """

    def __init__(self, plan: LaunchPlan, image: bytes, library: str = LIBRARY) -> None:
        self.plan, self._driver, self._turn = plan, Driver(library), Lock()
        self._module = self._driver.load(image)
        self._allocate()
        self._recorded = self._record()

    def _allocate(self) -> None:
        weights = np.frombuffer(self.plan.weights or bytes(4), np.uint8)
        arena = self._driver.allocate(max(self.plan.spec.arena_bytes, ALIGNMENT))
        shared = {"weights": self._driver.allocate(weights.nbytes), "arena": arena}
        self._driver.upload(shared["weights"], weights.ctypes.data, weights.nbytes)
        self._owned = list(shared.values())
        self._addresses: list[int] = []
        for buffer in self.plan.buffers:
            if buffer.role in shared:
                self._addresses.append(shared[buffer.role] + buffer.offset)
            else:
                self._addresses.append(self._driver.allocate(buffer.bytes))
                self._owned.append(self._addresses[-1])

    def _record(self) -> c_void_p:
        names = dict.fromkeys(launch.kernel for launch in self.plan.launches)
        kernels = {name: self._driver.function(self._module, name) for name in names}
        self._driver.begin()
        for launch in self.plan.launches:
            arguments = [self._addresses[i] for i in launch.buffers]
            self._driver.launch(kernels[launch.kernel], launch.grid, launch.block, arguments)
        return self._driver.end()

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Compute the outputs by name from inputs by name, of the network's shapes."""
        with self._turn:
            self._driver.enter()
            return self._answer(inputs)

    def _answer(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        for spec, address in zip(self.plan.spec.inputs, self._role("input"), strict=True):
            array = np.ascontiguousarray(inputs[spec.name], np.float32)
            self._driver.upload(address, array.ctypes.data, array.nbytes)
        self.run()
        found = {}
        for spec, address in zip(self.plan.spec.outputs, self._role("output"), strict=True):
            array = found[spec.name] = np.empty(spec.shape, spec.element.numpy)
            self._driver.download(array.ctypes.data, address, array.nbytes)
        return found

    def run(self) -> None:
        """Run all kernels in order on the inputs' buffers; returns when the last has ended."""
        self._driver.replay(self._recorded)

    def _role(self, role: str) -> list[int]:
        pairs = zip(self.plan.buffers, self._addresses, strict=True)
        return [address for buffer, address in pairs if buffer.role == role]

    def __enter__(self) -> CudaNet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, what: BaseException | None, at: TracebackType | None
    ) -> None:
        self._driver.free(self._owned, self._recorded, self._module)
