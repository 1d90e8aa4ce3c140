"""The weights of each point of a sweep, by the names of files in a folder.

A name is the network file's stem, followed by parameters: `mobilenet_v1-alpha=0.5.safetensors`
fits every point with that alpha. The file that names most parameters is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mbc.diag import error
from mbc.frontends.weights.stored import SUFFIXES, TORCH
from mbc.report.sweep.axes import Point, same_value

PARAMETER = re.compile(r"-(?=[A-Za-z_]\w*=)")


def weights_for(folder: Path, stem: str, point: Point) -> Path:
    """Choose the file of a point. Raises E0417 if there is none, or several fit alike."""
    fitting = dict(_fitting(folder, stem, dict(point.parameters)))
    most = max(fitting.values(), default=0)
    best = [path for path, count in fitting.items() if count == most]
    if len(best) == 1:
        return best[0]
    parameters = "".join(f"-{name}={value}" for name, value in point.parameters)
    if not best:
        helps = [f"such as {stem}{parameters}.safetensors; parameters may be left out"]
        raise error("E0417", f"{folder} has no weights of {point}", helps=helps)
    listed = " and ".join(path.name for path in best)
    raise error("E0417", f"{folder} has several weights of {point}: {listed}")


def _fitting(folder: Path, stem: str, parameters: dict[str, str]) -> Iterator[tuple[Path, int]]:
    """Yield the files whose names fit, each with the number of parameters in it."""
    for path in sorted(folder.iterdir()):
        name = next(
            (path.name[: -len(s)] for s in (*SUFFIXES, *TORCH) if path.name.endswith(s)), None
        )
        if name is None:
            continue
        first, *words = PARAMETER.split(name)
        pairs = [word.partition("=") for word in words]
        if first == stem and all(
            key in parameters and same_value(value, parameters[key]) for key, _, value in pairs
        ):
            yield path, len(pairs)
