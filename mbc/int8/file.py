"""The file of a quantisation: TOML that a person can read, compare and edit.

Numbers are float32, in the shortest decimals that give them back. Scales stand in comments, as they
follow from the ranges (quantisation.py).
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from mbc.diag import MbcError, error
from mbc.int8.quantisation import WEIGHT_BITS, Quantisation, Range
from mbc.ir.elements import Q8, SMALLEST_SCALE
from mbc.ir.graph import Graph
from mbc.records import dataclass

FORMAT = 1
MAX_BYTES = 2**26
METHODS = ("minmax", "mse")
SOURCES = ("images", "arrays", "random")
STATED = "stated"
"""The method by which nothing is measured: the model was quantised before it was imported."""


@dataclass(frozen=True)
class Origin:
    """What a quantisation is of, and how it was measured."""

    network: str
    """Name of the network."""
    network_digest: str
    weights_digest: str
    method: str = STATED
    """One of METHODS, or STATED."""
    samples: int = 0
    """How many there were."""
    source: str = ""
    """One of SOURCES; "" where nothing was measured."""
    preprocessing: str = ""
    """That of the images."""


@dataclass(frozen=True)
class Measured:
    """A quantisation with its origin."""

    quantisation: Quantisation
    origin: Origin

    def check(self, graph: Graph, path: Path) -> None:
        """Raise E0556 if it was measured of another network, or with other weights. The resolution
        may be another."""
        if self.origin.network_digest != network_digest(graph):
            what = f"of {self.origin.network}, which has other layers than {graph.name}"
        elif self.origin.weights_digest != weights_digest(graph):
            what = "with other weights"
        else:
            return
        if self.origin.method == STATED:
            helps = ["mbc import writes it beside the IR text of a quantised model"]
            raise error("E0556", f"{path} was made {what}", helps=helps)
        helps = ["mbc quantize measures it anew"]
        raise error("E0556", f"{path} was measured {what}", helps=helps)

    def text(self, elements: Mapping[str, Q8]) -> str:
        """Return the file; `elements` are those that follow, for comments."""
        return "\n".join(self._lines(elements)) + "\n"

    def _lines(self, elements: Mapping[str, Q8]) -> Iterator[str]:
        found, origin = self.quantisation, self.origin
        stated = origin.method == STATED
        what, command = ("Scales", "import") if stated else ("Ranges", "quantize")
        yield f"# {what} of {_one_line(origin.network)} for 8-bit codes (mbc {command})."
        yield f"format = {FORMAT}"
        yield f"weight_bits = {found.weight_bits}"
        yield f"keep_float = [{', '.join(map(_quoted, sorted(found.keep_float)))}]"
        yield "\n[network]"
        yield f"name = {_quoted(origin.network)}"
        yield f'layers = "{origin.network_digest}"'
        yield f'weights = "{origin.weights_digest}"'
        if not stated:
            yield from self._calibration()
        if found.ranges or not stated:
            yield "\n[ranges]  # least and largest number; the scale and the zero point that follow"
        for name, range in found.ranges.items():
            element = elements.get(name)
            comment = (
                "" if element is None else f"  # {np.float32(element.scale)!s}, {element.zero}"
            )
            yield f"{_quoted(name)} = [{_number(range.low)}, {_number(range.high)}]{comment}"
        if found.elements:
            yield "\n[elements]  # scale and zero point, as the model states them"
        for name, given in found.elements.items():
            yield f"{_quoted(name)} = [{_number(given.scale)}, {given.zero}]"
        yield from _vectors("weights", "scales of output channels, or one of all", found.weights)
        yield from _vectors("corrections", "added to the biases", found.corrections)

    def _calibration(self) -> Iterator[str]:
        origin = self.origin
        yield "\n[calibration]"
        yield f'method = "{origin.method}"'
        yield f"samples = {origin.samples}"
        yield f'source = "{origin.source}"'
        if origin.preprocessing:
            yield f"preprocessing = {_quoted(origin.preprocessing)}"


def _vectors(table: str, what: str, found: Mapping[str, np.ndarray]) -> Iterator[str]:
    if found:
        yield f"\n[{table}]  # {what}"
    for name, numbers in found.items():
        yield f"{_quoted(name)} = [{', '.join(map(_number, numbers.ravel()))}]"


def network_digest(graph: Graph) -> str:
    """Return a digest of the layers of a network as imported, and of the shapes of its weights,
    which a resolution does not change."""
    digest = sha256()
    for node in graph.topo():
        line = [node.op.label, *(value.name for value in node.results)]
        digest.update(json.dumps(line).encode())
    for constant in graph.constants().values():
        digest.update(json.dumps([constant.name, str(constant.type)]).encode())
    return digest.hexdigest()[:16]


def weights_digest(graph: Graph) -> str:
    """Return a digest of the weights of a network as imported."""
    digest = sha256()
    for constant in graph.constants().values():
        digest.update(json.dumps(constant.name).encode())
        digest.update(constant.array.tobytes())
    return digest.hexdigest()[:16]


def read_quantisation(path: Path) -> Measured:
    """Read a file. Raises E0701 if it cannot be read, E0555 if it is none."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as problem:
        raise error("E0701", f"cannot read {path}: {problem.strerror}") from None
    if len(data) > MAX_BYTES:
        raise _broken(path, f"it has more than {MAX_BYTES:,} bytes")
    try:
        return _measured(tomllib.loads(data.decode("utf-8")))
    except UnicodeDecodeError:
        raise _broken(path, "it is no text") from None
    except RecursionError:
        raise _broken(path, "it is nested too deep") from None
    except (ValueError, TypeError, KeyError, OverflowError) as problem:
        what = f"there is no {problem}" if isinstance(problem, KeyError) else str(problem)
        raise _broken(path, what) from None


