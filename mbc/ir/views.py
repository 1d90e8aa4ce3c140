"""Channel maps and channel views: how an operand reads the channels of values.

A `ChannelMap` f of length n: channel c as read is channel f(c) as stored.
A `ChannelView` reads through a map from the concatenation of channel segments of one or more
values. The view has one normal form, so equal views compare equal.

Laws (tested): (f . g)(c) = f(g(c)); f . f^-1 = id; reading x through f with per-channel weights w
equals reading x plain with w'[f(c)] = w[c] and then reading the result through f.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import cached_property, lru_cache
from itertools import groupby

from mbc.ir.names import value_symbol
from mbc.ir.types import TensorType
from mbc.records import dataclass


@dataclass(frozen=True)
class Place:
    """The place of a value in the arena."""

    offset: int
    """Byte offset."""
    pitch: int | None = None
    """Elements from pixel to pixel if the value shares its pixels with others; None: as the backend
    pads it."""

    def __str__(self) -> str:
        return f"at {self.offset}" + (f" pitch {self.pitch}" if self.pitch else "")


@dataclass(eq=False)
class Value:
    """A tensor in a graph; compared by identity.

    Its name never changes. Its origins are names of values of the network as written: those that
    its producer computes or makes unnecessary."""

    name: str
    """Unique among the values of the graph."""
    type: TensorType
    place: Place | None = field(default=None)
    """Place in the arena; None if memory is not planned or the value lies elsewhere."""
    absorbed: tuple[str, ...] = ()
    """The origins other than its own name."""
    is_added: bool = False
    """Whether a pass added it, so that its own name is not an origin."""

    @property
    def offset(self) -> int | None:
        """Byte offset in the arena; None if the value does not lie there."""
        return None if self.place is None else self.place.offset

    @property
    def origins(self) -> tuple[str, ...]:
        """The names of its origins: its own first, unless a pass added it."""
        return self.absorbed if self.is_added else (self.name, *self.absorbed)

    def account_for(self, origins: Iterable[str], *, earlier: bool = False) -> None:
        """Append origins that come later in the network as written, or prepend earlier ones."""
        both = (*origins, *self.absorbed) if earlier else (*self.absorbed, *origins)
        new = dict.fromkeys(both)
        self.absorbed = tuple(name for name in new if self.is_added or name != self.name)

    def stand_for(self, other: Value) -> None:
        """Replace the origins by those of another value, which may have another name."""
        renamed = self.name != other.name
        self.is_added = other.is_added or renamed
        self.absorbed = other.origins if renamed else other.absorbed

    def __str__(self) -> str:
        return value_symbol(self.name)

    def __repr__(self) -> str:
        return f"{self}: {self.type}"


@dataclass(frozen=True)
class ChannelMap:
    """f(c) = indices[c]: usually a permutation, a selection when restricted."""

    indices: tuple[int, ...]
    """f(0) … f(n-1)."""

    @staticmethod
    @lru_cache(maxsize=1024)
    def identity(channels: int) -> ChannelMap:
        """Return f(c) = c: one object for all views of so many channels, which keeps what is asked
        of it."""
        return ChannelMap(tuple(range(channels)))

    @staticmethod
    def shuffle(groups: int, channels: int) -> ChannelMap:
        """Return ShuffleNet's shuffle: f(c) = (c mod g)*(C/g) + c floordiv g (1707.01083 §3.1)."""
        each = channels // groups
        return ChannelMap(tuple((c % groups) * each + c // groups for c in range(channels)))

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, channel: int) -> int:
        return self.indices[channel]

    @cached_property
    def is_identity(self) -> bool:
        """Whether f(c) = c for all c."""
        return self.indices == tuple(range(len(self.indices)))

    @cached_property
    def is_permutation(self) -> bool:
        """Whether f is a bijection on 0 … n-1."""
        return self.is_identity or sorted(self.indices) == list(range(len(self)))

    def after(self, inner: ChannelMap) -> ChannelMap:
        """Return the composition c -> f(inner(c))."""
        return ChannelMap(tuple(self.indices[i] for i in inner.indices))

    def inverse(self) -> ChannelMap:
        """Return f^-1; ValueError unless f is a permutation."""
        if not self.is_permutation:
            raise ValueError("only a permutation has an inverse")
        result = [0] * len(self)
        for channel, index in enumerate(self.indices):
            result[index] = channel
        return ChannelMap(tuple(result))

    def restrict(self, start: int, length: int) -> ChannelMap:
        """Return the map of channels start … start+length-1."""
        return ChannelMap(self.indices[start : start + length])

    def runs(self) -> tuple[tuple[int, int], ...]:
        """Return maximal runs (first index, length) of consecutive indices, in reading order."""
        return tuple(_runs(self.indices))

    @cached_property
    def shuffle_groups(self) -> int | None:
        """g if f is the channel shuffle of g groups (1 < g < n), else None."""
        channels = len(self)
        if channels < 4 or self.indices[0] != 0 or self.is_identity:
            return None
        each = self.indices[1]
        if each <= 1 or channels % each:
            return None
        groups = channels // each
        return groups if self == ChannelMap.shuffle(groups, channels) else None

    def __str__(self) -> str:
        groups = self.shuffle_groups
        if groups:
            return f"c -> (c mod {groups})*{len(self) // groups} + c floordiv {groups}"
        return "perm " + " ".join(_run_text(*run) for run in self.runs())


def _runs(indices: Iterable[int]) -> Iterator[tuple[int, int]]:
    for _, run in groupby(enumerate(indices), key=lambda pair: pair[1] - pair[0]):
        members = [index for _, index in run]
        yield members[0], len(members)


def _run_text(start: int, length: int) -> str:
    return str(start) if length == 1 else f"{start}:{start + length}"


@dataclass(frozen=True)
class Segment:
    """Channels start … start+length-1 of a value."""

    value: Value
    start: int
    """First channel."""
    length: int
    """Number of channels."""

    @property
    def is_whole(self) -> bool:
        """Whether the segment covers all channels of its value."""
        return self.start == 0 and self.length == self.value.type.channels


ChannelOf = tuple[Value, int]
"""A value and one of its channels."""


@dataclass(frozen=True)
class ChannelView:
    """An operand: channel c is channel order(c) of the concatenated segments. `of`,
    `from_channels` and the methods build views in normal form."""

    segments: tuple[Segment, ...]
    """Maximal segments: by value in order of first appearance, ascending within a value."""
    order: ChannelMap
    """From channels as read to channels of the concatenated segments."""

    @staticmethod
    def of(value: Value) -> ChannelView:
        """Return the plain view of a whole value."""
        channels = value.type.channels
        return ChannelView((Segment(value, 0, channels),), ChannelMap.identity(channels))

    @staticmethod
    def from_channels(channels: Sequence[ChannelOf]) -> ChannelView:
        """Return the view that reads exactly these channels, in normal form."""
        values = list(dict.fromkeys(value for value, _ in channels))
        segments = tuple(
            Segment(value, start, length)
            for value in values
            for start, length in _runs(sorted({c for v, c in channels if v is value}))
        )
        position = {source: i for i, source in enumerate(_sources(segments))}
        return ChannelView(segments, ChannelMap(tuple(position[source] for source in channels)))

    @staticmethod
    def concat(views: Iterable[ChannelView]) -> ChannelView:
        """Return the concatenation of views."""
        return ChannelView.from_channels([source for view in views for source in view.channels])

    @cached_property
    def channels(self) -> tuple[ChannelOf, ...]:
        """The source value and channel of each channel read."""
        sources = list(_sources(self.segments))
        return tuple(sources[i] for i in self.order.indices)

    @cached_property
    def values(self) -> tuple[Value, ...]:
        """The values read, each once."""
        return tuple(dict.fromkeys(segment.value for segment in self.segments))

    @property
    def type(self) -> TensorType:
        """Type of what is read."""
        return self.segments[0].value.type.with_channels(len(self.order))

    @cached_property
    def is_plain(self) -> bool:
        """Whether the view reads one whole value as it is stored."""
        return self.is_single and self.order.is_identity

    @cached_property
    def is_single(self) -> bool:
        """Whether the view reads all channels of one value, in any order."""
        return len(self.segments) == 1 and self.segments[0].is_whole and self.order.is_permutation

    @property
    def is_concatenation(self) -> bool:
        """Whether the view reads whole values one after the other, each as it is stored."""
        return self.order.is_identity and all(segment.is_whole for segment in self.segments)

    @property
    def value(self) -> Value:
        """The value of a view that `is_single`; ValueError for other views."""
        if not self.is_single:
            raise ValueError("the view does not read one whole value")
        return self.segments[0].value

    def through(self, order: ChannelMap) -> ChannelView:
        """Read this view through a map: channel c is channel order(c) of this view."""
        return ChannelView.from_channels([self.channels[i] for i in order.indices])

    def slice(self, start: int, length: int) -> ChannelView:
        """Return channels start … start+length-1 of this view."""
        return ChannelView.from_channels(self.channels[start : start + length])

    def substitute(self, replacements: Mapping[Value, ChannelView]) -> ChannelView:
        """Replace values by views of the same channel count."""
        if not any(segment.value in replacements for segment in self.segments):
            return self
        if self.is_plain:
            return replacements[self.value]
        return ChannelView.from_channels(
            [
                replacements[value].channels[c] if value in replacements else (value, c)
                for value, c in self.channels
            ]
        )


def _sources(segments: Iterable[Segment]) -> Iterator[ChannelOf]:
    for segment in segments:
        for channel in range(segment.start, segment.start + segment.length):
            yield segment.value, channel
