"""A view applied to the data equals the view absorbed in the weights, bit for bit on integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mbc.interp import gather
from mbc.interp.kernels import KERNELS
from mbc.ir.activations import RELU, RELU6
from mbc.ir.graph import Constant, Node, Operand
from mbc.ir.op import Op
from mbc.ir.permute import Reindex, absorbed, into_order, on_blocks, on_groups, orders_for_plain
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelMap, ChannelView, Value
from mbc.ops.elementwise import Activate, Add, Arithmetic, BatchNorm, Mul
from mbc.ops.grid import ConcatAlong, DepthToSpace, Pad, Slice, SpaceToDepth
from mbc.ops.linear import Conv2d, Dense
from mbc.ops.move import Reshape, Transpose
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool
from mbc.passes.rewrite import candidate
from mbc.passes.views.reorder import rewrites
from tests.activations import ACTS

OTHER_MOVES = (
    Transpose((0, 3, 1, 2)),
    Reshape((1, 128)),
    Slice(3, 1, 7, 2),
    Pad((0, 0, 0, 1), (0, 0, 0, 0)),
    Pad((0, 0, 0, 0), (0, 0, 0, 2)),
    DepthToSpace(2),
    SpaceToDepth(2),
    ConcatAlong(3),
)
VALUES = tuple(
    Value(name, TensorType((1, 4, 4, n))) for name, n in zip("abc", (4, 6, 8), strict=True)
)
ARRAYS = {
    value: np.random.default_rng(i).integers(-4, 5, value.type.shape).astype("f4")
    for i, value in enumerate(VALUES)
}
ALL_CHANNELS = [(value, c) for value in VALUES for c in range(value.type.channels)]


def permutations(channels: int) -> st.SearchStrategy[ChannelMap]:
    return st.permutations(range(channels)).map(lambda p: ChannelMap(tuple(p)))


@st.composite
def views(draw: st.DrawFn, channels: int) -> ChannelView:
    """Whole values in any order, parts, joins, and channels read twice."""
    whole = [value for value in VALUES if value.type.channels == channels]
    kind = draw(st.sampled_from(["any", "distinct", "plain", "order"]))
    if whole and kind in ("plain", "order"):
        order = (
            permutations(channels) if kind == "order" else st.just(ChannelMap.identity(channels))
        )
        return ChannelView.of(whole[0]).through(draw(order))
    chosen = st.lists(
        st.sampled_from(ALL_CHANNELS),
        unique=kind != "any",
        min_size=channels,
        max_size=channels,
    )
    return ChannelView.from_channels(draw(chosen))


def constant(draw: st.DrawFn, *shape: int) -> Constant:
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return Constant.of("c", rng.integers(-3, 4, shape))


@st.composite
def layers(draw: st.DrawFn) -> Node:
    """A convolution, of any groups, with or without bias and residual; or a dense layer."""
    channels = draw(st.sampled_from([4, 6, 8, 12]))
    groups = draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
    outputs = groups * draw(st.sampled_from([n for n in (1, 2, 3, 4) if n * groups <= 16]))
    kernel = draw(st.sampled_from([1, 3]))
    weight = constant(draw, kernel, kernel, channels // groups, outputs)
    bias = constant(draw, outputs) if draw(st.booleans()) else None
    residual = draw(views(outputs)) if draw(st.booleans()) else None
    op = Conv2d(pad=(kernel // 2,) * 4, groups=groups, act=draw(st.sampled_from(ACTS)))
    return candidate(op, [draw(views(channels)), weight, bias, residual])


@st.composite
def others(draw: st.DrawFn) -> Node:
    """An op of which each channel depends on the same channels of its operands alone."""
    channels = draw(st.sampled_from([4, 6, 8]))
    pools: list[Op] = [MaxPool((3, 3), (1, 1)), AvgPool(act=RELU), GlobalAvgPool()]
    plain: list[Op] = [
        Activate(RELU),
        Activate(RELU6),
        Reshape((4, 4, channels)),
        Transpose((2, 1, 0, 3)),
        Slice(1, 1, 4, 2),
        Pad((0, 1, 0, 0), (1, 0, 2, 0), 3.0),
        ConcatAlong(2),
    ]
    op = draw(st.sampled_from([*pools, *plain, Add(RELU6), Mul(), BatchNorm(0.0)]))
    operands: list[Operand | None] = [draw(views(channels))]
    if isinstance(op, Arithmetic):
        constants = [constant(draw, channels), constant(draw, 1), constant(draw, 1, 4, 4, 1)]
        others: list[Operand] = [draw(views(channels)), draw(views(1)), *constants]
        operands = draw(st.permutations([*operands, draw(st.sampled_from(others))]))
    if isinstance(op, ConcatAlong):
        operands.append(draw(views(channels)))
    if isinstance(op, BatchNorm):
        operands += [constant(draw, channels) for _ in range(3)]
        operands.append(Constant.of("variance", draw(st.sampled_from([1, 4])) * np.ones(channels)))
    return candidate(op, operands)


def value_of(node: Node, constants: dict[str, Reindex]) -> np.ndarray:
    """What a node computes, with new constants for some of its old ones."""
    arrays: list[np.ndarray | None] = []
    for role, operand in node.items():
        match operand:
            case ChannelView():
                arrays.append(gather(operand, ARRAYS))
            case Constant():
                new = constants.get(role)
                arrays.append(operand.array if new is None else new(operand.array))
            case None:
                arrays.append(None)
    (result,) = KERNELS[type(node.op)](node.op, *arrays)
    return np.asarray(result)


def check_ways(node: Node, order: ChannelMap | None = None) -> int:
    """Whatever a node is told to do, its result read through its order is what it was."""
    old = value_of(node, {})
    found = list(rewrites(node, node.operands, order))
    for rewrite in found:
        new = candidate(node.op, rewrite.operands)
        assert order is None or rewrite.order == order
        result = value_of(new, rewrite.constants)
        np.testing.assert_array_equal(result[..., list(rewrite.order.indices)], old)
    return len(found)


@given(layers() | others())
def test_every_way_of_reading_computes_the_same(node: Node) -> None:
    assert check_ways(node)


@given(layers() | others(), st.data())
def test_results_in_a_prescribed_order(node: Node, data: st.DataObject) -> None:
    """Ungrouped layers and ops on channels alone can have any; groups must stay together."""
    order = data.draw(permutations(node.result.type.channels))
    groups = node.op.groups if isinstance(node.op, Conv2d) else 1
    assert bool(check_ways(node, order)) == (on_groups(order, groups) is not None)


@given(st.sampled_from(OTHER_MOVES), views(8))
def test_what_moves_channels_to_another_axis_keeps_their_order(op: Op, view: ChannelView) -> None:
    node = candidate(op, [view])
    channels = node.result.type.channels
    assert check_ways(node) == check_ways(node, ChannelMap.identity(channels)) == 1
    assert check_ways(node, ChannelMap(tuple(reversed(range(channels))))) == 0


@given(st.sampled_from([2, 3, 4]), st.sampled_from([1, 2, 3]), st.data())
def test_a_prescribed_order_that_keeps_groups(groups: int, size: int, data: st.DataObject) -> None:
    moved = on_blocks(data.draw(permutations(groups)), size)
    within = [data.draw(permutations(size)) for _ in range(groups)]
    inner = ChannelMap(tuple(g * size + i for g, each in enumerate(within) for i in each.indices))
    order = moved.after(inner)
    x = ChannelView.of(VALUES[2]).slice(0, 2 * groups)
    weight = Constant.of("w", np.arange(2 * groups * size).reshape(1, 1, 2, -1))
    assert on_groups(order, groups) == on_groups(moved, groups)
    assert check_ways(candidate(Conv2d(groups=groups), [x, weight]), order)


@given(views(8))
def test_a_dense_layer_reads_storage_in_order(view: ChannelView) -> None:
    assume(view.order.is_permutation)
    rank2 = {value: Value(value.name, TensorType((1, value.type.channels))) for value in VALUES}
    x = ChannelView.from_channels([(rank2[value], c) for value, c in view.channels])
    weight = Constant.of("w", np.arange(24).reshape(8, 3))
    (rewrite,) = rewrites(candidate(Dense(), [x, weight]), (x, weight))
    assert rewrite.views[0].order.is_identity
    flat = {rank2[value]: array[:, 0, 0] for value, array in ARRAYS.items()}
    moved = rewrite.constants["weight"](weight.array)
    np.testing.assert_array_equal(
        gather(rewrite.views[0], flat) @ moved, gather(x, flat) @ weight.array
    )


# the pieces


@given(st.integers(1, 12).flatmap(permutations))
def test_constants_move_into_order(order: ChannelMap) -> None:
    """w'[F(c)] = w[c], on the last axis of anything."""
    w = np.arange(2 * len(order)).reshape(2, -1)
    moved = into_order(order)(w)
    for c in range(len(order)):
        np.testing.assert_array_equal(moved[:, order[c]], w[:, c])
    assert into_order(order).is_identity == order.is_identity


