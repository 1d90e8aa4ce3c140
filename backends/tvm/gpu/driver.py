"""NVIDIA's driver API through ctypes: the functions needed to run a network.

The driver comes with every GPU's kernel module, so nothing has to be installed; the CUDA toolkit
is needed only to compile.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from typing import Any

from mbc.backends.tvm.gpu.launch import Extent
from mbc.diag import error

LIBRARY = "libcuda.so.1"
RELAXED = 2  # CU_STREAM_CAPTURE_MODE_RELAXED


class Driver:
    """One device, its memory, a loaded module and a stream.

    Raises E0622 if there is no driver or device, E0623 if the driver fails.
    """

    def __init__(self, library: str = LIBRARY) -> None:
        try:
            self._library = ctypes.CDLL(library)
        except OSError as problem:
            raise _no_device(str(problem)) from None
        if self._library.cuInit(0):
            raise _no_device("the driver finds none")
        device, self._context = c_int(), c_void_p()
        if self._library.cuDeviceGet(byref(device), 0):
            raise _no_device("the driver finds none")
        self._call("cuDevicePrimaryCtxRetain", byref(self._context), device)
        self.enter()
        self._stream = c_void_p()
        self._call("cuStreamCreate", byref(self._stream), 1)  # apart from the default stream

    def enter(self) -> None:
        """Use the device from this thread."""
        self._call("cuCtxSetCurrent", self._context)

    def _call(self, function: str, *arguments: Any) -> None:
        status = int(getattr(self._library, function)(*arguments))
        if status:
            text = c_char_p()
            self._library.cuGetErrorString(status, byref(text))
            reason = (text.value or b"unknown error").decode()
            raise error("E0623", f"the CUDA driver fails in {function}: {reason} ({status})")

    def load(self, image: bytes) -> c_void_p:
        """Load a module of machine code (cubin, fatbin) or PTX."""
        module = c_void_p()
        self._call("cuModuleLoadData", byref(module), c_char_p(image))
        return module

    def function(self, module: c_void_p, name: str) -> c_void_p:
        """Find a kernel of a module."""
        found = c_void_p()
        self._call("cuModuleGetFunction", byref(found), module, name.encode())
        return found

    def allocate(self, size: int) -> int:
        """Allocate device memory; returns its address, at least 256-byte aligned."""
        address = c_uint64()
        self._call("cuMemAlloc_v2", byref(address), c_size_t(size))
        return address.value

    def upload(self, address: int, source: int, size: int) -> None:
        """Copy from a host address to the device."""
        self._call("cuMemcpyHtoD_v2", c_uint64(address), c_void_p(source), c_size_t(size))

    def download(self, source: int, address: int, size: int) -> None:
        """Copy from the device to a host address."""
        self._call("cuMemcpyDtoH_v2", c_void_p(source), c_uint64(address), c_size_t(size))

    def launch(self, function: c_void_p, grid: Extent, block: Extent, args: Sequence[int]) -> None:
        """Launch a kernel on device addresses, to run after earlier launches."""
        values = [c_uint64(address) for address in args]
        pointers = (c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        sizes = [c_uint(extent) for extent in (*grid, *block, 0)]
        self._call("cuLaunchKernel", function, *sizes, self._stream, pointers, None)

    def begin(self) -> None:
        """Record the following launches instead of running them."""
        self._call("cuStreamBeginCapture_v2", self._stream, c_int(RELAXED))

    def end(self) -> c_void_p:
        """End the recording; returns the recorded launches, to be replayed."""
        graph, replay = c_void_p(), c_void_p()
        self._call("cuStreamEndCapture", self._stream, byref(graph))
        self._call("cuGraphInstantiateWithFlags", byref(replay), graph, c_uint64(0))
        self._call("cuGraphDestroy", graph)
        return replay

    def replay(self, recorded: c_void_p) -> None:
        """Run recorded launches, and wait for their end."""
        self._call("cuGraphLaunch", recorded, self._stream)
        self._call("cuStreamSynchronize", self._stream)

    def free(self, addresses: Sequence[int], recorded: c_void_p, module: c_void_p) -> None:
        """Free all resources."""
        self._call("cuGraphExecDestroy", recorded)
        self._call("cuModuleUnload", module)
        for address in addresses:
            self._call("cuMemFree_v2", c_uint64(address))
        self._call("cuStreamDestroy_v2", self._stream)


def _no_device(reason: str) -> Exception:
    helps = ["install NVIDIA's driver; the CUDA toolkit is needed only to compile"]
    return error("E0622", f"no CUDA device found: {reason}", helps=helps)
