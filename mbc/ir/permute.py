"""How channel orders pass through ops: what becomes of the constants beside a view.

"x through f" has as channel c the channel f(c) of x. A node may keep its result in another order,
F: what was channel c of the result is then channel F(c) of it, so readers read it through F.

Laws (tested bit for bit), each with the `Reindex` that makes the new constant of the old:
  push     what treats channels alone reads x for x through f, gives its result in order F = f, and
           has per-channel constants w'[f(c)] = w[c]
  store    a layer gives its result in order F: w'[…, F(c)] = w[…, c]; for reading it plain where it
           was read through q, F = q^-1, that is w'[…, c] = w[…, q(c)]
  absorb   a sum over channels reads x for x through f with w'[f(c), o] = w[c, o]
  groups   a convolution of g groups does both within each group, and may move whole groups: with
           F sending group a to group p(a), group p(a) reads what group a read.
           One group is the dense case, groups of one channel are the depthwise one.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

import numpy as np

from mbc.ir.views import ChannelMap, ChannelView, Value
from mbc.records import dataclass


@dataclass(frozen=True)
class Reindex:
    """A constant from another one: element (…, i, c) is element (…, rows[group of c](i),
    columns(c)) of it. Without `rows`, as for vectors, only the last axis changes."""

    columns: ChannelMap
    rows: tuple[ChannelMap, ...] = ()

    @property
    def is_identity(self) -> bool:
        """Whether nothing changes."""
        return self.columns.is_identity and all(rows.is_identity for rows in self.rows)

    def __call__(self, array: np.ndarray) -> np.ndarray:
        """Return the new constant's elements."""
        taken: np.ndarray = np.take(array, self.columns.indices, axis=-1)
        if not self.rows:
            return taken
        groups = np.split(taken, len(self.rows), axis=-1)
        parts = [np.take(g, r.indices, axis=-2) for g, r in zip(groups, self.rows, strict=True)]
        return np.concatenate(parts, axis=-1)


def into_order(order: ChannelMap, rows: tuple[ChannelMap, ...] = ()) -> Reindex:
    """Move a constant along the channels of a result that is kept in an order: w'[F(c)] = w[c];
    `rows` are those of its groups, if it runs along input channels as well."""
    return Reindex(order.inverse(), rows)


def on_blocks(order: ChannelMap, size: int) -> ChannelMap:
    """Return the map that moves blocks of `size` channels as another moves single ones."""
    return ChannelMap(tuple(block * size + i for block in order.indices for i in range(size)))


def on_groups(order: ChannelMap, groups: int) -> ChannelMap | None:
    """Which group goes to which, if the order of all channels keeps groups together."""
    size = len(order) // groups
    found = []
    for start in range(0, len(order), size):
        (group, *others) = {index // size for index in order.indices[start : start + size]}
        if others:
            return None
        found.append(group)
    groups_order = ChannelMap(tuple(found))
    return groups_order if groups_order.is_permutation else None


def absorbed(view: ChannelView, groups: int) -> tuple[ChannelView, tuple[ChannelMap, ...]]:
    """Sort what each group reads as it lies in storage. Returns the view, and for each group the
    rows of the weight that make up for it: row i of the new weight is row rows(i) of the old."""
    size = len(view.order) // groups
    rows, order = [], []
    for start in range(0, len(view.order), size):
        places = view.order.restrict(start, size).indices
        by_place = sorted(range(size), key=places.__getitem__)
        rows.append(ChannelMap(tuple(by_place)))
        order += [start + row for row in by_place]
    return view.through(ChannelMap(tuple(order))), tuple(rows)


def orders_for_plain(view: ChannelView) -> dict[Value, ChannelMap]:
    """Find the orders F in which the values of a view must be kept so that it reads them whole, one
    after the other, as they are stored. Only values that are in the wrong order are listed; there
    are none if no such orders exist."""
    orders: dict[Value, ChannelMap] = {}
    blocks = [
        (value, [c for _, c in block]) for value, block in groupby(view.channels, itemgetter(0))
    ]
    for value, channels in blocks:
        order = ChannelMap(tuple(channels))
        whole = order.is_permutation and len(order) == value.type.channels
        if not whole or len(blocks) != len(view.values):
            return {}
        if not order.is_identity:
            orders[value] = order.inverse()
    return orders
