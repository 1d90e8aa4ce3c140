"""Channel maps and channel views: how an operand reads the channels of values.

A `ChannelMap` f of length n says that channel c of what is read is channel f(c) of what is stored.
A `ChannelView` reads through a map from the concatenation of channel segments of one or more
values. The view has one normal form, so equal views compare equal.

Laws (tested): (f . g)(c) = f(g(c)); f . f^-1 = id; reading x through f with per-channel weights w
equals reading x plain with w'[f(c)] = w[c] and then reading the result through f.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby

from mbc.ir.names import value_symbol
from mbc.ir.types import TensorType


@dataclass(frozen=True)
class Place:
    """Where a value lies in the arena: byte offset, and elements from pixel to pixel where it
    shares its pixels with other values (None: as the backend pads it)."""

    offset: int
    pitch: int | None = None

    def __str__(self) -> str:
        return f"at {self.offset}" + (f" pitch {self.pitch}" if self.pitch else "")


@dataclass(eq=False)
class Value:
    """A tensor in a graph; compared by identity.

    Its name stays as long as it exists. Its origins are the values of the network as written, by
    their names, that it accounts for: what computes it computes them or makes them needless."""

    name: str
    """Unique among the values of the graph."""
    type: TensorType
    place: Place | None = field(default=None)
    absorbed: tuple[str, ...] = ()
    """The origins besides the value itself."""
    is_added: bool = False
    """Whether a pass made it, so that its own name is no origin."""

    @property
    def offset(self) -> int | None:
        """Byte offset in the arena, None for what does not lie there."""
        return None if self.place is None else self.place.offset

    @property
    def origins(self) -> tuple[str, ...]:
        """The names of what it accounts for, its own first unless a pass added it."""
        return self.absorbed if self.is_added else (self.name, *self.absorbed)

    def account_for(self, origins: Iterable[str], *, earlier: bool = False) -> None:
        """Add to the origins what comes later in the network as written, or earlier."""
        both = (*origins, *self.absorbed) if earlier else (*self.absorbed, *origins)
        new = dict.fromkeys(both)
        self.absorbed = tuple(name for name in new if self.is_added or name != self.name)

    def stand_for(self, other: Value) -> None:
        """Take the origins of another value in place of these, under whatever name."""
        renamed = self.name != other.name
        self.is_added = other.is_added or renamed
        self.absorbed = other.origins if renamed else other.absorbed

    def __str__(self) -> str:
        return value_symbol(self.name)

    def __repr__(self) -> str:
        return f"{self}: {self.type}"


@dataclass(frozen=True)
class ChannelMap:
    """f(c) = indices[c]; usually a permutation, a sub-selection when restricted."""

    indices: tuple[int, ...]

    @staticmethod
    def identity(channels: int) -> ChannelMap:
        """f(c) = c."""
        return ChannelMap(tuple(range(channels)))

    @staticmethod
    def shuffle(groups: int, channels: int) -> ChannelMap:
        """f(c) = (c mod g)*(C/g) + c floordiv g: ShuffleNet's shuffle (1707.01083 §3.1)."""
        each = channels // groups
        return ChannelMap(tuple((c % groups) * each + c // groups for c in range(channels)))

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, channel: int) -> int:
        return self.indices[channel]

    @cached_property
    def is_identity(self) -> bool:
        """Whether f(c) = c for all c."""
        return all(i == c for c, i in enumerate(self.indices))

    @cached_property
    def is_permutation(self) -> bool:
        """Whether f is a bijection on 0 … n-1."""
        return sorted(self.indices) == list(range(len(self)))

    def after(self, inner: ChannelMap) -> ChannelMap:
        """The composition c -> f(inner(c))."""
        return ChannelMap(tuple(self.indices[i] for i in inner.indices))

    def inverse(self) -> ChannelMap:
        """f^-1; f must be a permutation."""
        if not self.is_permutation:
            raise ValueError("only a permutation has an inverse")
        result = [0] * len(self)
        for channel, index in enumerate(self.indices):
            result[index] = channel
        return ChannelMap(tuple(result))

    def restrict(self, start: int, length: int) -> ChannelMap:
        """The map of channels start … start+length-1."""
        return ChannelMap(self.indices[start : start + length])

    def runs(self) -> tuple[tuple[int, int], ...]:
        """Maximal runs (first index, length) of consecutive ascending indices, in reading order."""
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
    length: int

    @property
    def is_whole(self) -> bool:
        """Whether the segment covers all channels of its value."""
        return self.start == 0 and self.length == self.value.type.channels


ChannelOf = tuple[Value, int]


@dataclass(frozen=True)
class ChannelView:
    """An operand: channel c is channel order(c) of the concatenated segments. Build it by `of`,
    `from_channels` or the methods; they give the normal form (segments by value in order of first
    appearance, ascending, maximal)."""

    segments: tuple[Segment, ...]
    order: ChannelMap

    @staticmethod
    def of(value: Value) -> ChannelView:
        """The whole value, read plain."""
        channels = value.type.channels
        return ChannelView((Segment(value, 0, channels),), ChannelMap.identity(channels))

    @staticmethod
    def from_channels(channels: Sequence[ChannelOf]) -> ChannelView:
        """The view that reads exactly these channels, in normal form."""
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
        """The channels of the views one after the other."""
        return ChannelView.from_channels([source for view in views for source in view.channels])

    @cached_property
    def channels(self) -> tuple[ChannelOf, ...]:
        """For each channel read, the value and channel that it comes from."""
        sources = list(_sources(self.segments))
        return tuple(sources[i] for i in self.order.indices)

    @property
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

    @property
    def is_single(self) -> bool:
        """Whether the view reads all channels of one value, in any order."""
        return len(self.segments) == 1 and self.segments[0].is_whole and self.order.is_permutation

    @property
    def is_concatenation(self) -> bool:
        """Whether the view reads whole values one after the other, each as it is stored."""
        return self.order.is_identity and all(segment.is_whole for segment in self.segments)

    @property
    def value(self) -> Value:
        """The value of a view with a single whole value."""
        if not self.is_single:
            raise ValueError("the view does not read one whole value")
        return self.segments[0].value

    def through(self, order: ChannelMap) -> ChannelView:
        """This view read through a map: channel c is channel order(c) of this view."""
        return ChannelView.from_channels([self.channels[i] for i in order.indices])

    def slice(self, start: int, length: int) -> ChannelView:
        """Channels start … start+length-1 of this view."""
        return ChannelView.from_channels(self.channels[start : start + length])

    def substitute(self, replacements: Mapping[Value, ChannelView]) -> ChannelView:
        """This view with values replaced by views of the same channel count."""
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
