"""Statistics of constants."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import TypeAlias

import numpy as np

from mbc.inspect.nodes import TypeRecord
from mbc.ir.graph import Constant
from mbc.records import dataclass

Statistics: TypeAlias = "tuple[float | None, float | None, float | None, float | None]"


@dataclass(frozen=True)
class WeightRecord:
    """A constant, and statistics of its elements; None for a constant without data, or where
    they are not finite."""

    name: str
    type: TypeRecord
    elements: int
    literal: bool
    """Whether it is a number of the network's text, not a weight."""
    min: float | None
    max: float | None
    mean: float | None
    std: float | None

    @staticmethod
    def of(constant: Constant) -> WeightRecord:
        """Record a constant."""
        statistics: Statistics = (None, None, None, None)
        if constant.data is not None and constant.data.size:
            statistics = _statistics(constant.data)
        kind = TypeRecord.of(constant.type)
        return WeightRecord(
            constant.name, kind, constant.type.elements, constant.literal, *statistics
        )


def weight_records(constants: Iterable[Constant]) -> tuple[WeightRecord, ...]:
    """Record constants."""
    return tuple(map(WeightRecord.of, constants))


def _statistics(data: np.ndarray) -> Statistics:
    """Return least, greatest, mean and standard deviation."""
    with np.errstate(all="ignore"):
        mean, std = data.mean(dtype=np.float64), data.std(dtype=np.float64)
    least, most, mean, std = map(_finite, (data.min(), data.max(), mean, std))
    return least, most, mean, std


def _finite(number: np.generic | float) -> float | None:
    value = float(f"{float(number):.7g}")
    return value if isfinite(value) else None
