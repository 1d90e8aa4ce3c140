"""Conditions that points must meet: `arena<1MB`, `accuracy >= 70%`, `resolution == 224`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence

from mbc.diag import MbcError, error, nearest
from mbc.records import dataclass
from mbc.report.sweep.rows import COLUMNS, Kind, Row

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
UNITS: Mapping[Kind, Mapping[str, float]] = {
    "bytes": {
        "": 1,
        "B": 1,
        "KB": 1e3,
        "MB": 1e6,
        "GB": 1e9,
        "KiB": 2**10,
        "MiB": 2**20,
        "GiB": 2**30,
    },
    "count": {"": 1, "K": 1e3, "M": 1e6, "G": 1e9},
    "ms": {"us": 1e-3, "ms": 1, "s": 1e3},
    "share": {"": 1, "%": 0.01},
}
"""What a number with a unit is multiplied by, by the kind of column."""

SHAPE = re.compile(r"\s*(\w+)\s*(<=|>=|==|!=|<|>)\s*([0-9]*\.?[0-9]+(?:e[0-9]+)?)\s*(\w+|%)?\s*")


@dataclass(frozen=True)
class Condition:
    """A column or parameter, compared with a number."""

    name: str
    comparison: str
    number: float

    def holds(self, row: Row) -> bool | None:
        """Whether a row meets it; None where the figure is not known, or is none."""
        found = self._figure(row)
        return None if found is None else COMPARISONS[self.comparison](found, self.number)

    def _figure(self, row: Row) -> float | None:
        if self.name in COLUMNS:
            return row.figures.get(self.name)
        try:
            return float(dict(row.point.parameters)[self.name])
        except (KeyError, ValueError):
            return None


def parse_condition(text: str, parameters: Sequence[str]) -> Condition:
    """Parse an argument of `--where`; `parameters` are the names that -D gives. Raises E0115."""
    found = SHAPE.fullmatch(text)
    if found is None:
        helps = ["such as --where 'arena<1MB', --where 'measured <= 20ms'"]
        raise error("E0115", f"--where takes COLUMN<NUMBER UNIT, found '{text}'", helps=helps)
    name, comparison, number, unit = found.groups(default="")
    if name in parameters and name not in COLUMNS:
        return Condition(name, comparison, float(number) * _factor(name, unit, {"": 1}))
    if name not in COLUMNS:
        raise _unknown(name, [*COLUMNS, *parameters])
    factor = _factor(name, unit, UNITS[COLUMNS[name].kind])
    return Condition(name, comparison, float(number) * factor)


def _factor(name: str, unit: str, units: Mapping[str, float]) -> float:
    if unit in units:
        return units[unit]
    known = ", ".join(word or "no unit" for word in units)
    raise error("E0115", f"--where: {name} has no unit '{unit}'", helps=[f"it takes {known}"])


def _unknown(name: str, columns: Sequence[str]) -> MbcError:
    helps = [*nearest(name, columns), f"columns are {', '.join(columns)}"]
    return error("E0115", f"--where: there is no column '{name}'", helps=helps)


def meets(row: Row, conditions: Sequence[Condition], *, so_far: bool = False) -> bool:
    """Whether a row meets all conditions. What is not known does not meet one, except `so_far`,
    before everything is known. Failures are never left out."""
    if row.failure is not None:
        return True
    answers = [condition.holds(row) for condition in conditions]
    return all(answer or (so_far and answer is None) for answer in answers)
