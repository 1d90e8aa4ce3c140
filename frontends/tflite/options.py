"""Options of operators, with their types checked."""

from __future__ import annotations

from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.tflite.model import Operator, Option


def _option(operator: Operator, name: str, default: Option) -> Option:
    """Return an option; the schema leaves out those of a node that has none of its own."""
    if operator.options and name not in operator.options:
        raise Unsupported(f"it has the options of another op: no {name}")
    return operator.options.get(name, default)


def whole(operator: Operator, name: str, default: int) -> int:
    """Return an integer."""
    value = _option(operator, name, default)
    if not isinstance(value, int):
        raise Unsupported(f"its option {name} is no integer")
    return value


def flag(operator: Operator, name: str) -> bool:
    """Return a flag, which is not set where it is absent."""
    return bool(whole(operator, name, 0))


def real(operator: Operator, name: str, default: float) -> float:
    """Return a number."""
    value = _option(operator, name, default)
    if not isinstance(value, int | float):
        raise Unsupported(f"its option {name} is no number")
    return float(value)


def numbers(operator: Operator, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    """Return a list of integers."""
    value = _option(operator, name, default)
    if not isinstance(value, tuple):
        raise Unsupported(f"its option {name} is no list")
    return value
