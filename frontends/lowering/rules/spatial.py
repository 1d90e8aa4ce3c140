"""Resizes of images."""

from __future__ import annotations

from math import isclose

import numpy as np

from mbc.frontends.lowering.builder import IMAGE, Builder
from mbc.frontends.lowering.model import Node
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.rules.attributes import axis_of, text, whole
from mbc.frontends.lowering.tracked import Tracked
from mbc.ops.resize import COORDINATES, ROUNDINGS, Resize

MODES = {"nearest": "nearest", "linear": "bilinear"}
SAME_AS_HALF_PIXEL = ("half_pixel_symmetric", "pytorch_half_pixel")

Ints = tuple[int, ...]


def resize(b: Builder, node: Node) -> Tracked:
    """Height and width of images, nearest or linear, to whole extents."""
    x = b.input(0)
    for name, only in (("antialias", 0), ("exclude_outside", 0)):
        if whole(node, name, only) != only:
            raise Unsupported(f"its attribute {name} is set")
    if (policy := text(node, "keep_aspect_ratio_policy", "stretch")) != "stretch":
        raise Unsupported(f"its keep_aspect_ratio_policy is {policy}")
    if (mode := text(node, "mode", "nearest")) not in MODES:
        raise Unsupported(f"its mode is {mode}")
    coordinates = text(node, "coordinate_transformation_mode", "half_pixel")
    size = _extents(b, node, x, coordinates)
    if x.rank != 4 or size[:2] != x.shape[:2]:
        raise Unsupported("it does not resize the height and width of an image alone")
    if size == x.shape:
        return x
    grid = _grid(coordinates, [out for had, out in zip(x.shape, size, strict=True) if had != out])
    rounding = text(node, "nearest_mode", "round_prefer_floor") if mode == "nearest" else "floor"
    if rounding not in ROUNDINGS:
        raise Unsupported(f"its nearest_mode is {rounding}")
    op = Resize((size[2], size[3]), MODES[mode], grid, rounding)
    return Tracked.of(b.emit(op, [b.image(x)]), IMAGE)


def _extents(b: Builder, node: Node, x: Tracked, coordinates: str) -> Ints:
    """Return the extents of the result, given as such or by scales."""
    rank, found = x.rank, list(x.shape)
    named = node.attributes.get("axes", range(rank))
    axes = [axis_of(node, int(axis), rank) for axis in named]
    sizes, scales = b.optional_input(3, "size"), b.optional_input(2, "scale")
    by_size = sizes is not None and sizes.size > 0
    given = sizes if by_size else scales
    if given is None or given.size != len(axes):
        raise Unsupported("its scales or sizes are not one for each axis")
    for axis, each in zip(axes, np.ravel(given).tolist(), strict=True):
        exact = coordinates != "align_corners"
        found[axis] = int(each) if by_size else _scaled(x.shape[axis], each, exact=exact)
    if min(found) < 1:
        raise Unsupported("its result would be empty")
    return tuple(found)


def _scaled(extent: int, scale: float, *, exact: bool) -> int:
    """Return an extent times a scale; coordinates are by extents here, there by the scale."""
    nearest = round(extent * scale)
    if isclose(nearest, extent * scale, rel_tol=1e-6):
        return nearest
    if exact:
        helps = "export it with sizes in place of scales"
        raise Unsupported(f"its scale {scale:g} of {extent} gives no whole extent", helps)
    return int(extent * scale)


def _grid(coordinates: str, outs: list[int]) -> str:
    """Return the coordinates of mbc that are the same for such extents of the result."""
    if coordinates in SAME_AS_HALF_PIXEL and (coordinates[0] == "h" or min(outs) > 1):
        return "half_pixel"
    if coordinates not in COORDINATES:
        raise Unsupported(f"its coordinate_transformation_mode is {coordinates}")
    return coordinates
