"""Pools over windows and maps, reductions over axes, and resizes of images."""

from __future__ import annotations

from math import isclose

from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.torch.aten.activations import Made, Rule, documented
from mbc.frontends.torch.site import Site

Pair = tuple[int, int]


def max_pool2d(s: Site) -> Made:
    """Maximum over windows, with ceil_mode and dilations."""
    return s.first("MaxPool", s.value("self"), dilations=s.pair("dilation"), **_window(s))


def avg_pool2d(s: Site) -> str:
    """Mean over windows, padding counted or not."""
    s.require("divisor_override", None)
    counted = int(s.arguments["count_include_pad"])
    return s.result("AveragePool", s.value("self"), count_include_pad=counted, **_window(s))


def _window(s: Site) -> dict[str, int | tuple[int, ...]]:
    kernel = s.pair("kernel_size")
    return {
        "kernel_shape": kernel,
        "strides": s.pair("stride") if s.arguments["stride"] else kernel,
        "pads": s.pair("padding") * 2,
        "ceil_mode": int(s.arguments["ceil_mode"]),
    }


def adaptive_avg_pool2d(s: Site) -> str:
    """Mean over windows that divide the map; over the whole map a global pool."""
    return s.result("AveragePool", s.value("self"), **_adaptive(s))


def adaptive_max_pool2d(s: Site) -> Made:
    """Maximum over windows that divide the map."""
    return s.first("MaxPool", s.value("self"), **_adaptive(s))


def _adaptive(s: Site) -> dict[str, Pair]:
    if s.rank("self") != 4:
        raise Unsupported("it reads no batch of images")
    sizes, outs = s.shape_of("self")[-2:], s.shape[-2:]
    if any(size % out for size, out in zip(sizes, outs, strict=True)):
        raise Unsupported(f"its windows differ: {list(outs)} do not divide {list(sizes)}")
    kernel = sizes[0] // outs[0], sizes[1] // outs[1]
    return {"kernel_shape": kernel, "strides": kernel}


def reduced(kind: str) -> Rule:
    """Return the rule of a reduction over any axes."""

    def rule(s: Site) -> str:
        return s.result(kind, s.value("self"), axes=_axes(s), keepdims=_keeps(s))

    return documented(rule, kind)


def norm(s: Site) -> str:
    """Square root of the sum of squares over any axes."""
    order = next(s.arguments[role] for role in ("ord", "p") if role in s.arguments)
    if order not in (2, None):
        raise Unsupported(f"its order is {order}")
    x = s.value("self")
    squares = s.step("Mul", x, x, shape=s.shape_of("self"))
    total = s.step("ReduceSum", squares, axes=_axes(s), keepdims=_keeps(s), shape=s.shape)
    return s.result("Sqrt", total)


def _axes(s: Site) -> tuple[int, ...]:
    given = s.arguments.get("dim")
    axes = given if isinstance(given, list | tuple) else [] if given is None else [given]
    return tuple(int(axis) for axis in axes)


def _keeps(s: Site) -> int:
    return int(s.arguments.get("keepdim", False))


def nearest(s: Site) -> str:
    """Nearest pixels, by the coordinates of their corners."""
    return _resized(s, "nearest", "asymmetric", "floor")


def nearest_exact(s: Site) -> str:
    """Nearest pixels, by the coordinates of their centres."""
    return _resized(s, "nearest", "half_pixel", "round_prefer_ceil")


def bilinear(s: Site) -> str:
    """Linear in both directions."""
    grid = "align_corners" if s.arguments["align_corners"] else "half_pixel"
    return _resized(s, "linear", grid, "floor")


def _resized(s: Site, mode: str, grid: str, rounding: str) -> str:
    x = next(s.value(role) for role in ("input", "self") if role in s.arguments)
    given = [s.arguments.get(role) for role in ("scales_h", "scales_w")]
    scales = s.arguments.get("scale_factors") or given
    for had, out, scale in zip(s.draft.shape_of(x)[2:], s.shape[2:], scales, strict=True):
        if scale is not None and grid != "align_corners" and not isclose(had * scale, out):
            helps = "interpolate to a size in place of a scale"
            raise Unsupported(f"its scale {scale:g} of {had} gives no whole extent", helps)
    sizes = s.numbers("size", s.shape)
    ways = {"coordinate_transformation_mode": grid, "nearest_mode": rounding}
    return s.result("Resize", x, "", "", sizes, mode=mode, **ways)


RULES: dict[str, Rule] = {
    "_upsample_nearest_exact2d": nearest_exact,
    "adaptive_avg_pool2d": adaptive_avg_pool2d,
    "_adaptive_avg_pool2d": adaptive_avg_pool2d,
    "adaptive_max_pool2d": adaptive_max_pool2d,
    "amax": reduced("ReduceMax"),
    "avg_pool2d": avg_pool2d,
    "linalg_vector_norm": norm,
    "max_pool2d": max_pool2d,
    "max_pool2d_with_indices": max_pool2d,
    "mean": reduced("ReduceMean"),
    "norm": norm,
    "sum": reduced("ReduceSum"),
    "upsample_bilinear2d": bilinear,
    "upsample_nearest2d": nearest,
}
