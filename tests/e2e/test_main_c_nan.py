"""The stand-alone main prints results that are no numbers as `mbc run` does."""

from __future__ import annotations

import numpy as np

from mbc.cli.commands.run import ranking, summary
from tests.e2e import test_main_c
from tests.e2e.test_main_c import Program

native = test_main_c.native


def test_nan_is_printed_as_by_mbc_run(native: Program) -> None:
    array = np.arange(24, dtype=np.float32).reshape(1, 2, 4, 3)
    array[0, 1, 2, 1] = -np.nan  # whose sign C prints
    array[0, 0, 0, :2] = -np.inf, np.inf
    native.save("x.npy", array)
    wanted = 2 * array.reshape(1, 24)
    printed = native.run("--input", "x.npy")[0].splitlines()
    assert printed == [*summary("y", wanted, None, several=False)]
    assert "min nan, mean nan, max nan" in printed[0]
    ranks = native.run("--input", "x.npy", "--top", "24")[0].splitlines()
    assert ranks == [*ranking("y", wanted, 24, None, several=False)]
    assert ranks[-1] == "24 19 nan"
