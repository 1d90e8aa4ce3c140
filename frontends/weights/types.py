"""Whether the tensors of a file have types that the parameters can take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mbc.diag import Diagnostic
from mbc.frontends.weights.listings import count, listing
from mbc.frontends.weights.stored import Stored
from mbc.ir.elements import S8, S32, U8
from mbc.ir.graph import Constant

CONVERTED = ("f32", "f16", "bf16", "f64")
INTEGERS = {S8: "i8", U8: "u8", S32: "i32"}


def type_problems(pairs: Sequence[tuple[Constant, Stored]]) -> Iterator[Diagnostic]:
    """Yield E0407 for tensors of types that are not converted, or of the wrong integers."""
    floats = [s for c, s in pairs if c.type.element.is_float and s.dtype not in CONVERTED]
    integers = [(c, s) for c, s in pairs if s.dtype != INTEGERS.get(c.type.element.stored, s.dtype)]
    if floats:
        wrong = [f"{s.name} is {s.dtype}" for s in floats]
        yield Diagnostic(
            "E0407",
            f"{count(wrong)} of a type that mbc does not read",
            label=listing(wrong),
            helps=("store float32; float16, bfloat16 and float64 are converted to it",),
        )
    if integers:
        wrong = [
            f"{s.name} is {s.dtype}, not {INTEGERS[c.type.element.stored]}" for c, s in integers
        ]
        yield Diagnostic(
            "E0407", f"{count(wrong)} of another type than its constant", label=listing(wrong)
        )