def _broken(path: Path, why: str) -> MbcError:
    helps = ["mbc quantize writes such files, and mbc import for quantised models"]
    return error("E0555", f"{path} is no file of mbc quantize: {why}", helps=helps)


def _measured(table: dict[str, Any]) -> Measured:
    if (version := table.pop("format")) != FORMAT:
        raise ValueError(f"its format is {version!r}, this mbc reads {FORMAT}")
    origin = _origin(table, measured="elements" not in table)
    bits = _whole(table, "weight_bits")
    if bits not in WEIGHT_BITS:
        raise ValueError(f"weight_bits is {bits}, of {WEIGHT_BITS}")
    ranges = _table(table, "ranges", needed="elements" not in table)
    found = Quantisation(
        {name: Range(*_numbers(name, ends, 2)) for name, ends in ranges.items()},
        frozenset(_names(table.pop("keep_float"))),
        bits,
        _arrays(table, "corrections"),
        {
            name: _element(name, stated)
            for name, stated in _table(table, "elements", needed=False).items()
        },
        _scales(table),
    )
    _nothing_else("the file", table)
    return Measured(found, origin)


def _origin(table: dict[str, Any], *, measured: bool) -> Origin:
    network = _table(table, "network")
    origin = Origin(*(_text(network, "name"), _text(network, "layers"), _text(network, "weights")))
    _nothing_else("[network]", network)
    if not measured and "calibration" not in table:
        return origin
    calibration = _table(table, "calibration")
    origin = replace(
        origin,
        method=_word(calibration, "method", METHODS),
        samples=_whole(calibration, "samples"),
        source=_word(calibration, "source", SOURCES),
        preprocessing=_text(calibration, "preprocessing") if "preprocessing" in calibration else "",
    )
    _nothing_else("[calibration]", calibration)
    return origin


def _arrays(table: dict[str, Any], name: str) -> dict[str, np.ndarray]:
    found = _table(table, name, needed=False)
    return {name: np.array(_numbers(name, numbers)) for name, numbers in found.items()}


def _scales(table: dict[str, Any]) -> dict[str, np.ndarray]:
    found = _arrays(table, "weights")
    for name, scales in found.items():
        if not scales.size or not (scales >= SMALLEST_SCALE).all():
            raise ValueError(f"'{name}' has scales that are no normal float32 above 0")
    return found


def _element(name: str, stated: object) -> Q8:
    scale, zero = _numbers(name, stated, 2)
    if not zero.is_integer():
        raise ValueError(f"'{name}' has a zero point that is no code")
    return Q8(scale, int(zero))


def _table(table: dict[str, Any], name: str, *, needed: bool = True) -> dict[str, Any]:
    found = table.pop(name) if needed or name in table else {}
    if not isinstance(found, dict):
        raise TypeError(f"{name} is no table")
    return found


def _nothing_else(where: str, table: dict[str, Any]) -> None:
    if table:
        raise ValueError(f"{where} has an entry '{next(iter(table))}' that means nothing")


def _text(table: dict[str, Any], name: str) -> str:
    if not isinstance(found := table.pop(name), str):
        raise TypeError(f"{name} is no text")
    return found


def _word(table: dict[str, Any], name: str, known: tuple[str, ...]) -> str:
    if (found := _text(table, name)) not in known:
        raise ValueError(f"{name} is '{found}', none of {', '.join(known)}")
    return found


def _whole(table: dict[str, Any], name: str) -> int:
    found = table.pop(name)
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise TypeError(f"{name} is no whole number above 0")
    return found


def _names(found: object) -> list[str]:
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise TypeError("keep_float is no list of names")
    return found


def _numbers(name: str, found: object, count: int | None = None) -> list[float]:
    """Return finite float32 numbers."""
    if not isinstance(found, list) or (count is not None and len(found) != count):
        raise TypeError(f"'{name}' has not {count or 'a list of'} numbers")
    if not all(
        isinstance(number, int | float) and not isinstance(number, bool) for number in found
    ):
        raise TypeError(f"'{name}' has something that is no number")
    with np.errstate(over="ignore"):
        numbers = [float(np.float32(min(max(float(number), -1e39), 1e39))) for number in found]
    if not np.isfinite(numbers).all():
        raise ValueError(f"'{name}' has numbers that are no finite float32")
    return numbers


def _number(value: float) -> str:
    """Format a float32; TOML's floats have a point or an exponent."""
    text = str(np.float32(value))
    return text if any(mark in text for mark in ".e") else f"{text}.0"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
