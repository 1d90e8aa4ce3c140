"""Conversion of attribute values in IR text to the types of an op's dataclass fields."""

from __future__ import annotations

from dataclasses import fields
from math import isfinite
from typing import Any, TypeAlias, get_args, get_type_hints

from mbc.ir.activations import Activation, names, parse
from mbc.ir.elements import Q8
from mbc.ir.op import Op
from mbc.ir.schedule import Schedule
from mbc.records import dataclass

MAX_INT = 2**31


class Word(str):
    """A bare word in the text: true, relu."""

    __slots__ = ()


@dataclass(frozen=True)
class Call:
    """An activation with parameters in the text: `clip(lo=-1.0, hi=1.0)`."""

    name: str
    """Name of the activation."""
    parameters: tuple[tuple[str, float], ...]
    """Names and values of the parameters, in the order of the text."""


Raw: TypeAlias = "int | float | str | Q8 | Call | tuple[Raw, ...]"
"""An attribute value before its type is known."""


def attribute_types(kind: type[Op] | type[Schedule]) -> dict[str, Any]:
    """Return the types of the attributes of an op or schedule, in the order in which they print."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def convert(raw: Raw, wanted: Any) -> Any:
    """Convert to the wanted type: int, float, bool, str, a tuple of these, an activation or a q8.

    Raises ValueError with what was expected.
    """
    value = _convert(raw, wanted)
    if value is None:
        raise ValueError(f"expected {describe(wanted)}")
    return value


def _activation(raw: Raw) -> Activation | None:
    if isinstance(raw, Word):
        raw = Call(raw, ())
    if not isinstance(raw, Call):
        return None
    try:
        return parse(raw.name, dict(raw.parameters))
    except (KeyError, TypeError):
        return None


def _convert(raw: Raw, wanted: Any) -> Any:
    if wanted == Q8 | None:
        return raw if isinstance(raw, Q8) else None
    if wanted == Activation | None:
        return _activation(raw)
    if parts := get_args(wanted):
        return _convert_tuple(raw, parts)
    if wanted is bool:
        return {"true": True, "false": False}.get(raw) if isinstance(raw, Word) else None
    if wanted is str:
        return raw if isinstance(raw, str) and not isinstance(raw, Word) else None
    if wanted is float:
        return float(raw) if isinstance(raw, int | float) and isfinite(raw) else None
    return raw if isinstance(raw, int) and abs(raw) <= MAX_INT else None


def _convert_tuple(raw: Raw, parts: tuple[Any, ...]) -> tuple[Any, ...] | None:
    if not isinstance(raw, tuple):
        return None
    wanted = (parts[0],) * len(raw) if parts[-1] is Ellipsis else parts
    if len(raw) != len(wanted):
        return None
    values = tuple(_convert(item, part) for item, part in zip(raw, wanted, strict=True))
    return None if None in values else values


def describe(wanted: Any) -> str:
    """Describe a type in words, for messages."""
    if wanted == Q8 | None:
        return "q8(scale,zero)"
    if wanted == Activation | None:
        return f"one of {', '.join(names())}"
    if parts := get_args(wanted):
        count = "" if parts[-1] is Ellipsis else f"{len(parts)} "
        return f"{count}integers in parentheses"
    words = {bool: "true or false", str: "a string in quotes", float: "a finite number"}
    return words.get(wanted, f"an integer up to {MAX_INT}")
