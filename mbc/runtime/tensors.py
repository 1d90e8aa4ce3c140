"""The tensors that a caller hands to a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from mbc.diag import Diagnostic, MbcError, nearest
from mbc.runtime.abi import IoSpec

NUMBERS = "fiu"  # kinds of numpy's dtypes: floats and integers, which are converted


def check_inputs(specs: Sequence[IoSpec], given: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
    """The given tensors as arrays, in the order of the network's inputs; E0710 for each that is
    missing, unknown, of another shape, or no numbers."""
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
    """The checked tensors as kernels read them: contiguous float32."""
    checked = check_inputs(specs, given)
    return {name: np.ascontiguousarray(array, np.float32) for name, array in checked.items()}


def _misfit(spec: IoSpec, array: np.ndarray | None) -> str:
    """What is wrong with an input; "" if nothing is."""
    if array is None:
        return f"input '{spec.name}' is missing"
    if array.dtype.kind not in NUMBERS:
        return f"input '{spec.name}' holds {array.dtype}, expected numbers"
    if array.shape != spec.shape:
        return f"input '{spec.name}' has shape {list(array.shape)}, expected {list(spec.shape)}"
    return ""


def _typed(spec: IoSpec) -> str:
    return f"{spec.name}: {spec.dtype}[{','.join(map(str, spec.shape))}]"
