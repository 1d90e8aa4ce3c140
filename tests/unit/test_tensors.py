"""What a caller hands to a network: one check, for the oracle, the API and code in process."""

import numpy as np
import pytest

from mbc.diag import MbcError
from mbc.runtime.abi import IoSpec
from mbc.runtime.tensors import check_inputs, dense_inputs

SPECS = (IoSpec("x", (2, 3)), IoSpec("mask", (3,)))
X, MASK = np.arange(6.0).reshape(2, 3), np.ones(3, np.uint8)


def test_tensors_come_in_the_networks_order() -> None:
    found = check_inputs(SPECS, {"mask": MASK, "x": X})
    assert list(found) == ["x", "mask"]
    assert found["x"] is X


@pytest.mark.parametrize("x", [X, X.astype(np.int64), X.tolist(), X.astype(">f4"), X.T.copy().T])
def test_numbers_become_dense_floats(x: object) -> None:
    found = dense_inputs(SPECS, {"x": x, "mask": MASK})["x"]  # type: ignore[dict-item]
    assert found.dtype == np.dtype(np.float32)
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, X)


def test_every_misfit_is_told() -> None:
    with pytest.raises(MbcError) as caught:
        check_inputs(SPECS, {"x": np.ones((2, 3), bool), "msk": MASK})
    first, second, third = caught.value.diagnostics
    assert first.message == "input 'x' holds bool, expected numbers"
    assert second.message == "input 'mask' is missing"
    assert third.message == "there is no input 'msk'"
    assert first.helps == ("the inputs are x: f32[2,3], mask: f32[3]",)
    assert third.helps == (*first.helps, "did you mean 'mask'?")
    with pytest.raises(MbcError, match=r"E0710: input 'x' has shape \[3, 2\], expected \[2, 3\]"):
        dense_inputs(SPECS, {"x": X.T, "mask": MASK})
