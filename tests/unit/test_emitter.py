"""Text of functions: what is known while it is written costs no instruction."""

from __future__ import annotations

import pytest

from mbc.backends.llvm.emitter import Function
from mbc.backends.llvm.isa import NEON


@pytest.mark.parametrize(
    ("operation", "result"), [("add", 20), ("sub", 14), ("mul", 51), ("udiv", 5), ("urem", 2)]
)
def test_arithmetic_on_known_numbers_is_done_at_once(operation: str, result: int) -> None:
    f = Function(NEON, [])
    assert f.binary(operation, 17, 3) == result
    assert isinstance(f.binary(operation, "%a", 3), str)
