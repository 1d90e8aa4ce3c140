"""Checks of the tensors that a caller gives to a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from mbc.diag import Diagnostic, MbcError, nearest
from mbc.ir.elements import U8, Scalar
from mbc.runtime.abi import IoSpec

NUMBERS = "fiu"  # kinds of numpy's dtypes: floats and integers, which are converted


def check_inputs(specs: Sequence[IoSpec], given: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
    """Return the given tensors as arrays, in the order of the network's inputs.

    Raises E0710 for each that is missing, unknown, of another shape, or whose numbers its element
    type cannot represent; floats may round.
    """
    arrays = {name: np.asarray(value) for name, value in given.items()}
    known = {spec.name: spec for spec in specs}
    listed = f"the inputs are {', '.join(map(_typed, specs))}"
    misfits = (_misfit(spec, arrays.get(spec.name)) for spec in specs)
    problems = [Diagnostic("E0710", text, helps=(listed,)) for text in misfits if text]
    problems += [
        Diagnostic("E0710", f"there is no input '{name}'", helps=(listed, *nearest(name, known)))
        for name in arrays
        if name not in known
    ]
    if problems:
        raise MbcError(*problems)
    return {name: arrays[name] for name in known}


def dense_inputs(specs: Sequence[IoSpec], given: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
    """Return the checked tensors as networks read them: contiguous, of their element types."""
    checked = check_inputs(specs, given)
    return {
        spec.name: np.ascontiguousarray(checked[spec.name], spec.element.numpy) for spec in specs
    }


def _misfit(spec: IoSpec, array: np.ndarray | None) -> str:
    """Say what is wrong with an input; "" if nothing is."""
    if array is None:
        return f"input '{spec.name}' is missing"
    if array.dtype.kind not in NUMBERS:
        return f"input '{spec.name}' holds {array.dtype}, expected numbers"
    if array.shape != spec.shape:
        return f"input '{spec.name}' has shape {list(array.shape)}, expected {list(spec.shape)}"
    if spec.element is U8 and spec.scale == 1 and array.dtype.kind == "f":
        return f"input '{spec.name}' takes bytes, uint8 of 0 to 255, found {array.dtype}"
    if not _holds(spec.element, array):
        return f"input '{spec.name}' has elements that are no {spec.dtype}"
    return ""


def _holds(element: Scalar, array: np.ndarray) -> bool:
    """Whether the element type represents each of the numbers; floating-point types may round."""
    if element.is_float or array.dtype == element.numpy:
        return True
    with np.errstate(invalid="ignore", over="ignore"):
        return np.array_equal(array.astype(element.numpy), array)


def _typed(spec: IoSpec) -> str:
    return f"{spec.name}: {spec.dtype}[{','.join(map(str, spec.shape))}]"
