"""What becomes of a case: it is computed right, or refused for a reason."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from onnx import ModelProto, ValueInfoProto

from mbc.diag import Diagnostic, MbcError
from mbc.driver.inprocess import compile_net
from mbc.driver.request import Request
from mbc.frontends.options import ModelOptions
from tests.onnx_backend import light
from tests.onnx_backend.cases import Case, outputs_of
from tests.onnx_models import by_onnxruntime

RELATIVE, ABSOLUTE = 1e-4, 1e-5
"""How far a number may be off: of itself, and of the largest of its tensor. Integers are exact."""

HALF = 1e-3
"""The same for tensors of float16, which are computed as float32."""

ROUNDED = {"averagepool_2d_ceil_last_window_starts_on_pad"}
"""Cases whose expected numbers are written with four digits; they take the tolerance of float16."""

NAMES = re.compile(r"'[^']*'")
"""Names in messages, which say nothing of the reason."""


def refusal_of(case: Case, folder: Path) -> str | None:
    """Compile and run a case; the reason why it is refused, None if it is right.

    Raises AssertionError for another answer than the expected one: no list excuses it.
    """
    for inputs, expected in case.sets:
        model, given = case.bound(inputs)
        if not given:
            return "no input is an activation: constants, integers or booleans alone"
        try:
            found = computed(model, given, folder)
        except MbcError as problem:
            return reason_of(problem.diagnostics)
        wanted = outputs_of(expected)
        if any(stands_for(own, other) for own, other in zip(found.values(), wanted, strict=True)):
            return "its output is quantised: mbc gives the numbers that the integers stand for"
        check(found, wanted, half=case.name in ROUNDED)
    return None


def stands_for(found: np.ndarray, expected: np.ndarray) -> bool:
    """Whether numbers are given where integers are expected."""
    return found.dtype.kind == "f" and expected.dtype.kind in "iu"


def refusal_of_light(name: str, folder: Path) -> str | None:
    """The same for one of the light_* models, beside onnxruntime."""
    model = light.drawn(name)
    given = light.inputs_of(model)
    try:
        found = computed(model, given, folder)
    except MbcError as problem:
        return reason_of(problem.diagnostics)
    check(found, by_onnxruntime(model, given))
    return None


def computed(
    model: ModelProto, given: Mapping[str, np.ndarray], folder: Path
) -> Mapping[str, np.ndarray]:
    """What a compiled model computes; MbcError where it is refused."""
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    options = ModelOptions(shapes=open_shapes(model, given))
    net = compile_net(Request(path, model=options), "llvm")
    stored = {
        spec.name: as_stored(array, spec.shape)
        for spec, array in zip(net.inputs, given.values(), strict=True)
    }
    with np.errstate(all="ignore"):
        return net.run(stored)


def open_shapes(model: ModelProto, given: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    """The shapes of the inputs that the model leaves open: what `--shape` is for."""
    return {
        value.name: given[value.name].shape
        for value in model.graph.input
        if value.name in given and value.type.HasField("tensor_type") and is_open(value)
    }


def is_open(value: ValueInfoProto) -> bool:
    """Whether an extent of an input is not set, or all of them."""
    tensor = value.type.tensor_type
    return not tensor.HasField("shape") or any(
        not dim.HasField("dim_value") for dim in tensor.shape.dim
    )


def reason_of(problems: Sequence[Diagnostic]) -> str:
    """One line for what is refused: all ops that are not supported, or the first other problem."""
    lacking = " is not supported"
    ops = sorted(d.message.removesuffix(lacking) for d in problems if d.message.endswith(lacking))
    if ops and all(d.code == "E0802" for d in problems):
        return f"op not supported: {', '.join(ops)}"
    first = problems[0]
    return f"{first.code} {NAMES.sub('…', first.message)}"


def as_stored(array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """A tensor of ONNX in the layout of an input or output of that shape."""
    if array.ndim == 4 and (array.shape != tuple(shape) or len({*shape[1:]}) == 1):
        array = array.transpose(0, 2, 3, 1)
    return array.reshape(shape)


def check(
    found: Mapping[str, np.ndarray], expected: Sequence[np.ndarray], *, half: bool = False
) -> None:
    """Compare outputs with those that ONNX's tests expect, `half` with the tolerance of float16."""
    assert len(found) == len(expected)
    for name, (own, wanted) in zip(found, zip(found.values(), expected, strict=True), strict=True):
        wanted = as_stored(wanted, own.shape)
        if wanted.dtype.kind != "f":
            np.testing.assert_array_equal(own, wanted, err_msg=name)
            continue
        coarse = half or wanted.dtype == np.float16
        wanted = wanted.astype(np.float32)
        size = np.abs(wanted[np.isfinite(wanted)]).max(initial=0)
        near, share = (HALF, HALF) if coarse else (RELATIVE, ABSOLUTE)
        np.testing.assert_allclose(own, wanted, rtol=near, atol=share * size, err_msg=name)