def test_rows_and_columns_of_a_grouped_weight() -> None:
    """Two groups of 3 rows and 2 columns; rows are those of the group where a column lands."""
    w = np.arange(12).reshape(3, 4)
    reindex = Reindex(ChannelMap((2, 3, 1, 0)), (ChannelMap((0, 2, 1)), ChannelMap((2, 0, 1))))
    expected = [[2, 3, 9, 8], [10, 11, 1, 0], [6, 7, 5, 4]]
    np.testing.assert_array_equal(reindex(w), expected)
    assert not reindex.is_identity
    identity = ChannelMap.identity(3)
    assert not Reindex(ChannelMap.identity(4), (identity, ChannelMap((1, 0, 2)))).is_identity
    assert Reindex(ChannelMap.identity(4), (identity, identity)).is_identity


@given(st.integers(1, 4).flatmap(permutations), st.integers(1, 3))
def test_blocks_and_groups_are_inverse(order: ChannelMap, size: int) -> None:
    moved = on_blocks(order, size)
    for c in range(len(moved)):
        assert moved[c] == order[c // size] * size + c % size
    assert on_groups(moved, len(order)) == order


@pytest.mark.parametrize(
    ("indices", "groups", "expected"),
    [
        ((0, 2, 1, 3), 2, None),  # a shuffle tears groups apart
        ((3, 2, 0, 1), 2, (1, 0)),
        ((0, 1, 1, 0), 2, None),  # both groups from one
        ((2, 0, 3, 1), 4, (2, 0, 3, 1)),
        ((2, 0, 3, 1), 1, (0,)),
    ],
)
def test_groups_that_stay_together(
    indices: tuple[int, ...], groups: int, expected: tuple[int, ...] | None
) -> None:
    found = on_groups(ChannelMap(indices), groups)
    assert (found and found.indices) == expected


@given(views(12), st.sampled_from([1, 2, 3, 4, 6, 12]))
def test_absorbing_sorts_within_each_group(view: ChannelView, groups: int) -> None:
    size = len(view.order) // groups
    read, rows = absorbed(view, groups)
    storage = ChannelView(view.segments, ChannelMap.identity(len(set(view.order.indices)))).channels
    for group in range(groups):
        before = view.channels[group * size : (group + 1) * size]
        after = read.channels[group * size : (group + 1) * size]
        assert list(after) == [before[row] for row in rows[group].indices]
        assert list(after) == sorted(before, key=storage.index)


@given(st.permutations(VALUES), st.data())
def test_orders_that_make_a_view_plain(values: list[Value], data: st.DataObject) -> None:
    """Kept so, the values are read one after the other as they are stored."""
    parts = [
        ChannelView.of(value).through(data.draw(permutations(value.type.channels)))
        for value in values
    ]
    view = ChannelView.concat(parts)
    orders = orders_for_plain(view)
    kept = {value: ChannelView.of(value).through(order) for value, order in orders.items()}
    assert view.substitute(kept).is_concatenation
    assert {v for v, part in zip(values, parts, strict=True) if not part.is_plain} == set(orders)


def test_no_orders_make_these_plain() -> None:
    a, b, _ = map(ChannelView.of, VALUES)
    turned = a.through(ChannelMap((3, 2, 1, 0)))
    assert orders_for_plain(turned)
    assert not orders_for_plain(a)
    assert not orders_for_plain(turned.slice(0, 3))
    assert not orders_for_plain(ChannelView.concat([turned, turned]))
    assert not orders_for_plain(ChannelView.concat([a.slice(0, 2), b, a.slice(2, 2)]))
