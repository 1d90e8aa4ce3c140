"""Convolutions on codes whose kernels go through an image: depthwise ones on bytes, and stems."""

from __future__ import annotations

from collections.abc import Iterator

from tests.backends.cases import ONE, Case
from tests.backends.integer_cases import convolutions


def windows() -> Iterator[Case]:
    """Depthwise convolutions: channels that fill strips and that do not; rows without a loop, with
    one, and with what is left over; windows over every border."""
    for c, width in (
        (16, 1),
        (17, 3),
        (24, 8),
        (31, 9),
        (48, 14),
        (58, 11),
        (32, 25),
        (96, 9),
        (150, 10),
    ):
        yield from convolutions((1, 4, width, c), c, c, (3, 3), (1, 1), ONE)
        yield from convolutions((1, 5, width + 1, c), c, c, (3, 3), (2, 2), (0, 1, 0, 1))
    for kernel in ((1, 3), (3, 1), (2, 2), (3, 2)):
        yield from convolutions((2, 5, 13, 20), 20, 20, kernel, (1, 1), ONE)
    yield from convolutions((1, 6, 19, 20), 20, 20, (3, 3), (1, 3), ONE)
    yield from convolutions((1, 6, 12, 20), 20, 20, (2, 2), (2, 2))
    yield from convolutions((1, 6, 12, 20), 20, 20, (3, 3), (3, 4), (2, 2, 2, 2))
    yield from convolutions((1, 9, 12, 20), 20, 20, (3, 3), (1, 1), (2, 2, 1, 1), (2, 1))
    yield from convolutions((1, 5, 12, 33), 33, 33, (3, 3), (1, 1), ONE, largest=1 << 30)
    yield from convolutions((1, 3, 40, 200), 200, 200, (3, 3), (1, 1), ONE)
    yield from convolutions((1, 3, 60, 160), 160, 160, (3, 3), (1, 1), ONE)  # by blocks of 80


def stems() -> Iterator[Case]:
    """Convolutions of images: rows of a window of any length, that may reach over every border."""
    yield from convolutions((1, 9, 23, 1), 5, 1, (5, 5), (1, 1), (2, 2, 2, 2))
    yield from convolutions((1, 8, 21, 2), 16, 1, (3, 3))
    yield from convolutions((2, 9, 37, 3), 32, 1, (3, 3), (2, 2), (0, 1, 0, 1))
    yield from convolutions((1, 9, 19, 4), 33, 1, (7, 7), (2, 2), (3, 3, 3, 3))
    yield from convolutions((2, 6, 29, 3), 12, 1, (5, 3), (1, 3), (0, 0, 2, 0))
    yield from convolutions((1, 11, 18, 3), 8, 1, (3, 3), (1, 1), ONE, (2, 1))
