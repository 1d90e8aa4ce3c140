"""Tensor types. Tensors are dense and NHWC; the last axis is the channel axis at any rank."""

from __future__ import annotations

from math import prod

from mbc.ir.elements import F32, Element
from mbc.records import dataclass

MAX_RANK = 8
MAX_ELEMENTS = 2**29  # of a tensor, so that byte offsets fit 31 bits
MAX_CHANNELS = 2**17  # of a value; views hold one index per channel


@dataclass(frozen=True)
class TensorType:
    """Shape and element type, printed as `f32[1,224,224,3]`."""

    shape: tuple[int, ...]
    """Extents of the axes, the channel axis last."""
    element: Element = F32
    """The element type."""

    def __str__(self) -> str:
        return f"{self.element}[{','.join(map(str, self.shape))}]"

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def channels(self) -> int:
        """Extent of the last axis."""
        return self.shape[-1]

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """Bytes of the dense tensor, without padding."""
        return self.elements * self.element.bytes

    def with_channels(self, channels: int) -> TensorType:
        """Return the type with another channel count."""
        if self.shape[-1:] == (channels,):
            return self
        return TensorType((*self.shape[:-1], channels), self.element)
