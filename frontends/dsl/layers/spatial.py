"""Layers that give images another height and width."""

from __future__ import annotations

from mbc.frontends.dsl.builder import Builder, Tensor
from mbc.frontends.dsl.window import Extent, choice, pair
from mbc.ops.resize import COORDINATES, MODES, ROUNDINGS, Resize


class SpatialLayers(Builder):
    """Layers that change the extents of images."""

    def resize(
        self,
        x: Tensor,
        size: Extent,
        *,
        mode: str = "bilinear",
        coordinates: str | None = None,
        rounding: str | None = None,
    ) -> Tensor:
        """Resize [n,h,w,c] to a (height, width), by mode "bilinear" or "nearest".

        Coordinates are "half_pixel", the default of "bilinear", "asymmetric", that of "nearest", or
        "align_corners". Nearest rounds asymmetric ones by "floor", others to the nearest pixel, the
        later of two ("round_prefer_ceil"), unless `rounding` says otherwise.
        """
        kind = choice("mode", mode, MODES)
        usual = "asymmetric" if kind == "nearest" else "half_pixel"
        grid = choice("coordinates", usual if coordinates is None else coordinates, COORDINATES)
        if rounding is None:
            floors = kind == "bilinear" or grid == "asymmetric"
            rounding = "floor" if floors else "round_prefer_ceil"
        op = Resize(pair("size", size), kind, grid, choice("rounding", rounding, ROUNDINGS))
        (result,) = self.emit(op, [self.read(x)])
        return result
