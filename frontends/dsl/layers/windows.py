"""Convolutions, dense layers and pools: layers that compute over windows or all channels."""

from __future__ import annotations

from mbc.frontends.dsl.builder import Tensor
from mbc.frontends.dsl.layers.defaults import Defaults
from mbc.frontends.dsl.pooling import Counting, counting, overhang_of
from mbc.frontends.dsl.window import Extent, Padding, flag, pair, sides, whole
from mbc.ops.linear import Conv2d, Dense
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool
from mbc.ops.window import wider


class WindowLayers(Defaults):
    """Layers with windows and filters."""

    def conv(
        self,
        x: Tensor,
        channels: int,
        kernel: Extent,
        *,
        stride: Extent = 1,
        padding: Padding | None = None,
        dilation: Extent = 1,
        groups: int = 1,
        bias: bool = False,
        name: str | None = None,
    ) -> Tensor:
        """2-D convolution of [n,h,w,c] to [n,oh,ow,channels].

        Parameters: weight [kh,kw,c/groups,channels], bias [channels].
        """
        outputs = whole("channels", channels)
        return self._conv(
            x, outputs, kernel, stride, padding, dilation, groups, bias, self.claim(name, "conv")
        )

    def depthwise(
        self,
        x: Tensor,
        kernel: Extent = 3,
        *,
        multiplier: int = 1,
        stride: Extent = 1,
        padding: Padding | None = None,
        dilation: Extent = 1,
        bias: bool = False,
        name: str | None = None,
    ) -> Tensor:
        """Depthwise convolution: `multiplier` filters m a channel, whose results are neighbours;
        parameters weight [kh,kw,1,c*m], bias [c*m]."""
        channels = self.read(x).type.channels
        outputs = channels * whole("multiplier", multiplier)
        layer = self.claim(name, "dw")
        return self._conv(x, outputs, kernel, stride, padding, dilation, channels, bias, layer)

    def pointwise(
        self,
        x: Tensor,
        channels: int,
        *,
        groups: int = 1,
        bias: bool = False,
        name: str | None = None,
    ) -> Tensor:
        """1x1 convolution; parameters weight [1,1,c/groups,channels], bias [channels]."""
        outputs = whole("channels", channels)
        return self._conv(x, outputs, 1, 1, 0, 1, groups, bias, self.claim(name, "pw"))

    def _conv(
        self,
        x: Tensor,
        outputs: int,
        kernel: Extent,
        stride: Extent,
        padding: Padding | None,
        dilation: Extent,
        groups: int,
        bias: bool,
        layer: str,
    ) -> Tensor:
        value = self.read(x)
        window = pair("kernel", kernel)
        steps, spread = pair("stride", stride), pair("dilation", dilation)
        given = self.default_padding if padding is None else padding
        pad = sides(given, value.type, window, steps, spread)
        per_group = max(value.type.channels // whole("groups", groups), 1)
        weight = self.parameter(layer, "weight", *window, per_group, outputs)
        offset = self.parameter(layer, "bias", outputs) if flag("bias", bias) else None
        op = Conv2d(stride=steps, pad=pad, dilation=spread, groups=groups)
        (result,) = self.emit(op, [value, weight, offset], layer)
        return result

    def dense(
        self, x: Tensor, channels: int, *, bias: bool = True, name: str | None = None
    ) -> Tensor:
        """Fully connected layer: [n,c] to [n,channels].

        Parameters: weight [c,channels], bias [channels].
        """
        value, outputs = self.read(x), whole("channels", channels)
        layer = self.claim(name, "fc")
        weight = self.parameter(layer, "weight", value.type.channels, outputs)
        offset = self.parameter(layer, "bias", outputs) if flag("bias", bias) else None
        (result,) = self.emit(Dense(), [value, weight, offset], layer)
        return result

    def max_pool(
        self,
        x: Tensor,
        kernel: Extent,
        *,
        stride: Extent | None = None,
        padding: Padding = 0,
        dilation: Extent = 1,
        ceil_mode: bool = False,
    ) -> Tensor:
        """Maximum over each window, padding excluded; the stride defaults to the kernel.

        With `ceil_mode` extents are rounded up: the last window may go beyond the padding.
        """
        value, window = self.read(x), pair("kernel", kernel)
        steps = pair("stride", kernel if stride is None else stride)
        spread = pair("dilation", dilation)
        pad = sides(padding, value.type, window, steps, spread)
        over = overhang_of(ceil_mode, value.type, window, steps, pad, spread)
        (result,) = self.emit(MaxPool(window, steps, wider(pad, over), spread), [value])
        return result

    def avg_pool(
        self,
        x: Tensor,
        kernel: Extent,
        *,
        stride: Extent | None = None,
        padding: Padding = 0,
        count_pad: Counting = False,
        ceil_mode: bool = False,
    ) -> Tensor:
        """Mean over each window; the stride defaults to the kernel.

        Padding counts as zeros only with `count_pad` (PyTorch counts it by default, TensorFlow
        never does). What `ceil_mode` adds beyond it counts only with `count_pad="overhang"`.
        """
        value, window = self.read(x), pair("kernel", kernel)
        steps = pair("stride", kernel if stride is None else stride)
        pad = sides(padding, value.type, window, steps)
        over = overhang_of(ceil_mode, value.type, window, steps, pad)
        op = AvgPool(window, steps, wider(pad, over), **counting(count_pad, pad, over))
        (result,) = self.emit(op, [value])
        return result

    def global_avg_pool(self, x: Tensor) -> Tensor:
        """Mean over height and width: [n,h,w,c] gives [n,c]."""
        (result,) = self.emit(GlobalAvgPool(), [self.read(x)])
        return result
