"""Pools."""

from __future__ import annotations

from mbc.frontends.onnx.emitters.activations import activated
from mbc.frontends.onnx.emitters.linear import onnx_pads
from mbc.frontends.onnx.emitters.site import Emitters, Site
from mbc.frontends.onnx.writer import Writer
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool, Pool


def pool(w: Writer, kind: str, op: Pool, at: Site, **more: int) -> str:
    """Emit a window pool of an ONNX op type."""
    return w.node(
        kind,
        [at.x],
        at.name,
        kernel_shape=list(op.kernel),
        strides=list(op.stride),
        pads=onnx_pads(op.pad),
        ceil_mode=0,
        **more,
    )


def max_pool(w: Writer, op: MaxPool, at: Site) -> str:
    """MaxPool."""
    return pool(w, "MaxPool", op, at)


def avg_pool(w: Writer, op: AvgPool, at: Site) -> str:
    """AveragePool, then the activation."""
    mean = pool(w, "AveragePool", op, at, count_include_pad=int(op.count_pad))
    return activated(w, mean, op.act, at.name)


def global_avg_pool(w: Writer, op: GlobalAvgPool, at: Site) -> str:
    """GlobalAveragePool, which keeps two axes of extent 1, and Flatten."""
    mean = w.node("GlobalAveragePool", [at.x], at.name)
    return w.node("Flatten", [mean], f"{at.name}.flatten", axis=1)


EMITTERS: Emitters = {
    MaxPool: max_pool,
    AvgPool: avg_pool,
    GlobalAvgPool: global_avg_pool,
}
