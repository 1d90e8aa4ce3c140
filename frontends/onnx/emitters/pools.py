"""Pools."""

from __future__ import annotations

from math import prod

import numpy as np

from mbc.frontends.onnx.emitters.activations import activated
from mbc.frontends.onnx.emitters.linear import onnx_pads
from mbc.frontends.onnx.emitters.site import Emitters, Site
from mbc.frontends.onnx.writer import Writer
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool, Pool


def pool(w: Writer, kind: str, op: Pool, at: Site, **more: object) -> str:
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
    more = {} if op.dilation == (1, 1) else {"dilations": list(op.dilation)}
    return pool(w, "MaxPool", op, at, **more)


def avg_pool(w: Writer, op: AvgPool, at: Site) -> str:
    """AveragePool, then the activation. What hangs over is counted at first, as engines do not
    agree on `ceil_mode`."""
    mean = pool(w, "AveragePool", op, at, count_include_pad=int(op.count_pad))
    if any(op.overhang):
        share = np.float32(prod(op.kernel)) / op.counts(at.x_type)[None, None].astype(np.float32)
        mean = w.node("Mul", [mean, w.constant(f"{at.name}.share", share)], f"{at.name}.counted")
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
