"""Resizes: of images by nearest pixels or linear, and all others by a matrix along each axis."""

from __future__ import annotations

from collections.abc import Sequence
from math import isclose

import numpy as np

from mbc.frontends.lowering.builder import IMAGE, Builder
from mbc.frontends.lowering.model import Node
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.rules.arithmetic import added
from mbc.frontends.lowering.rules.attributes import axis_of, real, text, whole
from mbc.frontends.lowering.rules.grid import taken
from mbc.frontends.lowering.rules.linear import rows_times
from mbc.frontends.lowering.rules.resampling import Sampling, matrix_of
from mbc.frontends.lowering.tracked import Tracked
from mbc.ops.resize import COORDINATES, ROUNDINGS, Resize
from mbc.records import dataclass

MODES = {"nearest": "nearest", "linear": "bilinear"}
SAME_AS_HALF_PIXEL = ("half_pixel_symmetric", "pytorch_half_pixel")

MOST_WEIGHTS = 2**22
"""Elements of the matrix by which an axis is resized."""


@dataclass(frozen=True)
class Target:
    """What becomes of an axis."""

    axis: int
    """Number of the axis."""
    size: int
    """Its extent."""
    out: int
    """Extent of the result."""
    scale: float
    """Distance of elements of x, by that of the result's."""
    region: tuple[float, float] = (0.0, 1.0)
    """The part that is read, of mode tf_crop_and_resize."""

    @property
    def is_exact(self) -> bool:
        """Whether the extents say the scale."""
        return isclose(self.out, self.size * self.scale, rel_tol=1e-6)


def resize(b: Builder, node: Node) -> Tracked:
    """Any axes: nearest, linear or cubic, with antialiasing.

    Height and width of an image, to whole extents by nearest pixels or linear, are one kernel."""
    x = b.input(0)
    how = Sampling(
        text(node, "mode", "nearest"),
        text(node, "coordinate_transformation_mode", "half_pixel"),
        text(node, "nearest_mode", "round_prefer_floor"),
        real(node, "cubic_coeff_a", -0.75),
        bool(whole(node, "antialias", 0)),
        bool(whole(node, "exclude_outside", 0)),
    )
    targets = _targets(b, node, x)
    if how.coordinates != "tf_crop_and_resize":
        targets = [each for each in targets if each.scale != 1 or each.out != each.size]
    if not targets:
        return x
    grid = _grid(how, targets)
    if grid is None or x.rank != len(IMAGE) or {each.axis for each in targets} - {2, 3}:
        return _resampled(b, x, how, targets, real(node, "extrapolation_value", 0.0))
    size = [*x.shape[2:]]
    for each in targets:
        size[each.axis - 2] = each.out
    rounding = how.rounding if how.mode == "nearest" else "floor"
    op = Resize((size[0], size[1]), MODES[how.mode], grid, rounding)
    return Tracked.of(b.emit(op, [b.image(x)]), IMAGE)


def _targets(b: Builder, node: Node, x: Tracked) -> list[Target]:
    """Return what becomes of each axis that is named; extents are given as such or by scales."""
    axes = [axis_of(node, int(a), x.rank) for a in node.attributes.get("axes", range(x.rank))]
    sizes, scales = b.optional_input(3, "size"), b.optional_input(2, "scale")
    by_size = sizes is not None and sizes.size > 0
    given = sizes if by_size else scales
    if given is None or given.size != len(axes):
        raise Unsupported("its scales or sizes are not one for each axis")
    numbers = np.ravel(given).tolist()
    if by_size:
        found = _by_sizes(node, x, axes, [int(n) for n in numbers])
    else:
        found = [_by_scale(axis, x.shape[axis], n) for axis, n in zip(axes, numbers, strict=True)]
    if any(each.out < 1 or each.scale <= 0 for each in found):
        raise Unsupported("its result would be empty")
    roi = b.optional_input(1, "region")
    if roi is None or roi.size != 2 * len(axes):
        return found
    pairs = roi.reshape(2, -1).T.tolist()
    return [
        Target(t.axis, t.size, t.out, t.scale, (start, end))
        for t, (start, end) in zip(found, pairs, strict=True)
    ]


def _by_sizes(node: Node, x: Tracked, axes: Sequence[int], sizes: Sequence[int]) -> list[Target]:
    scales = [size / x.shape[axis] for axis, size in zip(axes, sizes, strict=True)]
    match text(node, "keep_aspect_ratio_policy", "stretch"):
        case "stretch":
            return [
                Target(axis, x.shape[axis], size, scale)
                for axis, size, scale in zip(axes, sizes, scales, strict=True)
            ]
        case "not_larger":
            scale = min(scales)
        case "not_smaller":
            scale = max(scales)
        case policy:
            raise Unsupported(f"its keep_aspect_ratio_policy is {policy}")
    extents = [(axis, x.shape[axis]) for axis in axes]
    return [Target(axis, size, int(scale * size + 0.5), scale) for axis, size in extents]


def _by_scale(axis: int, size: int, scale: float) -> Target:
    nearest = round(size * scale)
    exact = isclose(nearest, size * scale, rel_tol=1e-6)
    return Target(axis, size, nearest if exact else int(size * scale), scale)


def _grid(how: Sampling, targets: Sequence[Target]) -> str | None:
    """Return the coordinates of the IR's resize that are the same; None if it has none, or is none
    of the same."""
    plain = how.mode in MODES and not (how.antialias or how.exclude_outside)
    if not plain or not all(each.is_exact for each in targets):
        return None
    if how.mode == "nearest" and how.rounding not in ROUNDINGS:
        return None
    least = min(each.out for each in targets)
    if how.coordinates in SAME_AS_HALF_PIXEL and (how.coordinates[0] == "h" or least > 1):
        return "half_pixel"
    return how.coordinates if how.coordinates in COORDINATES else None


def _resampled(
    b: Builder, x: Tracked, how: Sampling, targets: Sequence[Target], beyond: float
) -> Tracked:
    """Resize axis by axis; where the coordinates are outside, the result is `beyond`."""
    mask = np.zeros((1,) * x.rank, bool)
    for each in targets:
        if each.size * each.out > MOST_WEIGHTS:
            raise Unsupported(f"it resizes {each.size} elements to {each.out}, which is too much")
        matrix, outside = matrix_of(how, each.size, each.out, each.scale, each.region)
        shape = [1] * x.rank
        shape[each.axis] = -1
        mask = mask | outside.reshape(shape)
        if how.mode == "nearest" and not outside.any():
            x = taken(b, x, each.axis, matrix.argmax(axis=1), keep=True)
        else:
            x = _multiplied(b, x, each.axis, matrix.T.astype(np.float32))
    if not mask.any() or not beyond:
        return x
    return added(b, x, f"{b.name}.outside", np.where(mask, np.float32(beyond), np.float32(0)))


def _multiplied(b: Builder, x: Tracked, axis: int, matrix: np.ndarray) -> Tracked:
    """Multiply an axis with a matrix [size,out]."""
    others = [at for at in range(x.rank) if at != axis]
    made = rows_times(b, x.transposed((*others, axis)), f"{b.name}.rows", matrix)
    back = (*range(axis), x.rank - 1, *range(axis, x.rank - 1))
    return made.transposed(back)
