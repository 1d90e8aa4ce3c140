"""Convolutions and dense layers on codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.gemm_runs import Run
from mbc.backends.llvm.gemm_share import Share
from mbc.backends.llvm.integer.code import Convert, emit_product
from mbc.backends.llvm.integer.codes import Finish, element_of, scaled_operand, with_limit
from mbc.backends.llvm.integer.convert import Patches
from mbc.backends.llvm.integer.dots import unit_of_product
from mbc.backends.llvm.integer.product import Places, Product, pack
from mbc.backends.llvm.integer.rows import Codes, Source, emit_rows
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.kernels.base import Buffer, Kernel, Site, constant_array
from mbc.backends.llvm.kernels.linear import group_order, is_gemm_rows, residual_pointer
from mbc.ir.graph import Node
from mbc.ops import Conv2d, Dense
from mbc.ops.linear import present
from mbc.ops.quantized import LARGEST_WEIGHT
from mbc.records import dataclass


def product_of(
    isa: Isa, node: Node, out: Buffer, residual: Buffer | None, rows: int | None = None
) -> Product:
    """Schedule a convolution or dense layer over all pixels of the result, or some rows of them."""
    assert isinstance(node.op, Conv2d | Dense)
    weight, groups = present(node.type_of("weight")), node.op.channel_groups
    depth, columns = weight.elements // weight.channels, out.type.channels // groups
    return Product(
        unit_of_product(isa, depth, columns),
        out.pixels if rows is None else rows,
        groups,
        depth,
        columns,
        out.pixel_bytes,
        min(out.room, residual.room if residual else out.room),
        Finish.of(node),
        scaled_operand(node, "residual") if residual else None,
        residual.pixel_bytes if residual else 0,
        _largest_weight(node),
    )


def _largest_weight(node: Node) -> int:
    """Return what no weight of a layer is above, by its data if it has some."""
    weight = node.constant("weight")
    if weight is None or weight.data is None:
        return LARGEST_WEIGHT
    return max(abs(int(end)) for end in (weight.array.min(), weight.array.max()))


def plan_product(isa: Isa, node: Node) -> Product:
    """Schedule a product whose operands and result all lie in the arena."""
    residual = node.type_of("residual") if isinstance(node.op, Conv2d) else None
    held = None if residual is None else Buffer.in_arena(residual, isa)
    return product_of(isa, node, Buffer.in_arena(node.result.type, isa), held)


@dataclass(frozen=True)
class Layer:
    """A layer with the layouts of what it reads."""

    product: Product
    """Its schedule."""
    node: Node
    """The convolution or dense layer."""
    x: tuple[Buffer, ...]
    """The buffers that its input lies in."""

    @staticmethod
    def of(product: Product, node: Node, x: Sequence[Buffer]) -> Layer:
        """Return a layer whose constants have data."""
        limited = replace(product, finish=with_limit(product.finish, node))
        layer = Layer(limited, node, tuple(x))
        run = layer.run_as_it_lies()
        pitch = 0 if run is None else x[run.source].pixel_bytes
        return replace(layer, product=replace(limited, direct=pitch))

    def run_as_it_lies(self) -> Run | None:
        """Return the run that the rows of A are, if they can be multiplied as they lie: all groups
        side by side, whole k-steps, and nothing to subtract."""
        product, dot = self.product, self.product.dot
        if dot.less != 0 or dot.bytes > 1 or product.depth % dot.steps:
            return None
        if not is_gemm_rows(self.node):
            return None
        groups = group_order(self.node.view("x"), product.groups).runs
        first, depth = groups[0][0], product.depth
        side_by_side = [
            [Run(first.offset + group * depth, depth, first.source)]
            for group in range(product.groups)
        ]
        return first if [list(runs) for runs in groups] == side_by_side else None

    @property
    def _codes(self) -> Codes:
        return Codes(self.product.dot, element_of(self.node, "x").zero)

    def emit(self, f: Function, x: Sequence[str], first: Count, at: Places, share: Share) -> None:
        """Emit the share's rows of the product, given the addresses of the input's buffers; the
        first row of all is pixel `first` of the result."""
        convert = self._convert_rows(x) if is_gemm_rows(self.node) else self._patches(x[0])
        if self.product.direct:
            at = replace(at, a=self._as_it_lies(f, x, first))
        with f.vectors_of(self.product.isa):
            emit_product(f, self.product, partial(_shifted, convert, first), at, share)

    def _as_it_lies(self, f: Function, x: Sequence[str], first: Count) -> str:
        """Return the address of pixel `first`."""
        run = self.run_as_it_lies()
        assert run is not None
        here = f.offset(x[run.source], run.offset)
        return f.offset(here, f.binary("mul", first, self.product.direct))

    def _convert_rows(self, x: Sequence[str]) -> Convert:
        runs = group_order(self.node.view("x"), self.product.groups).runs
        sources = [
            Source(p, buffer.pixel_bytes, buffer.type.channels)
            for p, buffer in zip(x, self.x, strict=True)
        ]
        return partial(emit_rows, self.product, self._codes, runs, sources)

    def _patches(self, x: str) -> Convert:
        op, weight = self.node.op, present(self.node.type_of("weight"))
        assert isinstance(op, Conv2d)
        (buffer,) = self.x
        _, height, width, channels = buffer.type.shape
        patches = Patches(
            self.product,
            self._codes,
            (height, width),
            (self.node.result.type.shape[1], self.node.result.type.shape[2]),
            (weight.shape[0], weight.shape[1]),
            op.stride,
            op.pad,
            op.dilation,
            channels // self.product.groups,
            buffer.pixel_bytes,
        )
        return partial(patches.emit, x)

    def packed(self) -> np.ndarray:
        """Return the packed weights."""
        product, node = self.product, self.node
        groups, columns = product.groups, product.columns
        order: Sequence[Sequence[int]] = [range(product.depth)] * groups
        if is_gemm_rows(node):
            order = group_order(node.view("x"), groups).order
        weight = constant_array(node["weight"], ()).reshape(-1, groups, columns).transpose(1, 0, 2)
        weight = np.stack([w[list(o)] for w, o in zip(weight, order, strict=True)])
        bias = np.asarray(constant_array(node["bias"], (groups * columns,)), np.int64)
        multiplier = constant_array(node["multiplier"], ())
        shape, zero = (groups, columns), element_of(node, "x").zero
        return pack(product, weight, bias.reshape(shape), multiplier.reshape(shape), zero)

    @property
    def name(self) -> str:
        """Kind, depth, columns and groups, for a kernel's name."""
        kind, groups = "fc" if isinstance(self.node.op, Dense) else "pw", self.product.groups
        if not is_gemm_rows(self.node):
            kind = "conv" + "x".join(map(str, present(self.node.type_of("weight")).shape[:2]))
        residual = "_add" if self.product.residual else ""
        several = f"_g{groups}" if groups > 1 else ""
        return f"{kind}_{self.product.depth}x{self.product.columns}{several}{residual}"


def _shifted(
    convert: Convert, shift: Count, f: Function, first: Count, last: Count, target: str
) -> None:
    """Convert rows that are counted from `shift` on."""
    convert(f, f.binary("add", first, shift), f.binary("add", last, shift), target)


def build_product(site: Site) -> Kernel:
    """Build a convolution or dense layer."""
    node = site.node
    product = product_of(site.isa, node, site.output, site.optional("residual"))
    layer, f = Layer.of(product, node, site.buffers("x")), site.kernel_function()
    at = Places("%scratch", "%w", "%y0", residual_pointer(site))
    layer.emit(f, site.pointers("x"), 0, at, product.share)
    name = f"q8_{layer.name}_m{product.rows}_{product.dot.name}"
    packed = layer.packed()
    return Kernel(site.library.define(name, f), product.tasks, product.scratch_bytes, packed)
