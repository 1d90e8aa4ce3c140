"""Ops that move data: most of them become layouts, and move nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mbc.diag import error
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.tflite.options import numbers, whole
from mbc.frontends.tflite.slices import Bounds, strided
from mbc.frontends.tflite.translation import Translation, Translator, as_image, image_order

MIRRORS = {0: "reflect", 1: "symmetric"}
"""The modes of MIRROR_PAD by their numbers in the schema."""


def reshape(t: Translation) -> None:
    """Any static shape; what only cuts or joins channels, or joins other axes, moves no data."""
    wanted = numbers(t.operator, "NewShape", ())
    if t.has(1) and t.is_constant(1):
        wanted = t.integers(1, "shape")
    shape = t.result.shape
    fits = len(wanted) == len(shape) and all(
        extent in (-1, own) for extent, own in zip(wanted, shape, strict=True)
    )
    if wanted and not fits:
        listed = f"{[*wanted]}, its result {[*shape]}"
        raise error("E0806", f"RESHAPE '{t.result.name}' does not fit: it gives {listed}")
    t.finish_plain("Reshape", [t.plain(0)])


def same_elements(t: Translation) -> None:
    """Axes of extent 1, which move no data."""
    t.finish_plain("Reshape", [t.plain(0)])


def transpose(t: Translation) -> None:
    """Any order of axes; moves no data by itself."""
    t.finish_plain("Transpose", [t.plain(0)], perm=t.integers(1, "order of axes"))


def concatenation(t: Translation) -> None:
    """Along any axis; along channels its parts are read where they are."""
    count, rank = len(t.operator.inputs), len(t.result.shape)
    if any(t.is_constant(index) for index in range(count)):
        raise Unsupported("it joins constants with computed values")
    axis = t.axis(whole(t.operator, "Axis", 0), rank)
    shapes = [as_image(t.shape(index)) for index in range(count)]
    if len({(*shape[:axis], 0, *shape[axis + 1 :]) for shape in shapes}) != 1:
        raise Unsupported("its parts do not fit each other")
    t.finish("Concat", [t.value(index) for index in range(count)], axis=axis)


def pack(t: Translation) -> None:
    """Stack tensors of one shape along a new axis."""
    shape, count = t.result.shape, len(t.operator.inputs)
    axis = whole(t.operator, "Axis", 0) % max(len(shape), 1)
    one = (*shape[:axis], 1, *shape[axis + 1 :])
    parts = [t.node("Reshape", [t.plain(index)], one) for index in range(count)]
    t.finish_plain("Concat", parts, axis=axis)


def unpack(t: Translation) -> None:
    """Cut an axis into tensors without it."""
    shape, outputs = t.shape(0), t.operator.outputs
    axis = whole(t.operator, "Axis", 0) % max(len(shape), 1)
    for place, number in enumerate(outputs):
        start, stop = t.listed("start", [place]), t.listed("stop", [place + 1])
        one = (*shape[:axis], 1, *shape[axis + 1 :])
        part = t.node("Slice", [t.plain(0), start, stop, t.listed("axis", [axis])], one)
        t.to_result(t.node("Reshape", [part], t.tensor(number).shape), number)


def split(t: Translation) -> None:
    """Along any axis, into equal parts; along channels by views."""
    axis = t.axis(t.integer(0, "axis"), len(t.shape(1)))
    t.finish_parts("Split", [t.value(1)], axis=axis)


def split_v(t: Translation) -> None:
    """Along any axis, into any sizes; along channels by views."""
    axis = t.axis(t.integer(2, "axis"), len(t.shape(0)))
    t.finish_parts("Split", [t.value(0)], axis=axis)


def slice_(t: Translation) -> None:
    """Along any axes."""
    shape = t.shape(0)
    begins, sizes = t.integers(1, "begin"), t.integers(2, "size")
    if not len(begins) == len(sizes) == len(shape):
        raise Unsupported("its bounds do not fit its operand")
    bounds = [
        (begin, extent if size < 0 else begin + size, 1)
        for begin, size, extent in zip(begins, sizes, shape, strict=True)
    ]
    t.finish_plain("Slice", _sliced(t, bounds))


def strided_slice(t: Translation) -> None:
    """Along any axes, with masks; along channels with any step, along others forward."""
    bounds = (t.integers(index, "bounds") for index in (1, 2, 3))
    found = strided(t.operator, t.shape(0), *bounds)
    given = _sliced(t, found.bounds)
    shape = tuple(len(range(*each)) for each in found.bounds)
    if shape == t.result.shape:
        t.finish_plain("Slice", given)
    else:
        t.finish_plain("Reshape", [t.node("Slice", given, shape)])


def _sliced(t: Translation, bounds: Sequence[Bounds]) -> list[str]:
    """Return the operands of a slice along all axes, in the file's order."""
    firsts, lasts, steps = zip(*bounds, strict=True)
    ends = [end if end >= 0 else -(2**31) for end in lasts]  # before the first element
    axes = t.listed("axes", range(len(bounds)))
    given = zip(("start", "end", "step"), (firsts, ends, steps), strict=True)
    start, end, step = (t.listed(what, numbers) for what, numbers in given)
    return [t.plain(0), start, end, axes, step]


