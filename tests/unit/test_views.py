"""The laws of channel maps and channel views."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbc.interp import gather
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelMap, ChannelView, Segment, Value


def permutations(channels: int) -> st.SearchStrategy[ChannelMap]:
    return st.permutations(range(channels)).map(lambda p: ChannelMap(tuple(p)))


pairs_of_maps = st.integers(1, 12).flatmap(lambda n: st.tuples(permutations(n), permutations(n)))
selections = st.lists(st.integers(0, 5), min_size=1, max_size=9)

VALUES = tuple(
    Value(name, TensorType((1, 2, 2, n))) for name, n in zip("abc", (4, 6, 3), strict=True)
)
ARRAYS = {
    value: np.arange(value.type.elements).reshape(value.type.shape) + 1000 * i
    for i, value in enumerate(VALUES)
}
ALL_CHANNELS = [(value, c) for value in VALUES for c in range(value.type.channels)]
sources = st.lists(st.sampled_from(ALL_CHANNELS), min_size=1, max_size=12)
views = sources.map(ChannelView.from_channels)


def read(view: ChannelView) -> np.ndarray:
    """What a view says it reads, channel by channel, by the definition alone."""
    segments = [ARRAYS[s.value][..., s.start + i] for s in view.segments for i in range(s.length)]
    return np.stack([segments[i] for i in view.order.indices], axis=-1)


# maps


@given(pairs_of_maps)
def test_composition_applies_one_after_the_other(maps: tuple[ChannelMap, ChannelMap]) -> None:
    f, g = maps
    assert [f.after(g)[c] for c in range(len(f))] == [f[g[c]] for c in range(len(f))]


@given(pairs_of_maps)
def test_inverse(maps: tuple[ChannelMap, ChannelMap]) -> None:
    f, g = maps
    identity = ChannelMap.identity(len(f))
    assert f.after(f.inverse()) == f.inverse().after(f) == identity
    assert f.after(g).inverse() == g.inverse().after(f.inverse())
    assert identity.is_identity
    assert f.is_permutation


def test_only_permutations_have_an_inverse() -> None:
    for indices in [(0, 0), (1, 2), (0, 2)]:
        assert not ChannelMap(indices).is_permutation
        with pytest.raises(ValueError, match="only a permutation"):
            ChannelMap(indices).inverse()


@given(pairs_of_maps)
def test_per_channel_weights_move_by_the_map(maps: tuple[ChannelMap, ChannelMap]) -> None:
    """Reading x through f with weights w: plain x with w'[f(c)] = w[c], then read through f."""
    f, _ = maps
    x, w = np.arange(len(f)) * 7 + 1, np.arange(len(f)) * 3 + 2
    moved = np.empty_like(w)
    moved[list(f.indices)] = w
    order = list(f.indices)
    np.testing.assert_array_equal(x[order] * w, (x * moved)[order])
    np.testing.assert_array_equal(moved, w[np.argsort(order)])


@given(st.integers(1, 8), st.integers(1, 8))
def test_shuffle_is_the_transpose_of_the_paper(groups: int, each: int) -> None:
    channels = groups * each
    transposed = np.arange(channels).reshape(groups, each).T.ravel()
    shuffle = ChannelMap.shuffle(groups, channels)
    assert list(shuffle.indices) == transposed.tolist()
    assert shuffle.inverse() == ChannelMap.shuffle(each, channels)
    expected = groups if groups > 1 and each > 1 else None
    assert shuffle.shuffle_groups == expected


@given(st.integers(1, 12).flatmap(permutations))
def test_a_map_claims_to_be_a_shuffle_only_if_it_is_one(f: ChannelMap) -> None:
    groups = f.shuffle_groups
    if groups is not None:
        assert f == ChannelMap.shuffle(groups, len(f))


@given(st.integers(1, 12).flatmap(permutations), st.data())
def test_restriction(f: ChannelMap, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(f) - 1))
    length = data.draw(st.integers(1, len(f) - start))
    part = f.restrict(start, length)
    assert [part[c] for c in range(length)] == [f[start + c] for c in range(length)]


@given(selections)
def test_runs_are_maximal_and_add_up(indices: list[int]) -> None:
    runs = ChannelMap(tuple(indices)).runs()
    assert [i for start, length in runs for i in range(start, start + length)] == indices
    for (start, length), (following, _) in pairwise(runs):
        assert following != start + length


def test_maps_print_as_formula_or_runs() -> None:
    assert str(ChannelMap.shuffle(3, 60)) == "c -> (c mod 3)*20 + c floordiv 3"
    assert str(ChannelMap((0, 5, 1, 2))) == "perm 0 5 1:3"


