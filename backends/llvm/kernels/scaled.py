"""Pointwise convolutions of a tensor times a vector of channels for each image, as the gate of
squeeze-and-excitation is (arXiv 1709.01507 §3).

The weights are multiplied instead, a panel at a time, when a product comes to it. That is less work
where the image has more pixels than the result has channels.
"""

from __future__ import annotations

from collections.abc import Sequence

from mbc.alignment import round_up
from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.gemm import Gemm
from mbc.backends.llvm.gemm_code import emit_gemm
from mbc.backends.llvm.gemm_share import Pointers, Scaling, Share
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.kernels.base import Buffer, Kernel, Site
from mbc.backends.llvm.kernels.linear import (
    is_gemm_rows,
    linear_name,
    pack_pointwise,
    pointwise_gemm,
)
from mbc.ir.graph import Node, Operand
from mbc.ir.views import ChannelView
from mbc.ops import Conv2d, Fused
from mbc.ops.broadcast import is_channel_vector
from mbc.ops.elementwise import Mul
from mbc.records import dataclass

MOST_SCRATCH = 192 * 1024  # bytes of one thread's scratch for a panel


@dataclass(frozen=True)
class ScaledProduct:
    """The parts of a fused body that multiplies, then convolves."""

    mul: Node
    product: Node

    @property
    def ends(self) -> tuple[ChannelView, ChannelView] | None:
        """What is multiplied, and by what; None if that is no vector of channels for each image."""
        whole = self.mul.result.type.shape
        match self.mul.operands:
            case (ChannelView() as a, ChannelView() as b):
                for x, gate in ((a, b), (b, a)):
                    if x.type.shape == whole and is_channel_vector(gate.type.shape, whole):
                        return x, gate
        return None

    @property
    def residual(self) -> str | None:
        """The role of the residual among the operands of the fused node; None without one."""
        residual = self.product["residual"]
        return residual.value.name if isinstance(residual, ChannelView) else None


def scaled_product(node: Node) -> ScaledProduct | None:
    """Return the parts of a fused node that multiplies, then convolves; None if it is none."""
    nodes = node.op.body.topo() if isinstance(node.op, Fused) else []
    fits = [type(inner.op) for inner in nodes] == [Mul, Conv2d]
    return ScaledProduct(*nodes) if fits else None


def scaled_refusal(node: Node, scaled: ScaledProduct, isa: Isa) -> str:
    """Return why a fused node that multiplies, then convolves, has no kernel; "" if it has one."""
    assert isinstance(node.op, Fused)
    mul, product, (output, *_) = scaled.mul, scaled.product, node.op.body.outputs
    if scaled.ends is None or mul.op != Mul():
        return "it does not just multiply by a vector of channels for each image"
    if not is_gemm_rows(product) or product.op.channel_groups > 1:
        return "only weights of a pointwise convolution without groups can be multiplied instead"
    inside = ChannelView.of(mul.result)
    read = (*mul.views, *(v for role, v in product.items() if role == "residual" and v is not None))
    if product["x"] != inside or not all(_is_input(node, view) for view in read):
        return "its operands are read through views"
    if output != ChannelView.of(product.result):
        return "the body returns a view"
    if product["slope"] is not None:
        return "multiplied weights have no slopes beside them"
    size = scratch_of(scaled, isa)
    return "" if size <= MOST_SCRATCH else f"a panel of its weights takes {size} bytes of scratch"


def _is_input(node: Node, operand: Operand) -> bool:
    assert isinstance(node.op, Fused)
    return (
        isinstance(operand, ChannelView)
        and operand.is_plain
        and operand.value in node.op.body.inputs
    )


def scratch_of(scaled: ScaledProduct, isa: Isa) -> int:
    """Return the scratch of one thread, in bytes: a panel."""
    x, out = (Buffer.in_arena(node.result.type, isa) for node in (scaled.mul, scaled.product))
    return round_up(_gemm(isa, scaled, x, out, None).panel_bytes)


def _gemm(isa: Isa, scaled: ScaledProduct, x: Buffer, out: Buffer, residual: Buffer | None) -> Gemm:
    """Schedule the product of an image."""
    rows = out.pixels // out.type.shape[0]
    return pointwise_gemm(isa, scaled.product, rows, [x.pixel_bytes], out, residual)


def build_scaled(site: Site) -> Kernel:
    """Build the product of each image, one after the other: tasks are those of the images."""
    scaled = scaled_product(site.node)
    assert scaled is not None
    assert scaled.ends is not None
    x, factors = (view.value.name for view in scaled.ends)
    held = None if scaled.residual is None else site.input(scaled.residual)
    gemm = _gemm(site.isa, scaled, site.input(x), site.output, held)
    f, images = site.kernel_function(), site.output.type.shape[0]

    def image(index: Count, _: list[str]) -> Sequence[str]:
        def of(role: str) -> str:
            (pointer,), buffer = site.pointers(role), site.input(role)
            return f.offset(pointer, f.binary("mul", index, buffer.bytes // images))

        residual = None if scaled.residual is None else of(scaled.residual)
        out = f.offset("%y0", f.binary("mul", index, site.output.bytes // images))
        scaling = Scaling(of(factors), "%scratch")
        at = Pointers((of(x),), "%w", out, residual, scaling=scaling)
        emit_gemm(f, gemm, at, _share_of_image(f, gemm, index))
        return []

    first = f.binary("udiv", "%begin", gemm.tasks)
    last = f.binary("udiv", f.binary("add", "%end", gemm.tasks - 1), gemm.tasks)
    f.loop(first, last, [], image)
    kind = f"f32_scaled_{linear_name(scaled.product, gemm)}_m{gemm.rows}"
    name = site.library.define(kind, f)
    weights = pack_pointwise(gemm, scaled.product)
    return Kernel(name, images * gemm.tasks, round_up(gemm.panel_bytes), weights)


def _share_of_image(f: Function, gemm: Gemm, image: Count) -> Share:
    """Return the part of an image's product that is among the tasks begin … end-1 of all."""
    start = f.binary("mul", image, gemm.tasks)
    stop = f.binary("add", start, gemm.tasks)
    begin = f.binary("sub", f.clamp("max", "%begin", start), start)
    end = f.binary("sub", f.clamp("min", "%end", stop), start)
    return Share.of(gemm, begin, end)
