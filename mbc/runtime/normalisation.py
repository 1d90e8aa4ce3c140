"""How bytes become the numbers of a network: (byte / range - mean) / std for each channel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mbc.diag import error
from mbc.records import dataclass

NORMALIZE = "normalize"
"""The key of a graph's header that says what the network makes of the bytes of its inputs."""


@dataclass(frozen=True)
class Normalisation:
    """What becomes of bytes; the default leaves them as they are, as numbers 0 to 255."""

    range: float = 1.0
    """Divisor of bytes."""
    mean: tuple[float, ...] = (0.0,)
    """One number, or one a channel, of bytes that are divided."""
    std: tuple[float, ...] = (1.0,)
    """One number, or one a channel."""

    def __post_init__(self) -> None:
        """Check the numbers; raises ValueError."""
        numbers = (self.range, *self.mean, *self.std)
        if not all(map(math.isfinite, numbers)) or min(self.range, *self.std) <= 0:
            raise ValueError("range and std must be above zero, and all numbers finite")

    def __str__(self) -> str:
        """Format as `range=255 mean=0.485,0.456,0.406 std=0.229,0.224,0.225`."""
        return " ".join(f"{name}={text_of(value)}" for name, value in self.to_dict().items())

    @property
    def formula(self) -> str:
        """What is computed of an element, for readers."""
        mean, std = (text_of([*numbers]) for numbers in (self.mean, self.std))
        return f"(element / {number_text(self.range)} - {mean}) / {std}"

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, such as JSON has."""
        return {**asdict(self), "mean": [*self.mean], "std": [*self.std]}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Normalisation:
        """Invert `to_dict`; raises ValueError, TypeError or KeyError for other values."""
        mean, std = (tuple(map(float, values[name])) for name in ("mean", "std"))
        return Normalisation(float(values["range"]), mean, std)

    def check(self, channels: int, what: str) -> None:
        """Raise E0106 unless mean and std have one number, or one for each channel of `what`."""
        for name, numbers in (("mean", self.mean), ("std", self.std)):
            if len(numbers) not in (1, channels):
                raise error(
                    "E0106",
                    f"the {name} has {len(numbers)} numbers, {what} {channels} channel(s)",
                    helps=["one number stands for all channels"],
                )

    @property
    def centres(self) -> tuple[float, ...]:
        """The byte, whole or not, that becomes 0."""
        return tuple(self.range * mean for mean in self.mean)

    @property
    def factors(self) -> tuple[float, ...]:
        """By how much a number is larger where a byte is by one."""
        return tuple(1 / (self.range * std) for std in self.std)


def parsed(text: str) -> Normalisation | None:
    """Invert `str`; None for text that a graph's header should not have."""
    pairs = dict(word.partition("=")[::2] for word in text.split())
    try:
        numbers = {name: [*map(float, words.split(","))] for name, words in pairs.items()}
        return Normalisation.from_dict({**numbers, "range": numbers["range"][0]})
    except (ValueError, KeyError):
        return None


AS_THEY_ARE = Normalisation()


def number_text(value: float) -> str:
    """Format a number as short as possible, but so that it is read back unchanged."""
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))


def text_of(value: object) -> str:
    """Format a word, a number or a list of numbers."""
    match value:
        case str():
            return value
        case list():
            return ",".join(map(number_text, value))
        case _:
            return number_text(float(str(value)))
