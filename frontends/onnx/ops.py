"""The emitter of each op. The body of a fused op is written node by node (export.py)."""

from __future__ import annotations

from mbc.frontends.onnx.emitters import elementwise, linear, moves, pools
from mbc.frontends.onnx.emitters.site import Emitters

EMITTERS: Emitters = {
    **linear.EMITTERS,
    **elementwise.EMITTERS,
    **pools.EMITTERS,
    **moves.EMITTERS,
}