# views


@given(views)
def test_reading_is_by_channel(view: ChannelView) -> None:
    by_definition = np.stack([ARRAYS[value][..., c] for value, c in view.channels], axis=-1)
    np.testing.assert_array_equal(read(view), by_definition)
    np.testing.assert_array_equal(gather(view, ARRAYS), by_definition)
    assert view.type.shape == by_definition.shape


@given(sources)
def test_equal_channels_make_equal_views(channels: list[tuple[Value, int]]) -> None:
    view = ChannelView.from_channels(channels)
    assert list(view.channels) == channels
    assert ChannelView.from_channels(view.channels) == view
    assert hash(ChannelView.from_channels(channels)) == hash(view)


@given(sources)
def test_the_normal_form(channels: list[tuple[Value, int]]) -> None:
    """Values in order of first appearance; segments ascending, apart, and without unread ends."""
    view = ChannelView.from_channels(channels)
    assert list(view.values) == list(dict.fromkeys(value for value, _ in channels))
    read_channels = {(s.value, s.start + i) for s in view.segments for i in range(s.length)}
    assert read_channels == set(channels)
    for one, following in pairwise(view.segments):
        assert one.value is not following.value or one.start + one.length < following.start


@given(views, st.data())
def test_through_is_reading_in_another_order(view: ChannelView, data: st.DataObject) -> None:
    length = len(view.order)
    order = data.draw(st.lists(st.integers(0, length - 1), min_size=1, max_size=length))
    np.testing.assert_array_equal(
        read(view.through(ChannelMap(tuple(order)))), read(view)[..., order]
    )


@given(views, st.data())
def test_through_composes_and_inverts(view: ChannelView, data: st.DataObject) -> None:
    f = data.draw(permutations(len(view.order)))
    g = data.draw(permutations(len(view.order)))
    assert view.through(f).through(g) == view.through(f.after(g))
    assert view.through(f).through(f.inverse()) == view


@given(views, st.data())
def test_slices(view: ChannelView, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(view.order) - 1))
    length = data.draw(st.integers(1, len(view.order) - start))
    part = view.slice(start, length)
    np.testing.assert_array_equal(read(part), read(view)[..., start : start + length])
    assert part == view.through(ChannelMap(tuple(range(start, start + length))))


@given(views, st.data())
def test_slices_join_to_the_whole(view: ChannelView, data: st.DataObject) -> None:
    length = len(view.order)
    cut = data.draw(st.integers(0, length))
    parts = [view.slice(*part) for part in ((0, cut), (cut, length - cut)) if part[1]]
    assert ChannelView.concat(parts) == view


@given(st.lists(views, min_size=1, max_size=3))
def test_concat_is_numpys(parts: list[ChannelView]) -> None:
    joined = np.concatenate([read(part) for part in parts], axis=-1)
    np.testing.assert_array_equal(read(ChannelView.concat(parts)), joined)


@given(views, st.permutations(range(4)))
def test_substitution_reads_the_replacement(view: ChannelView, order: list[int]) -> None:
    a, b, _ = VALUES
    replacement = ChannelView.of(b).slice(1, 4).through(ChannelMap(tuple(order)))
    substituted = view.substitute({a: replacement})
    shown = ARRAYS | {a: read(replacement)}
    expected = np.stack([shown[value][..., c] for value, c in view.channels], axis=-1)
    np.testing.assert_array_equal(read(substituted), expected)
    assert a not in substituted.values


def test_substitution_of_what_is_not_read_changes_nothing() -> None:
    a, b, c = VALUES
    view = ChannelView.of(a)
    assert view.substitute({b: ChannelView.of(c)}) is view


def test_kinds_of_views() -> None:
    a, b, _ = VALUES
    whole = ChannelView.of(a)
    assert (whole.is_plain, whole.is_single, whole.value) == (True, True, a)
    turned = whole.through(ChannelMap((3, 2, 1, 0)))
    assert (turned.is_plain, turned.is_single, turned.value) == (False, True, a)
    for view in (
        whole.slice(0, 3),
        whole.through(ChannelMap((0, 1, 2, 3, 3))),
        ChannelView.concat([whole, ChannelView.of(b)]),
    ):
        assert not view.is_plain
        assert not view.is_single
        with pytest.raises(ValueError, match="does not read one whole value"):
            _ = view.value


def test_split_then_concat_is_plain() -> None:
    a, _, _ = VALUES
    view = ChannelView.of(a)
    assert ChannelView.concat([view.slice(0, 1), view.slice(1, 3)]) == view
    assert view.segments == (Segment(a, 0, 4),)
