"""Layers that give images another height and width: resizes and transposed convolutions."""

from __future__ import annotations

from mbc.frontends.dsl.builder import Builder, Tensor
from mbc.frontends.dsl.window import Extent, Padding, choice, flag, pair, sides, whole
from mbc.ir.types import TensorType
from mbc.ops.resize import COORDINATES, MODES, ROUNDINGS, Resize
from mbc.ops.transposed import TransposedConv
from mbc.ops.window import Pair


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

    def transposed_conv(
        self,
        x: Tensor,
        channels: int,
        kernel: Extent,
        *,
        stride: Extent = 1,
        padding: Padding = 0,
        output_padding: Extent = 0,
        groups: int = 1,
        bias: bool = False,
        name: str | None = None,
    ) -> Tensor:
        """Transposed convolution of [n,h,w,c] to [n,oh,ow,channels], oh = (h - 1) stride + kernel.

        `padding` cuts that, "same" to h * stride; `output_padding` adds to its end.
        Parameters: weight [kh,kw,c/groups,channels], bias [channels].
        """
        value, outputs = self.read(x), whole("channels", channels)
        window, steps = pair("kernel", kernel), pair("stride", stride)
        layer = self.claim(name, "up")
        large = _enlarged(value.type, steps)
        more = pair("output_padding", output_padding, least=0)
        op = TransposedConv(steps, sides(padding, large, window, steps), more, groups)
        per_group = max(value.type.channels // whole("groups", groups), 1)
        weight = self.parameter(layer, "weight", *window, per_group, outputs)
        offset = self.parameter(layer, "bias", outputs) if flag("bias", bias) else None
        (result,) = self.emit(op, [value, weight, offset], layer)
        return result


def _enlarged(x: TensorType, stride: Pair) -> TensorType:
    """Return the type of which x has the extents after a stride with padding "same"."""
    if x.rank != 4:  # the op itself will refuse it
        return x
    images, height, width, channels = x.shape
    return TensorType((images, height * stride[0], width * stride[1], channels))
