"""Bind a graph's constants to the tensors of a file, and write them to one.

A .safetensors or .npz file must hold exactly the graph's constants, by name and shape (filters
HWIO, dense weights IO); a state dict of PyTorch may have its names of batch norms and its order of
axes. Floating-point numbers are taken as they are, widened or rounded to the constant's element;
integers have to be of its type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from mbc.diag import Diagnostic, MbcError, error
from mbc.files import write_whole
from mbc.frontends.weights.listings import count, extents, listing
from mbc.frontends.weights.mapping import Match, Matching, match
from mbc.frontends.weights.names import hints
from mbc.frontends.weights.presets import ORDER, Preset
from mbc.frontends.weights.rules import rename
from mbc.frontends.weights.stored import TORCH, Listing, Stored, reading, stored_tensors
from mbc.frontends.weights.types import type_problems
from mbc.ir.elements import Element
from mbc.ir.graph import Constant, Graph
from mbc.ir.literals import weights_of


def load_weights(graph: Graph, path: Path, preset: Preset | None = None) -> tuple[str, ...]:
    """Bind every constant of the graph to data of a file, whose names and order of axes may be
    those of a library; returns remarks, a line each.

    If an error is raised, no constant has changed.

    Raises E0401 (which kind of file), E0402 (asks for code), E0403 (damaged), E0411 (which state
    dict), E0412 (beyond limits), E0701 (unreadable), and all at once E0404 (missing), E0405
    (unknown), E0406 (shape), E0407 (type), E0413 (several orders), E0415 (several tensors), or
    E0408 (not finite), E0409 (negative variance).
    """
    listing = stored_tensors(path)
    if preset is not None:
        names = rename(listing.tensors, preset.rules()).names
        how = Matching(path, lambda name: names[name], ORDER)
        bind(graph, match(graph, listing, how), path)
    elif path.suffix in TORCH:
        bind(graph, match(graph, listing, Matching(path)), path)
    else:
        _bind_exactly(graph, listing, path)
    return listing.remarks


def bind(graph: Graph, matches: Iterable[Match], path: Path) -> None:
    """Bind the constants to matched tensors of a file.

    Raises E0403 (damaged), E0408 (not finite), E0409 (negative variance), E0701 (unreadable).
    """

    def read(each: Match) -> npt.NDArray[np.generic]:
        return each.target.arranged(each.stored.read(), each.order)

    with reading(path):
        arrays = {
            each.target.constant.name: _as_element(read(each), each.target.constant.type.element)
            for each in matches
        }
    _bind(graph, arrays)


def _bind_exactly(graph: Graph, file: Listing, path: Path) -> None:
    constants, stored = weights_of(graph), file.tensors
    pairs = [(constants[name], stored[name]) for name in constants if name in stored]
    _refuse(
        [
            *_name_problems(constants, stored, path),
            *_shape_problems(pairs),
            *type_problems(pairs),
        ]
    )
    with reading(path):
        arrays = {n: _as_element(stored[n].read(), c.type.element) for n, c in constants.items()}
    _bind(graph, arrays)


def _bind(graph: Graph, arrays: Mapping[str, np.ndarray]) -> None:
    _refuse(_value_problems(graph, arrays))
    for name, constant in weights_of(graph).items():
        constant.data = arrays[name]


def check_values(graph: Graph) -> None:
    """Raise E0408 (not finite) or E0409 (negative variance) for data bound already."""
    _refuse(_value_problems(graph, {name: c.array for name, c in graph.constants().items()}))


def save_weights(graph: Graph, path: Path) -> None:
    """Write all weights to a .safetensors file, completely or not at all; raises E0703."""
    content = save({name: constant.array for name, constant in weights_of(graph).items()})
    try:
        write_whole(path, content)
    except OSError as problem:
        raise error("E0703", f"cannot write {path}: {problem.strerror}") from None


def _refuse(problems: Iterable[Diagnostic]) -> None:
    found = list(problems)
    if found:
        raise MbcError(*found)


def _name_problems(
    constants: Mapping[str, Constant], stored: Mapping[str, Stored], path: Path
) -> Iterator[Diagnostic]:
    missing = [name for name in constants if name not in stored]
    extra = [name for name in stored if name not in constants]
    if missing:
        yield Diagnostic("E0404", f"{path} lacks {count(missing)}", label=listing(missing))
    if extra:
        message = f"{path} has {count(extra)} that the network does not"
        helps = hints(extra, missing, constants, stored)
        yield Diagnostic("E0405", message, label=listing(extra), helps=helps)


def _shape_problems(pairs: Sequence[tuple[Constant, Stored]]) -> Iterator[Diagnostic]:
    shapes = [(c, s) for c, s in pairs if s.shape != c.type.shape]
    if shapes:
        wrong = [f"{s.name} is {extents(s.shape)}, not {extents(c.type.shape)}" for c, s in shapes]
        yield Diagnostic(
            "E0406", f"{count(wrong)} of another shape", label=listing(wrong), helps=_order(shapes)
        )


def _order(shapes: Sequence[tuple[Constant, Stored]]) -> tuple[str, ...]:
    """Return a hint where the axes are in PyTorch's order."""
    for constant, stored in shapes:
        axes = (2, 3, 1, 0) if len(stored.shape) == 4 else (1, 0)
        if len(stored.shape) != len(axes):
            continue
        if tuple(stored.shape[axis] for axis in axes) == constant.type.shape:
            return (
                f"PyTorch's order? {stored.name}.transpose{axes} has the right one; "
                "mbc weights map transposes a file",
            )
    return ()


def _value_problems(graph: Graph, arrays: Mapping[str, np.ndarray]) -> Iterator[Diagnostic]:
    infinite = [f"{name}{place}" for name, array in arrays.items() if (place := _infinite(array))]
    negative = [name for name in _variances(graph) if (arrays[name] < 0).any()]
    if infinite:
        message = f"{count(infinite)} with NaN or infinity as float32"
        yield Diagnostic("E0408", message, label=listing(infinite))
    if negative:
        message = f"{count(negative)} with a variance below zero"
        yield Diagnostic("E0409", message, label=listing(negative))


def _infinite(array: np.ndarray) -> str:
    """Format the index of the first element that is not finite; "" if there is none."""
    found = np.isfinite(array)
    if found.all():
        return ""
    return extents(map(int, np.unravel_index(int(np.argmin(found)), array.shape)))


def _variances(graph: Graph) -> list[str]:
    return [variance.name for node in graph.topo() if (variance := node.constant("variance"))]


def _as_element(array: npt.NDArray[np.generic], element: Element) -> np.ndarray:
    with np.errstate(over="ignore"):  # an infinity is reported by name
        result = np.array(array, dtype=element.numpy, order="C")
    result.setflags(write=False)
    return result
