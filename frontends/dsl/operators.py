"""Python's operators on tensors: those that raise, and suggest what to write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from mbc.frontends.dsl.mistakes import misuse

UNKNOWN = "values are not known while a network is built; x.shape and x.channels are"


def refuse(message: str, *helps: str) -> Callable[..., NoReturn]:
    """Make a method that raises E0218 at the user's line."""

    def method(self: object, *operands: object) -> NoReturn:
        raise misuse(message, *helps)

    return method


def _no(symbol: str, *helps: str) -> Callable[..., NoReturn]:
    return refuse(f"tensors have no operator '{symbol}'", *helps)


class Operators:
    """Operators without a layer, and questions about values that are unknown while tracing."""

    __array_ufunc__ = None  # a numpy array to the left leaves the operator to the tensor

    __floordiv__ = __rfloordiv__ = _no("//")
    __mod__ = __rmod__ = _no("%")
    __pow__ = __rpow__ = _no("**")
    __matmul__ = __rmatmul__ = _no("@", "nn.dense(x, channels) multiplies by a matrix of weights")
    __getitem__ = refuse(
        "tensors cannot be indexed",
        "nn.split(x, sizes=(…)) takes channels apart",
        "x.shape[i] is an extent",
    )
    __iter__: Any = refuse(
        "a tensor cannot be unpacked or iterated over",
        "nn.split(x, parts=2) returns several tensors, other layers one",
    )
    __len__: Any = refuse(
        "a tensor has no length", "x.shape[0] is the batch, x.channels the last axis"
    )
    __bool__: Any = refuse("a tensor is neither true nor false", UNKNOWN)
    __int__ = __float__ = __index__ = refuse("a tensor is not a number", UNKNOWN)
    __lt__ = __le__ = __gt__ = __ge__ = refuse("tensors cannot be compared", UNKNOWN)