def gather(t: Translation) -> None:
    """By constant indices: along channels each taken once, along other axes any."""
    if whole(t.operator, "BatchDims", 0):
        raise Unsupported("its batch_dims is not 0")
    index = t.array(1, "index")
    name = t.keep(1, index, "index")
    t.finish_plain("Gather", [t.plain(0), name], axis=whole(t.operator, "Axis", 0))


def pad(t: Translation) -> None:
    """Zeros, or another constant number, around any axes."""
    value = t.floats(2, "value") if t.has(2) else np.zeros(1, np.float32)
    if value.size != 1:
        raise Unsupported("its value is no single number")
    given = [t.keep(2, value.ravel(), "pad")] if t.has(2) else []
    t.finish("Pad", [t.value(0), _pads(t), *given], mode="constant")


def mirror_pad(t: Translation) -> None:
    """Reflection around any axes, with the edge or without it."""
    mode = MIRRORS.get(whole(t.operator, "Mode", 0))
    if mode == "reflect":
        t.finish("Pad", [t.value(0), _pads(t)], mode=mode)
    elif mode == "symmetric":
        _symmetric(t)
    else:
        raise Unsupported("its mode is neither reflect nor symmetric")


def _pads(t: Translation) -> str:
    """Keep the pads as ONNX has them: all at the begin, then all at the end."""
    order = list(image_order(len(t.shape(0))))
    return t.listed("pads", _given_pads(t)[order].T.ravel().tolist())


def _given_pads(t: Translation) -> np.ndarray:
    pads, rank = t.array(1, "padding"), len(t.shape(0))
    if pads.shape != (rank, 2) or (pads < 0).any():
        raise Unsupported("its padding does not fit its operand")
    return pads.astype(np.int64)


def _symmetric(t: Translation) -> None:
    """Gather the elements of each axis that is padded; its ends are repeated."""
    x, shape = t.plain(0), t.shape(0)
    for axis, (first, last) in enumerate(_given_pads(t).tolist()):
        extent = shape[axis]
        if max(first, last) > extent:
            raise Unsupported("its padding is larger than its operand")
        if first or last:
            around = np.pad(np.arange(extent), (first, last), mode="symmetric")
            shape = (*shape[:axis], around.size, *shape[axis + 1 :])
            x = t.node("Gather", [x, t.listed("index", around.tolist())], shape, axis=axis)
    t.to_result(x)


def cast(t: Translation) -> None:
    """Between float32 and float16, which is computed as float32; of indices between int32 and
    int64, which are int32."""
    kinds = {t.tensor(t.number(0)).element, t.result.element}
    if not (kinds <= {"FLOAT16", "FLOAT32"} or kinds <= {"INT32", "INT64"}):
        raise Unsupported("its operand and result are neither both floats nor both indices")
    t.finish("Identity", [t.value(0)])


TRANSLATORS: Mapping[str, Translator] = {
    "CAST": cast,
    "CONCATENATION": concatenation,
    "EXPAND_DIMS": same_elements,
    "GATHER": gather,
    "MIRROR_PAD": mirror_pad,
    "PACK": pack,
    "PAD": pad,
    "PADV2": pad,
    "RESHAPE": reshape,
    "SLICE": slice_,
    "SPLIT": split,
    "SPLIT_V": split_v,
    "SQUEEZE": same_elements,
    "STRIDED_SLICE": strided_slice,
    "TRANSPOSE": transpose,
    "UNPACK": unpack,
}
"""How they are translated; the first line of a text is its documentation."""
