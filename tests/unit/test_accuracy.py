"""How answers are judged: by image and pixel."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest

from mbc.accuracy import STRIP, Difference, difference, worst

MASK = np.random.default_rng(0).standard_normal((2, 5, 6, 8)).astype(np.float32)


def changed(where: tuple[int, ...], by: float) -> np.ndarray:
    """The mask with one element moved."""
    mask = MASK.copy()
    mask[where] += np.float32(by)
    return mask


def test_equal_is_no_difference_whatever_it_is() -> None:
    for values in ([0, 0], [nan, 1], [inf, -inf]):
        tensor = np.array([values], np.float32)
        assert difference(tensor, tensor) == Difference(0.0)


def test_errors_are_relative_to_the_largest_channel() -> None:
    wanted = np.array([[2.0, -4.0]], np.float32)
    assert difference(wanted + 1, wanted) == Difference(0.25)
    assert difference(wanted + 1, wanted).error == difference(wanted - 1, wanted).error


def test_shapes_must_agree() -> None:
    assert difference(np.zeros((1, 3)), np.zeros((1, 2))).error == inf


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_what_is_not_finite_must_be_so_at_the_same_place(value: float) -> None:
    spoilt = changed((1, 2, 3, 4), value)
    assert difference(spoilt, MASK) == Difference(inf, "image 1, pixel (2, 3)")
    assert difference(MASK, spoilt) == Difference(inf, "image 1, pixel (2, 3)")
    assert difference(-spoilt, spoilt).error > 1
    other = spoilt.copy()
    other[0, 1, 1, 1] += np.float32(0.5)
    found = difference(other, spoilt)
    assert found.place == "image 0, pixel (1, 1)"
    assert 0.01 < found.error < 1


def test_a_bright_pixel_hides_no_wrong_one() -> None:
    wanted = MASK.copy()
    wanted[0, 0, 0] *= 1e6
    found = wanted.copy()
    found[0, 3, 2, 0] *= np.float32(1.01)
    found[0, 3, 2, 0] += np.float32(0.01)
    error = difference(found, wanted)
    assert error.place == "image 0, pixel (3, 2)"
    assert error.error > 1e-3
    assert difference(wanted * np.float32(1 + 1e-6), wanted).error < 2e-6


def test_a_bright_image_hides_no_wrong_one() -> None:
    scores = np.array([[1e6, 2e6], [1.0, 2.0]], np.float32)
    found = scores + np.array([[0.0, 0.0], [0.0, 0.1]], np.float32)
    error = difference(found, scores)
    assert error.place == "image 1"
    assert error.error == pytest.approx(0.05)


def test_pixels_next_to_nothing_need_no_digits_of_their_own() -> None:
    wanted = np.maximum(MASK[..., :1], 0)  # half of them are 0
    wanted[0, 0, 0] = 1e-7
    found = wanted + np.float32(1e-7)
    assert difference(found, wanted).error < 1e-5
    wanted[0] = 0  # an image without anything to go by is judged beside the others
    assert difference(wanted + np.float32(1e-7), wanted).error < 1e-5
    assert difference(np.full_like(wanted, 1e-7), np.zeros_like(wanted)).error < 1e-6


def test_a_pixel_of_many_that_are_zero_is_not_judged_by_zeros() -> None:
    wanted = np.maximum(MASK[..., :1] - 1, 0) * np.float32(1e-4)
    assert np.median(wanted) == 0
    found = wanted.copy()
    found[0, 0, 0] += np.float32(1e-5)
    assert difference(found, wanted).error > 0.01


def test_vectors_and_sequences_have_their_places() -> None:
    wanted = np.ones((2, 7, 3), np.float32)
    found = wanted.copy()
    found[1, 5, 0] = 2
    assert difference(found, wanted) == Difference(1.0, "image 1, pixel (5)")
    assert difference(found[:1], wanted[:1]) == Difference(0.0)
    assert difference(np.array([1.0, 3.0]), np.array([1.0, 2.0])) == Difference(0.5, "pixel (1)")
    cancelled = difference(np.array([4.0, 2.0, 1e-4]), np.array([4.0, 2.0, 0.0]))
    assert cancelled == Difference(1e-4 / 3, "pixel (2)"), "beside the median"


def test_large_tensors_are_looked_at_to_the_end() -> None:
    wanted = np.ones((2, 600, 601, 1), np.float32)
    assert wanted.size > 2 * STRIP
    found = wanted.copy()
    found[1, 599, 600] = 1.5
    assert difference(found, wanted) == Difference(0.5, "image 1, pixel (599, 600)")


def test_the_worst_has_its_name() -> None:
    found = {"a": Difference(0.1), "b": Difference(inf, "image 1"), "c": Difference(0.0)}
    assert worst(found) == ("b", found["b"])
    assert str(found["b"]) == "inf at image 1"
    assert str(found["a"]) == "0.1"
