"""What a file of PyTorch holds, whichever of its formats it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from mbc.frontends.weights.bfloat16 import widened
from mbc.frontends.weights.torch_names import Storage, StridedTensor
from mbc.records import dataclass


@dataclass(frozen=True)
class Saved:
    """The object that was saved, and the data of its storages."""

    value: object
    """Lists, tuples, pairs, tensors, text, numbers."""
    storage: Callable[[Storage], bytes]
    """Read the data of a storage whose size has been checked against the file."""
    order: str
    """Byte order of the data: < or >."""
    _last: dict[Storage, bytes] = field(default_factory=dict)
    """The storage that was read last: tensors that share one often follow each other."""

    def read(self, tensor: StridedTensor) -> npt.NDArray[np.generic]:
        """Return a copy of a tensor; bfloat16 becomes float32."""
        storage = tensor.storage
        if storage not in self._last:
            self._last.clear()
            data = self.storage(storage)
            if len(data) != storage.bytes:  # the file has changed since it was listed
                raise ValueError(f"its storage {storage.key[:80]} is cut off")
            self._last[storage] = data
        elements = np.frombuffer(self._last[storage], self.order + storage.numpy)
        array = strided(elements, tensor)
        return widened(array) if storage.dtype == "bf16" else array


def strided(elements: npt.NDArray[np.generic], tensor: StridedTensor) -> npt.NDArray[np.generic]:
    """Return a copy of the elements that a tensor views, in the machine's byte order."""
    native = elements.dtype.newbyteorder("=")
    if 0 in tensor.shape:
        return np.empty(tensor.shape, native)
    steps = [step * elements.itemsize for step in tensor.strides]
    return np.array(as_strided(elements[tensor.offset :], tensor.shape, steps), native, order="C")
