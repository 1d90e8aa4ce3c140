"""The values of a parameter that a sweep goes through: `0.25,0.5`, `128:224:32`, or both mixed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import product
from math import prod

from mbc.diag import error
from mbc.records import dataclass

MOST_POINTS = 10_000

SUCH_AS = "such as -D alpha=0.25,0.5,1.0 or -D resolution=128:224:32 (with both ends)"


@dataclass(frozen=True)
class Point:
    """One network for one target."""

    target: str
    parameters: tuple[tuple[str, str], ...]
    """Every parameter that `-D` sets, in its order."""

    def __str__(self) -> str:
        return " ".join([self.target, *(f"{name}={value}" for name, value in self.parameters)])


def points_of(targets: Sequence[str], axes: Mapping[str, Sequence[str]]) -> list[Point]:
    """List all points, target by target, the first parameter changing slowest. Raises E0114 for
    more than anyone waits for."""
    count = len(targets) * prod(map(len, axes.values()))
    if count > MOST_POINTS:
        raise error("E0114", f"the sweep has {count:,} points, mbc takes {MOST_POINTS:,}")
    combinations = [*product(*([(name, value) for value in axes[name]] for name in axes))]
    return [Point(target, chosen) for target in targets for chosen in combinations]


def values_of(name: str, text: str) -> tuple[str, ...]:
    """Return the values that a word of `-D` means, in its order. Raises E0114."""
    found = [value for part in text.split(",") for value in _values(name, part)]
    for i, value in enumerate(found):
        if any(same_value(value, other) for other in found[:i]):
            raise error("E0114", f"-D {name} has {value} twice, in '{text}'")
    return tuple(found)


def _values(name: str, part: str) -> Iterator[str]:
    if not part.strip():
        raise error("E0114", f"-D {name} has an empty value", helps=[SUCH_AS])
    if ":" in part:
        yield from _range(name, part)
    else:
        yield part.strip()


def _range(name: str, part: str) -> Iterator[str]:
    numbers = [_number(word) for word in part.split(":")]
    if len(numbers) != 3 or None in numbers:
        message = f"-D {name}: a range is FIRST:LAST:STEP in numbers, found '{part}'"
        raise error("E0114", message, helps=[SUCH_AS])
    first, last, step = (number for number in numbers if number is not None)
    if not step or (last - first) / step < 0:
        raise error("E0114", f"-D {name}: {first} comes to {last} by no steps of {step}")
    count = int((last - first) / step) + 1
    if count > MOST_POINTS:
        raise error("E0114", f"-D {name}: '{part}' has {count:,} values")
    for i in range(count):
        yield _text(first + i * step)


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _text(number: Decimal) -> str:
    """Return 128 for 128, and 0.5 for 0.50."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def same_value(one: str, other: str) -> bool:
    """Whether two words are one value: 0.5 and 0.50."""
    numbers = _number(one), _number(other)
    return one == other or (None not in numbers and numbers[0] == numbers[1])
