"""Bind a graph's constants to the tensors of a file, and write them to one.

The file must hold exactly the graph's constants, by name and shape (filters HWIO, dense weights
IO). Floating-point numbers are taken as they are, widened or rounded to the constant's element;
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
from mbc.frontends.weights.names import SHOWN, hints
from mbc.frontends.weights.stored import Stored, reading, stored_tensors
from mbc.ir.elements import S8, S32, U8, Element
from mbc.ir.graph import Constant, Graph

CONVERTED = ("f32", "f16", "f64")
INTEGERS = {S8: "i8", U8: "u8", S32: "i32"}


def load_weights(graph: Graph, path: Path) -> None:
    """Bind every constant of the graph to data of a .safetensors or .npz file.

    If an error is raised, no constant has changed.

    Raises E0401 (which kind of file), E0402 (a pickle), E0403 (damaged), E0701 (unreadable), and
    all at once E0404 (missing), E0405 (unknown), E0406 (shape), E0407 (type), or E0408 (not
    finite), E0409 (negative variance).
    """
    constants, stored = graph.constants(), stored_tensors(path)
    _refuse([*_name_problems(constants, stored, path), *_type_problems(constants, stored)])
    with reading(path):
        arrays = {n: _as_element(stored[n].read(), c.type.element) for n, c in constants.items()}
    _refuse(_value_problems(graph, arrays))
    for name, constant in constants.items():
        constant.data = arrays[name]


def check_values(graph: Graph) -> None:
    """Raise E0408 (not finite) or E0409 (negative variance) for data bound already."""
    _refuse(_value_problems(graph, {name: c.array for name, c in graph.constants().items()}))


def save_weights(graph: Graph, path: Path) -> None:
    """Write all constants to a .safetensors file, completely or not at all; raises E0703."""
    content = save({name: constant.array for name, constant in graph.constants().items()})
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


def _type_problems(
    constants: Mapping[str, Constant], stored: Mapping[str, Stored]
) -> Iterator[Diagnostic]:
    both = [(constants[name], stored[name]) for name in constants if name in stored]
    shapes = [(c, s) for c, s in both if s.shape != c.type.shape]
    floats = [s for c, s in both if c.type.element.is_float and s.dtype not in CONVERTED]
    integers = [(c, s) for c, s in both if s.dtype != INTEGERS.get(c.type.element.stored, s.dtype)]
    if shapes:
        wrong = [f"{s.name} is {extents(s.shape)}, not {extents(c.type.shape)}" for c, s in shapes]
        yield Diagnostic(
            "E0406", f"{count(wrong)} of another shape", label=listing(wrong), helps=_order(shapes)
        )
    if floats:
        wrong = [f"{s.name} is {s.dtype}" for s in floats]
        yield Diagnostic(
            "E0407",
            f"{count(wrong)} of a type that mbc does not read",
            label=listing(wrong),
            helps=("store float32; float16 and float64 are converted to it",),
        )
    if integers:
        wrong = [
            f"{s.name} is {s.dtype}, not {INTEGERS[c.type.element.stored]}" for c, s in integers
        ]
        yield Diagnostic(
            "E0407", f"{count(wrong)} of another type than its constant", label=listing(wrong)
        )


def _order(shapes: Sequence[tuple[Constant, Stored]]) -> tuple[str, ...]:
    """Return a hint where the axes are in PyTorch's order."""
    for constant, stored in shapes:
        axes = (2, 3, 1, 0) if len(stored.shape) == 4 else (1, 0)
        if len(stored.shape) != len(axes):
            continue
        if tuple(stored.shape[axis] for axis in axes) == constant.type.shape:
            return (f"PyTorch's order? {stored.name}.transpose{axes} has the right one",)
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


def count(names: Sequence[str]) -> str:
    """Count in words: '1 weight', '3 weights'."""
    return f"{len(names)} weight{'s' if len(names) != 1 else ''}"


def listing(names: Sequence[str]) -> str:
    """List the first few names, and the number of further ones."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def extents(shape: Iterable[int]) -> str:
    """Format a shape or an index in the notation of types."""
    return f"[{','.join(map(str, shape))}]"
