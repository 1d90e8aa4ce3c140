"""Pack weights into the order in which kernels read them."""

from __future__ import annotations

import numpy as np

from mbc.backends.tvm.gpu.schedule import Product, ceildiv
from mbc.schedules import ThreadTile


def packed_weight(weight: np.ndarray, product: Product, tile: ThreadTile) -> np.ndarray:
    """Pack W [depth, groups*columns] to [groups, depth, columns], zero-padded to whole tiles."""
    depth = tile.steps(product.depth) * tile.slices * tile.depth
    columns = ceildiv(product.columns, tile.block_columns) * tile.block_columns
    packed = np.zeros((product.groups, depth, columns), np.float32)
    each = weight.reshape(product.depth, product.groups, product.columns)
    packed[:, : product.depth, : product.columns] = each.transpose(1, 0, 2)
    return packed


def packed_bias(bias: np.ndarray, product: Product, tile: ThreadTile) -> np.ndarray:
    """Pack a bias [groups*columns] to [groups, columns], zero-padded to whole tiles."""
    columns = ceildiv(product.columns, tile.block_columns) * tile.block_columns
    packed = np.zeros((product.groups, columns), np.float32)
    packed[:, : product.columns] = bias.reshape(product.groups, product.columns)
    return packed
