"""Between real numbers and codes of 8 bits, and which elements the results of ops have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.tflite.codes import CODES, LIMITS, near, stands_for_numbers
from mbc.frontends.tflite.translation import Translation, Translator

FLOATS = ("FLOAT16", "FLOAT32")

KEEPING = frozenset({
    "AVERAGE_POOL_2D", "DEPTH_TO_SPACE", "EXPAND_DIMS", "GATHER", "MAXIMUM", "MAX_POOL_2D",
    "MINIMUM", "MIRROR_PAD", "PACK", "PAD", "PADV2", "REDUCE_MAX", "REDUCE_MIN", "RESHAPE",
    "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SLICE", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V",
    "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE", "UNPACK",
})  # fmt: skip
"""The ops that LiteRT computes by codes alone, whatever they stand for."""

CONVERSIONS = ("DEQUANTIZE", "QUANTIZE")
"""Ops whose results are other numbers than what they read."""


def quantize(t: Translation) -> None:
    """Codes of numbers, or of codes of another scale; of constants folded."""
    if not t.is_of_codes():
        raise Unsupported(f"its result is {t.result.element.lower()}")
    source, own = t.known.element(t.number(0)), t.known.element(t.operator.outputs[0])
    if source is not None and own is not None and near(source, own):
        t.known.say_same(t.operator.outputs[0], t.number(0))
        t.name_result(t.value(0))
    else:
        t.finish("Identity", [t.value(0)])


def dequantize(t: Translation) -> None:
    """Numbers that codes stand for; of constants folded."""
    t.name_result(t.value(0))


def check_elements(t: Translation) -> None:
    """Raise Unsupported where an operator mixes floats and codes, has wider integers, or would say
    that the same codes stand for other numbers."""
    operator = t.operator
    made = [number for number in operator.outputs if _is_number(t, number)]
    read = [n for n in operator.inputs if n >= 0 and n not in t.arrays and _is_number(t, n)]
    for number in (*read, *made):
        tensor = t.tensor(number)
        if stands_for_numbers(tensor) and tensor.element not in CODES:
            raise Unsupported(f"it computes with {tensor.element.lower()}")
        if tensor.element in CODES and t.known.element(number) is None:
            raise Unsupported(f"'{tensor.name}' is {tensor.element.lower()} without a scale")
    if operator.kind in CONVERSIONS:
        return
    if len({t.known.element(number) is None for number in (*read, *made)}) > 1:
        raise Unsupported("it computes with both floats and codes")
    if operator.kind in KEEPING:
        _check_kept(t, made)


def _is_number(t: Translation, number: int) -> bool:
    return t.tensor(number).element in (*FLOATS, *LIMITS)


def _check_kept(t: Translation, made: Sequence[int]) -> None:
    """Give the results the element of what is read; Unsupported if they have another."""
    read = [n for n in t.operator.inputs if n >= 0 and t.tensor(n).element in CODES]
    known = [number for number in read if number not in t.arrays]
    for number in (*read, *made) if known else ():
        own, source = t.known.element(number), t.known.element(known[0])
        if own is None or source is None or not near(source, own):
            raise Unsupported(
                f"it keeps codes, and '{t.tensor(number).name}' has the scale {own}, "
                f"'{t.tensor(known[0]).name}' {source}",
                "convert the model again; both need one scale",
            )
    for number in made if known else ():
        t.known.say_same(number, known[0])


TRANSLATORS: Mapping[str, Translator] = {"DEQUANTIZE": dequantize, "QUANTIZE": quantize}
"""How they are translated; the first line of a text is its documentation."""
