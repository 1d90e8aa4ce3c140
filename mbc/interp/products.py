"""What the numpy functions of all convolutions share: products of groups, and the epilogue."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from mbc.ir.activations import Activation

Array: TypeAlias = np.ndarray


def activate(x: Array, act: Activation | None) -> Array:
    """Apply the activation of an epilogue, if there is one."""
    return x if act is None else act.reference(x)


def grouped_product(x: Array, weight: Array, groups: int) -> Array:
    """Multiply […,g*i] by [i,g*o] to […,g*o]: each group of inputs by its own group of filters."""
    product: Array
    if weight.shape[0] == 1:  # depthwise, with any multiplier: no sum, so no matrix product
        times = weight.shape[1] // groups
        product = (x if times == 1 else np.repeat(x, times, axis=-1)) * weight[0]
    elif groups == 1:
        product = x.reshape(-1, x.shape[-1]) @ weight
    else:
        rows = x.reshape(-1, groups, weight.shape[0]).transpose(1, 0, 2)
        filters = weight.reshape(weight.shape[0], groups, -1).transpose(1, 0, 2)
        product = (rows @ filters).transpose(1, 0, 2)
    return product.reshape(*x.shape[:-1], weight.shape[1])
