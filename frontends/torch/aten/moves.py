"""Ops that move data, or none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.torch.aten.activations import Rule
from mbc.frontends.torch.site import Site


def alias(s: Site) -> str:
    """Its operand as it is."""
    return s.value("self")


def lifted(s: Site) -> str:
    """Its operand as it is."""
    return s.value(next(iter(s.arguments)))


def dropout(s: Site) -> str:
    """Its operand as it is; training mode is not supported."""
    if s.arguments.get("train"):
        raise Unsupported("it is in training mode", "call model.eval() before it is exported")
    return s.value("input")


def cast(s: Site) -> str:
    """Between floating-point types, which are all computed as float32."""
    dtype = str(s.arguments.get("dtype"))
    if dtype != "None" and "float" not in dtype:
        raise Unsupported(f"its result is {dtype.removeprefix('torch.')}")
    return s.value("self")


def reshape(s: Site) -> str:
    """Any static shape; what only cuts or joins channels, or joins other axes, moves no data."""
    if s.shape == s.shape_of("self"):
        return s.value("self")
    return s.result("Reshape", s.value("self"))


def expand(s: Site) -> str:
    """Broadcast to a shape; where arithmetic reads it, which broadcasts itself."""
    x = s.value("self")
    if s.shape == s.draft.shape_of(x):
        return x
    made = s.result("Expand", x)
    s.draft.expanded[made] = s.draft.expanded.get(x, x)
    return made


def permute(s: Site) -> str:
    """Any order of axes; moves no data."""
    rank = s.rank("self")
    perm = tuple(int(axis) % rank for axis in s.arguments["dims"])
    return s.result("Transpose", s.value("self"), perm=perm)


def transpose(s: Site) -> str:
    """Two axes swapped; moves no data."""
    perm = [*range(s.rank("self"))]
    first, second = s.axis("dim0"), s.axis("dim1")
    perm[first], perm[second] = second, first
    return s.result("Transpose", s.value("self"), perm=tuple(perm))


def matrix_transpose(s: Site) -> str:
    """Rows of a matrix as columns."""
    perm = tuple(reversed(range(s.rank("self"))))
    return s.result("Transpose", s.value("self"), perm=perm)


def cat(s: Site) -> str:
    """Along any axis; along channels its parts are read where they are."""
    parts = _tensors(s)
    return s.result("Concat", *parts, axis=int(s.arguments["dim"]) % len(s.shape))


def stack(s: Site) -> str:
    """Along a new axis."""
    axis = int(s.arguments["dim"]) % len(s.shape)
    one = (*s.shape[:axis], 1, *s.shape[axis + 1 :])
    parts = [s.step("Reshape", part, shape=one) for part in _tensors(s)]
    return s.result("Concat", *parts, axis=axis)


def _tensors(s: Site) -> Sequence[str]:
    parts = s.arguments["tensors"]
    if not all(isinstance(part, str) for part in parts):
        raise Unsupported("its parts are no tensors")
    return [str(part) for part in parts]


def split(s: Site) -> tuple[str, ...]:
    """Along any axis, into any sizes; along channels by views."""
    s.add("Split", [s.value("self")], s.results, {"axis": s.axis("dim")})
    return s.results


def unbind(s: Site) -> tuple[str, ...]:
    """All slices of extent 1 along an axis, without it."""
    axis = s.axis("dim")
    for index, name in enumerate(s.results):
        place = s.constant(f"index{index}", np.array(index))
        s.add("Gather", [s.value("self"), place], [name], {"axis": axis})
    return s.results


def select(s: Site) -> str:
    """One slice along an axis, without it."""
    index = s.constant("index", np.array(int(s.arguments["index"])))
    return s.result("Gather", s.value("self"), index, axis=s.axis("dim"))


def slice_(s: Site) -> str:
    """Along one axis, with a step."""
    extent = s.shape_of("self")[s.axis("dim")]
    start, end = s.arguments["start"], s.arguments["end"]
    return _sliced(s, start or 0, extent if end is None else end, s.arguments["step"])


def narrow(s: Site) -> str:
    """Along one axis, from a start on."""
    start = int(s.arguments["start"])
    start += s.shape_of("self")[s.axis("dim")] if start < 0 else 0
    return _sliced(s, start, start + s.arguments["length"], 1)


def _sliced(s: Site, start: int, end: int, step: int) -> str:
    if s.shape == s.shape_of("self"):
        return s.value("self")
    numbers = (("start", start), ("end", end), ("axis", s.axis("dim")), ("step", step))
    return s.result("Slice", s.value("self"), *(s.numbers(role, [n]) for role, n in numbers))


def index(s: Site) -> str:
    """By one list of constant indices along one axis."""
    given = s.arguments["indices"]
    axes = [axis for axis, each in enumerate(given) if each is not None]
    if len(axes) != 1:
        raise Unsupported("it has indices for several axes")
    return s.result("Gather", s.value("self"), str(given[axes[0]]), axis=axes[0])


def index_select(s: Site) -> str:
    """By a list of constant indices along one axis."""
    return s.result("Gather", s.value("self"), s.value("index"), axis=s.axis("dim"))


def flip(s: Site) -> str:
    """Axes backwards."""
    x, rank = s.value("self"), s.rank("self")
    for axis in (int(dim) % rank for dim in s.arguments["dims"]):
        order = s.numbers("index", range(s.shape[axis])[::-1])
        x = s.step("Gather", x, order, axis=axis, shape=s.shape)
    return x


def channel_shuffle(s: Site) -> str:
    """Channels of groups in turn."""
    images, channels, *sides = s.shape
    groups = int(s.arguments["groups"])
    cut = (images, groups, channels // groups, *sides)
    perm = (0, 2, 1, *range(3, len(cut)))
    turned = tuple(cut[axis] for axis in perm)
    parts = s.step("Reshape", s.value("self"), shape=cut)
    return s.result("Reshape", s.step("Transpose", parts, perm=perm, shape=turned))


def pixel_shuffle(s: Site) -> str:
    """Channels as blocks of pixels."""
    block = int(s.arguments["upscale_factor"])
    return s.result("DepthToSpace", s.value("self"), mode="CRD", blocksize=block)


def pixel_unshuffle(s: Site) -> str:
    """Blocks of pixels as channels."""
    block = int(s.arguments["downscale_factor"])
    return s.result("SpaceToDepth", s.value("self"), blocksize=block, mode="CRD")


def constant_pad(s: Site) -> str:
    """Numbers around the last axes."""
    return _padded(s, "constant", s.arguments["value"])


def pad(s: Site) -> str:
    """Numbers around the last axes, or copies by reflection or edge."""
    value = s.arguments["value"]
    return _padded(s, s.arguments["mode"], 0 if value is None else value)


def mirrored(mode: str) -> Rule:
    """Return the rule of a pad that copies."""

    def rule(s: Site) -> str:
        return _padded(s, mode, 0)

    rule.__doc__ = f"Copies around the last axes, by {mode}."
    return rule


def _padded(s: Site, mode: str, value: float) -> str:
    """Pad; PyTorch names begin and end of the last axis first."""
    given = next(s.arguments[role] for role in ("pad", "padding") if role in s.arguments)
    rank = s.rank("self")
    sides = np.zeros((2, rank), np.int64)
    for place, number in enumerate(given):
        sides[place % 2, rank - 1 - place // 2] = number
    if not sides.any():
        return s.value("self")
    pads = s.constant("pads", sides.ravel())
    fill = s.number("value", value)
    return s.result(
        "Pad", s.value("self"), pads, fill, mode="edge" if mode == "replicate" else mode
    )


RULES: dict[str, Rule] = {
    **dict.fromkeys(("_to_copy", "to", "type_as"), cast),
    **dict.fromkeys(("alias", "clone", "contiguous", "detach", "detach_"), alias),
    **dict.fromkeys(("alpha_dropout", "dropout", "feature_dropout", "native_dropout"), dropout),
    **dict.fromkeys(("lift_fresh", "lift_fresh_copy"), lifted),
    **dict.fromkeys(
        ("_unsafe_view", "flatten", "reshape", "squeeze", "unflatten", "unsqueeze", "view"), reshape
    ),
    **dict.fromkeys(("chunk", "split", "split_with_sizes", "tensor_split"), split),
    **dict.fromkeys(("channel_shuffle", "native_channel_shuffle"), channel_shuffle),
    **dict.fromkeys(("reflection_pad1d", "reflection_pad2d"), mirrored("reflect")),
    **dict.fromkeys(("replication_pad1d", "replication_pad2d"), mirrored("replicate")),
    "cat": cat,
    "constant_pad_nd": constant_pad,
    "expand": expand,
    "flip": flip,
    "index": index,
    "index_select": index_select,
    "narrow": narrow,
    "numpy_T": matrix_transpose,
    "pad": pad,
    "permute": permute,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
    "select": select,
    "slice": slice_,
    "stack": stack,
    "t": matrix_transpose,
    "transpose": transpose,
    "unbind": unbind,
}
