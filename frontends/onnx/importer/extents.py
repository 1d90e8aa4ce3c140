"""Static shapes: symbolic dimensions of inputs set by the user, all others inferred by onnx."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

from mbc.diag import error, nearest
from mbc.frontends.lowering.model import Shape
from mbc.ir.types import MAX_ELEMENTS, MAX_RANK


def fix_inputs(graph: Any, given: Mapping[str, Shape]) -> None:
    """Give every input the extents that the user has set.

    Raises E0804 for an unknown name, extents that contradict the model's, and inputs whose extents
    are still not known; E0807 for too large ones.
    """
    inputs = {value.name: value for value in graph.input}
    for name in given:
        if name not in inputs:
            helps = [
                *nearest(name, inputs),
                f"inputs: {', '.join(map(described, inputs.values()))}",
            ]
            raise error("E0804", f"--shape: the model has no input '{name}'", helps=helps)
    set_shapes(inputs.values(), given)
    _refuse_open([value for value in inputs.values() if shape_of(value) is None])
    for name, value in inputs.items():
        refuse_large(f"input '{name}'", shape_of(value) or ())


def set_shapes(values: Iterable[Any], given: Mapping[str, Shape]) -> None:
    """Set the shapes of the values that are named. Raises E0804 where one contradicts the
    model."""
    for value in values:
        if value.name in given:
            _fix(value, given[value.name])


def _fix(value: Any, shape: Shape) -> None:
    dims = value.type.tensor_type.shape.dim
    known = value.type.tensor_type.HasField("shape")
    fits = len(dims) == len(shape) and all(
        dim.dim_value in (extent, 0, -1) for dim, extent in zip(dims, shape, strict=True)
    )
    if known and not fits:
        wanted = "x".join(map(str, shape))
        message = f"--shape {value.name}={wanted} contradicts the model: {described(value)}"
        raise error("E0804", message)
    del dims[:]
    for extent in shape:
        dims.add().dim_value = extent


def _refuse_open(values: Sequence[Any]) -> None:
    if not values:
        return
    listed = ", ".join(map(described, values))
    plural = "inputs have" if len(values) > 1 else "an input has"
    options = " ".join(f"--shape {value.name}={_example(value)}" for value in values)
    raise error(
        "E0804", f"{plural} no static shape: {listed}", helps=[f"set it, as with {options}"]
    )


def described(value: Any) -> str:
    """Format an input: `x [batch,3,224,224]`."""
    if not value.type.tensor_type.HasField("shape"):
        return f"{value.name} (any shape)"
    dims = value.type.tensor_type.shape.dim
    words = (str(d.dim_value) if d.dim_value > 0 else d.dim_param or "?" for d in dims)
    return f"{value.name} [{','.join(words)}]"


def _example(value: Any) -> str:
    """Suggest extents: those of the model, 1 for a batch, and 224 for the sides of an image."""
    dims = value.type.tensor_type.shape.dim
    usual = (1, 3, 224, 224) if len(dims) in (0, 4) else (1,) * len(dims)
    known = [dim.dim_value for dim in dims] or [0] * len(usual)
    return "x".join(str(k if k > 0 else u) for k, u in zip(known, usual, strict=True))


def extents_of(value: Any) -> Shape | None:
    """Return the extents of a ValueInfoProto, 0 for those that are not known; None without their
    number."""
    tensor = value.type.tensor_type
    known = tensor.HasField("shape")
    return tuple(max(int(dim.dim_value), 0) for dim in tensor.shape.dim) if known else None


def shape_of(value: Any) -> Shape | None:
    """Return the extents of a ValueInfoProto; None unless all are known."""
    extents = extents_of(value)
    return None if extents is None or 0 in extents else extents


def refuse_large(what: str, shape: Shape) -> None:
    """Raise E0807 for a tensor beyond the limits of mbc."""
    if len(shape) > MAX_RANK or prod(shape) > MAX_ELEMENTS:
        size = "x".join(map(str, shape))
        limits = f"{MAX_RANK} axes and {MAX_ELEMENTS:,} elements"
        raise error("E0807", f"{what} is too large: {size}", label=f"mbc takes {limits}")
