"""Convolutions and dense layers on codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.gemm_runs import Run
from mbc.backends.llvm.integer.codes import Finish, element_of, scaled_operand, with_limit
from mbc.backends.llvm.integer.convert import Codes, Patches, emit_rows
from mbc.backends.llvm.integer.product import Places, Product, emit_product, pack
from mbc.backends.llvm.integer.tile import emit_tile
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.kernels.base import Buffer, Kernel, Site, constant_array
from mbc.backends.llvm.kernels.linear import group_order, is_gemm_rows, residual_pointer
from mbc.ir.graph import Node
from mbc.ops import Conv2d, Dense
from mbc.ops.linear import present


def product_of(isa: Isa, node: Node, out: Buffer, residual: Buffer | None) -> Product:
    """Schedule a convolution or dense layer."""
    assert isinstance(node.op, Conv2d | Dense)
    weight, groups = present(node.type_of("weight")), node.op.channel_groups
    return Product(
        isa,
        out.pixels,
        groups,
        weight.elements // weight.channels,
        out.type.channels // groups,
        out.pixel_bytes,
        min(out.room, residual.room if residual else out.room),
        Finish.of(node),
        scaled_operand(node, "residual") if residual else None,
        residual.pixel_bytes if residual else 0,
    )


def plan_product(isa: Isa, node: Node) -> Product:
    """Schedule a product whose operands and result all lie in the arena."""
    residual = node.type_of("residual") if isinstance(node.op, Conv2d) else None
    held = None if residual is None else Buffer.in_arena(residual, isa)
    return product_of(isa, node, Buffer.in_arena(node.result.type, isa), held)


def build_product(site: Site) -> Kernel:
    """Build a convolution or dense layer."""
    node, residual = site.node, site.optional("residual")
    product = product_of(site.isa, node, site.output, residual)
    product = replace(product, finish=with_limit(product.finish, node))
    f, zero = site.kernel_function(), element_of(node, "x").zero
    codes = Codes(product.dot, zero)
    if is_gemm_rows(node):
        groups = group_order(node.view("x"), product.groups)
        order: Sequence[Sequence[int]] = groups.order
        pitches = [source.pixel_bytes for source in site.buffers("x")]
        sources = list(zip(site.pointers("x"), pitches, strict=True))
        convert = partial(_convert_rows, product, codes, groups.runs, sources)
    else:
        order = [range(product.depth)] * product.groups
        patches = patches_of(product, codes, node, site.input("x"))
        convert = partial(_convert_patches, patches, site.pointers("x")[0])
    at = Places("%scratch", "%w", "%y0", residual_pointer(site))
    emit_product(f, product, convert, emit_tile, at)
    name = site.library.define(_product_name(node, product), f)
    return Kernel(name, product.tasks, product.scratch_bytes, _packed(product, node, order, zero))


def _convert_rows(
    product: Product,
    codes: Codes,
    runs: Sequence[Sequence[Run]],
    sources: Sequence[tuple[str, int]],
    f: Function,
    first: Count,
    last: Count,
) -> None:
    emit_rows(f, product, codes, runs, sources, first, last)


def _convert_patches(patches: Patches, x: str, f: Function, first: Count, last: Count) -> None:
    patches.emit(f, x, first, last)


def patches_of(product: Product, codes: Codes, node: Node, x: Buffer) -> Patches:
    """Return how a convolution reads its input."""
    op, weight = node.op, present(node.type_of("weight"))
    assert isinstance(op, Conv2d)
    _, height, width, channels = x.type.shape
    return Patches(
        product,
        codes,
        (height, width),
        (node.result.type.shape[1], node.result.type.shape[2]),
        (weight.shape[0], weight.shape[1]),
        op.stride,
        op.pad,
        op.dilation,
        channels // product.groups,
        x.pixel_bytes,
    )


def _packed(product: Product, node: Node, order: Sequence[Sequence[int]], zero: int) -> np.ndarray:
    groups, columns = product.groups, product.columns
    weight = constant_array(node["weight"], ()).reshape(-1, groups, columns).transpose(1, 0, 2)
    weight = np.stack([w[list(o)] for w, o in zip(weight, order, strict=True)])
    bias = np.asarray(constant_array(node["bias"], (groups * columns,)), np.int64)
    multiplier = constant_array(node["multiplier"], ())
    shape = (groups, columns)
    return pack(product, weight, bias.reshape(shape), multiplier.reshape(shape), zero)


def _product_name(node: Node, product: Product) -> str:
    groups = f"g{product.groups}_" if product.groups > 1 else ""
    kind = "dense" if isinstance(node.op, Dense) else "conv"
    if not is_gemm_rows(node):
        kind += "x".join(map(str, present(node.type_of("weight")).shape[:2]))
    size = f"k{product.depth}_n{product.columns}_m{product.rows}"
    return f"q8_{kind}_{groups}{size}_{product.dot.name}"
