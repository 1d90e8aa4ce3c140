"""The emitter of each op. The body of a fused op is written node by node (export.py)."""

from __future__ import annotations

from mbc.frontends.onnx.emitters import (
    codes,
    elementwise,
    linear,
    moves,
    pools,
    reductions,
    rows,
    spatial,
    unary,
)
from mbc.frontends.onnx.emitters.site import Emitters
from mbc.ir.op import Op
from mbc.ops.fused import Fused

EMITTERS: Emitters = {
    **linear.EMITTERS,
    **elementwise.EMITTERS,
    **unary.EMITTERS,
    **rows.EMITTERS,
    **pools.EMITTERS,
    **spatial.EMITTERS,
    **reductions.EMITTERS,
    **moves.EMITTERS,
    **codes.EMITTERS,
}


def is_exported(op: type[Op]) -> bool:
    """Whether an op has a form in ONNX; a fused one has if the ops of its body do."""
    return op is Fused or op in EMITTERS
