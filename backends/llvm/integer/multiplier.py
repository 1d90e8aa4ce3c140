"""What kernels multiply: codes, by which unit, or floats."""

from __future__ import annotations

from collections import Counter

from mbc.backends.llvm.integer.dots import Dot, dot_of
from mbc.backends.llvm.integer.kernels import is_window
from mbc.backends.llvm.integer.layers import plan_product
from mbc.backends.llvm.integer.strips import on_bytes
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.kernels.base import Buffer
from mbc.backends.llvm.kernels.chain import chain_nodes
from mbc.backends.llvm.kernels.windows import window_of
from mbc.ir.graph import Node
from mbc.ops import Conv2d, Dense
from mbc.targets.elements import on_codes


def multiplier(isa: Isa, node: Node) -> Dot | None:
    """Return the unit by which a kernel multiplies most of what it multiplies; None where that are
    floats, as in windows that have no kernel on bytes, or nothing."""
    work = Counter[Dot | None]()
    for inner in chain_nodes(node) or (node,):
        work[_unit(isa, inner)] += inner.op.macs(inner.operand_types)
    unit, macs = work.most_common(1)[0]
    return unit if macs else None


def _unit(isa: Isa, node: Node) -> Dot | None:
    if not on_codes(node):
        return None
    if is_window(node):
        sources = [Buffer.in_arena(value.type, isa) for value in node.view("x").values]
        window = window_of(isa, node, sources, Buffer.in_arena(node.result.type, isa))
        return dot_of(isa) if on_bytes(window) else None
    return plan_product(isa, node).dot if isinstance(node.op, Conv2d | Dense) else None
