"""Run a launch plan on an OpenCL device, through pyopencl."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any

import numpy as np

from mbc.backends.tvm.gpu.launch import ALIGNMENT, DeviceBuffer, LaunchPlan
from mbc.diag import error
from mbc.extras import optional_module
from mbc.runtime.engine import Engine

EXTRA = "opencl"


class OpenClNet(Engine):
    """A network on a device of the ICD loader: the first GPU, or the first device if there is none.

    Calls share its buffers, so they wait for one another. Raises E0610 without pyopencl, E0620 if
    there is no device, E0621 if the device cannot hold or compile the network.
    """

    def __init__(self, plan: LaunchPlan) -> None:
        self._turn = Lock()
        self._cl = optional_module("pyopencl", EXTRA)
        self.plan, self.device = plan, _device(self._cl)
        context = self._cl.Context([self.device])
        self._queue = self._cl.CommandQueue(context)
        try:
            program = self._cl.Program(context, plan.source).build(cache_dir=False)
            self._buffers = self._allocate(context)
            self._kernels = [self._kernel(program, number) for number in range(len(plan.launches))]
        except self._cl.Error as problem:
            reason = str(problem).splitlines()[0]
            raise error(
                "E0621", f"{self.device.name} cannot run {plan.spec.name}: {reason}"
            ) from None

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Compute the outputs by name from inputs by name, of the network's shapes."""
        with self._turn:
            return self._answer(inputs)

    def _answer(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        copy = self._cl.enqueue_copy
        for spec, memory in zip(self.plan.spec.inputs, self._role("input"), strict=True):
            copy(self._queue, memory, np.ascontiguousarray(inputs[spec.name], np.float32))
        self.run()
        found = {}
        for spec, memory in zip(self.plan.spec.outputs, self._role("output"), strict=True):
            found[spec.name] = np.empty(spec.shape, spec.element.numpy)
            copy(self._queue, found[spec.name], memory)
        return found

    def run(self) -> None:
        """Run all kernels in order on the inputs' buffers; returns when the last has ended."""
        for launch, kernel in zip(self.plan.launches, self._kernels, strict=True):
            size = tuple(g * b for g, b in zip(launch.grid, launch.block, strict=True))
            self._cl.enqueue_nd_range_kernel(self._queue, kernel, size, launch.block)
        self._queue.finish()

    def _role(self, role: str) -> list[Any]:
        pairs = zip(self.plan.buffers, self._buffers, strict=True)
        return [memory for buffer, memory in pairs if buffer.role == role]

    def _allocate(self, context: Any) -> list[Any]:
        flags = self._cl.mem_flags
        weights = np.frombuffer(self.plan.weights or bytes(4), np.uint8)
        shared = {
            "weights": self._cl.Buffer(
                context, flags.READ_ONLY | flags.COPY_HOST_PTR, hostbuf=weights
            ),
            "arena": self._cl.Buffer(
                context, flags.READ_WRITE, max(self.plan.spec.arena_bytes, ALIGNMENT)
            ),
        }
        return [self._place(context, buffer, shared) for buffer in self.plan.buffers]

    def _place(self, context: Any, buffer: DeviceBuffer, shared: Mapping[str, Any]) -> Any:
        if buffer.role in shared:
            return shared[buffer.role].get_sub_region(buffer.offset, buffer.bytes)
        return self._cl.Buffer(context, self._cl.mem_flags.READ_WRITE, buffer.bytes)

    def _kernel(self, program: Any, number: int) -> Any:
        launch = self.plan.launches[number]
        kernel = self._cl.Kernel(program, launch.kernel)
        for number, i in enumerate(launch.buffers):  # at once, pyopencl would generate Python
            kernel.set_arg(number, self._buffers[i])
        return kernel


def _device(cl: Any) -> Any:
    """Choose the first GPU, or the first device if there is none; raises E0620 without devices."""
    try:
        devices = [device for platform in cl.get_platforms() for device in platform.get_devices()]
    except cl.Error:
        devices = []
    if not devices:
        helps = [
            "install the OpenCL driver (ICD) of your GPU",
            "on Debian, pocl-opencl-icd lets the CPU pose as a device",
        ]
        raise error("E0620", "no OpenCL device found", helps=helps)
    gpus = [device for device in devices if device.type & cl.device_type.GPU]
    return (gpus or devices)[0]
