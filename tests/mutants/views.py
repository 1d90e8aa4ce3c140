"""Seeded mistakes in the algebra of channel views: maps, views, and what becomes of constants."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

_views = partial(Mutant, file="mbc/ir/views.py", tests="tests/unit/test_views.py")
_permute = partial(Mutant, file="mbc/ir/permute.py", tests="tests/unit/test_permute.py")
_orders = partial(Mutant, file="passes/views/reorder.py", tests="tests/unit/test_permute.py")

MUTANTS = (
    # maps
    _views(
        "a shuffle is the one with as many groups as it has channels in each",
        old="(c % groups) * each + c // groups for",
        new="(c % each) * groups + c // each for",
    ),
    _views(
        "maps are composed the other way round",
        old="self.indices[i] for i in inner.indices",
        new="inner.indices[i] for i in self.indices",
    ),
    _views(
        "the inverse of a map is the map itself",
        old="result[index] = channel",
        new="result[channel] = index",
    ),
    _views(
        "any map has an inverse",
        old="        if not self.is_permutation:\n            raise",
        new="        if False:\n            raise",
    ),
    _views(
        "a map is restricted to what comes before an index",
        old="self.indices[start : start + length]",
        new="self.indices[start:length]",
    ),
    _views(
        "runs descend",
        old="pair[1] - pair[0])",
        new="pair[1] + pair[0])",
    ),
    _views(
        "what begins like a shuffle is one",
        old="groups if self == ChannelMap.shuffle(groups, channels) else None",
        new="groups",
    ),
    # views
    _views(
        "segments are not sorted",
        old="_runs(sorted({c for v, c in channels if v is value}))",
        new="_runs(dict.fromkeys(c for v, c in channels if v is value))",
    ),
    _views(
        "segments hold the channels that other values have",
        old="for v, c in channels if v is value})",
        new="for v, c in channels})",
    ),
    _views(
        "views are joined in the other order",
        old="for view in views for source in view.channels]",
        new="for view in [*views][::-1] for source in view.channels]",
    ),
    _views(
        "channels are in the order of segments",
        old="tuple(sources[i] for i in self.order.indices)",
        new="tuple(sources)",
    ),
    _views(
        "a segment's offset is lost",
        old="range(segment.start, segment.start + segment.length)",
        new="range(segment.length)",
    ),
    _views(
        "a view of one value in another order is plain",
        old="return self.is_single and self.order.is_identity",
        new="return self.is_single",
    ),
    _views(
        "a view that reads a channel twice reads one whole value",
        old="self.segments[0].is_whole and self.order.is_permutation",
        new="self.segments[0].is_whole",
    ),
    _views(
        "a part that begins where its value does is whole",
        old="self.start == 0 and self.length == self.value.type.channels",
        new="self.start == 0",
    ),
    _views(
        "a view is read through the inverse",
        old="[self.channels[i] for i in order.indices]",
        new="[self.channels[order.indices.index(i)] for i in range(len(order))]",
    ),
    _views(
        "a slice begins with the view",
        old="self.channels[start : start + length])",
        new="self.channels[:length])",
    ),
    _views(
        "the order of a replacement is lost",
        old="replacements[value].channels[c] if",
        new="sorted(replacements[value].channels, key=lambda s: s[1])[c] if",
    ),
    # constants
    _permute(
        "w[f] for w[argsort(f)]",
        old="return Reindex(order.inverse(), rows)",
        new="return Reindex(order, rows)",
    ),
    _permute(
        "rows are permuted in groups of the old columns",
        old="np.split(taken, len(self.rows), axis=-1)",
        new="np.split(array, len(self.rows), axis=-1)",
    ),
    _permute(
        "all groups have the rows of the first",
        old="np.take(g, r.indices, axis=-2)",
        new="np.take(g, self.rows[0].indices, axis=-2)",
    ),
    _permute(
        "nothing changes where columns do not",
        old="self.columns.is_identity and all(rows.is_identity for rows in self.rows)",
        new="self.columns.is_identity",
    ),
    _permute(
        "blocks are interleaved",
        old="block * size + i for block",
        new="block + i * len(order) for block",
    ),
    _permute(
        "two groups may move to one place",
        old="return groups_order if groups_order.is_permutation else None",
        new="return groups_order",
    ),
    _permute(
        "rows of a weight move by the inverse",
        old="rows.append(ChannelMap(tuple(by_place)))",
        new="rows.append(ChannelMap(tuple(by_place)).inverse())",
    ),
    _permute(
        "all groups read the channels of the first",
        old="order += [start + row for row in by_place]",
        new="order += by_place",
    ),
    _permute(
        "values are kept in the order in which they are read, not in its inverse",
        old="orders[value] = order.inverse()",
        new="orders[value] = order",
    ),
    _permute(
        "a value that is read in two pieces can be stored as one",
        old="if not whole or len(blocks) != len(view.values):",
        new="if not whole and len(blocks) == len(view.values):",
    ),
    # what a node does to read another view
    _orders(
        "a pool's operand is permuted instead of unpermuted",
        old="new[i] = operand.through(back)",
        new="new[i] = operand.through(order)",
    ),
    _orders(
        "a transpose that moves the channels lets an order through",
        old="return perm[-1] == len(perm) - 1",
        new="return True",
    ),
    _orders(
        "groups are moved, but what they read goes the wrong way",
        old="on_blocks(moved.inverse(), len(x.order) // groups)",
        new="on_blocks(moved, len(x.order) // groups)",
    ),
    _orders(
        "groups are moved, but not what they read",
        old="shifted = x.through(on_blocks(moved.inverse(), len(x.order) // groups))",
        new="shifted = x",
    ),
    _orders(
        "a bias stays where it was",
        old='if isinstance(operand, Constant) and "out" in spec.axes:',
        new='if isinstance(operand, Constant) and spec.axes == ("in", "out"):',
    ),
    _orders(
        "a residual stays where it was",
        old='elif isinstance(operand, ChannelView) and "out" in spec.axes:',
        new="elif False:",
    ),
    _orders(
        "the columns of a constant move by the inverse",
        old="into_order(order, rows if",
        new="into_order(back, rows if",
    ),
    _orders(
        "a weight keeps its rows",
        old='rows if "in" in spec.axes else ()',
        new="()",
    ),
)
