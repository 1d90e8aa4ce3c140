"""How many output columns the tiles of windows have."""

from __future__ import annotations

import pytest

from mbc.backends.llvm.isa import AVX2, NEON, Isa
from mbc.backends.llvm.window import Part, Window


def window(isa: Isa, width: int, kernel: int, stride: int = 1, filters: int = 1) -> Window:
    """A depthwise convolution of 16 channels."""
    pad, step, out = kernel // 2, (stride, stride), width // stride
    part = Part(16, 64, 16)
    sizes = (width, width, out, out, (part,), (kernel, kernel), step, (pad,) * 4, (1, 1))
    channels = 16 * filters
    return Window(isa, "depthwise", *sizes, 4 * channels, channels, filters=filters)


@pytest.mark.parametrize(
    ("width", "columns"), [(28, 7), (56, 7), (40, 8), (7, 7), (10, 5), (13, 7), (20, 7), (3, 3)]
)
def test_long_sums_are_computed_side_by_side(width: int, columns: int) -> None:
    assert window(AVX2, width, 5).tile == columns


def test_short_sums_need_fewer() -> None:
    assert window(AVX2, 28, 3).tile == 4


def test_strips_of_two_vectors_have_sums_enough() -> None:
    assert window(NEON, 56, 5, stride=2).tile == 4
    assert window(AVX2, 56, 5, stride=2).tile == 7


def test_sums_of_several_filters_fit_the_registers() -> None:
    assert window(AVX2, 56, 5, filters=2).tile == 7
    assert window(AVX2, 56, 5, filters=3).tile == 3
