"""Packed weights in one blob."""

import numpy as np

from mbc.backends.weights import WeightsBlob, packed_array


def test_arrays_are_aligned_and_equal_ones_stored_once() -> None:
    blob = WeightsBlob(8)
    first, second = np.arange(3, dtype=np.float32), np.arange(2, dtype=np.int32)
    offsets = [blob.add(array) for array in (first, second, first.copy())]
    assert offsets == [0, 16, 0]
    assert blob.data() == first.tobytes() + bytes(4) + second.tobytes()


def test_an_empty_blob_has_no_bytes() -> None:
    assert WeightsBlob().data() == b""


def test_packed_weights_are_dense_and_not_subnormal() -> None:
    weights = packed_array(np.array([[1e-40, 1.0], [2.0, -1e-40]], np.float32).T)
    assert weights.flags.c_contiguous
    np.testing.assert_array_equal(weights, [[0, 2], [1, 0]])
    assert np.signbit(weights[1, 1])
