"""Pointwise convolutions and dense layers: all pixels are the rows of one GEMM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from operator import itemgetter

import numpy as np

from mbc.backends.llvm.gemm import Gemm
from mbc.backends.llvm.gemm_code import emit_gemm
from mbc.backends.llvm.gemm_pack import pack
from mbc.backends.llvm.gemm_panels import MAX_WIDTH
from mbc.backends.llvm.gemm_runs import Run
from mbc.backends.llvm.gemm_share import Pointers, Share
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.kernels.base import Buffer, Kernel, Site, constant_array
from mbc.backends.llvm.kernels.strassen import (
    HalvedProduct,
    can_halve,
    emit_strassen,
    pack_strassen,
)
from mbc.ir.activations import identifier
from mbc.ir.graph import Node
from mbc.ir.schedule import Schedule
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView
from mbc.ops import Conv2d, Dense
from mbc.ops.linear import is_pointwise, present
from mbc.records import dataclass
from mbc.schedules import Panels, Strassen


@dataclass(frozen=True)
class GroupOrder:
    """How each group of a 1x1 convolution reads its channels."""

    runs: tuple[tuple[Run, ...], ...]
    """Runs of stored channels, by group."""
    order: tuple[tuple[int, ...], ...]
    """The group's own channels, by group, in the order of the runs: by source, ascending."""


def group_order(view: ChannelView, groups: int) -> GroupOrder:
    """Compute the runs and channel order of each group of a view."""
    if view.is_plain:
        return _plain_order(view.type, groups)
    source = {value: i for i, value in enumerate(view.values)}
    stored = [(source[value], channel) for value, channel in view.channels]
    each = len(stored) // groups
    orders, runs = [], []
    for group in range(groups):
        own = stored[group * each : (group + 1) * each]
        order = tuple(sorted(range(each), key=own.__getitem__))
        orders.append(order)
        runs.append(source_runs([own[c] for c in order], view.type.element.bytes))
    return GroupOrder(tuple(runs), tuple(orders))


def _plain_order(type: TensorType, groups: int) -> GroupOrder:
    """Compute those of a value that is read as it is stored: a run each."""
    each, size = type.channels // groups, type.element.bytes
    runs = tuple((Run(size * each * group, each, 0),) for group in range(groups))
    return GroupOrder(runs, (tuple(range(each)),) * groups)


def source_runs(channels: Sequence[tuple[int, int]], element_bytes: int) -> tuple[Run, ...]:
    """Split sorted (source, channel) pairs into runs."""
    return tuple(
        run
        for source, group in groupby(channels, key=itemgetter(0))
        for run in contiguous([channel for _, channel in group], element_bytes, source)
    )


def contiguous(channels: Sequence[int], element_bytes: int, source: int = 0) -> tuple[Run, ...]:
    """Split channels of one source into maximal runs of consecutive ones."""
    breaks = (i for i in range(1, len(channels)) if channels[i] != channels[i - 1] + 1)
    ends = [0, *breaks, len(channels)] if channels else []
    return tuple(Run(element_bytes * channels[i], end - i, source) for i, end in pairwise(ends))


def pointwise_gemm(
    isa: Isa,
    node: Node,
    rows: int,
    a_pitches: Sequence[int],
    out: Buffer,
    residual: Buffer | None,
) -> Gemm:
    """Schedule a 1x1 convolution, grouped or not, or a dense layer over `rows` pixels. `a_pitches`
    are those of the values that its view reads, in bytes."""
    assert isinstance(node.op, Conv2d | Dense)
    groups = node.op.channel_groups
    columns = out.type.channels // groups
    return Gemm(
        isa.of_product(columns),
        rows,
        tuple(a_pitches),
        group_order(node.view("x"), groups).runs,
        columns,
        out.pixel_bytes,
        min(out.room, residual.room if residual else out.room),
        node.op.act,
        residual.pixel_bytes if residual else None,
        node.schedule.each if isinstance(node.schedule, Panels) else (),
        slopes=node["slope"] is not None,
    )


def pack_pointwise(gemm: Gemm, node: Node) -> np.ndarray:
    """Pack the panels of a 1x1 convolution or dense layer, rows in the order of the view's runs."""
    groups = len(gemm.groups)
    order = group_order(node.view("x"), groups).order
    weight = constant_array(node["weight"], ())
    weight = weight.reshape(-1, groups, gemm.columns).transpose(1, 0, 2)
    weight = np.stack([w[list(o)] for w, o in zip(weight, order, strict=True)])
    return pack(gemm, weight, group_bias(gemm, node), group_slope(gemm, node))


def group_bias(gemm: Gemm, node: Node) -> np.ndarray:
    """Return the bias as [groups, columns], zeros if it is absent."""
    groups = len(gemm.groups)
    bias = constant_array(node["bias"], (groups * gemm.columns,))
    return bias.reshape(groups, gemm.columns)


def group_slope(gemm: Gemm, node: Node) -> np.ndarray | None:
    """Return the slopes as [groups, columns], None if they are absent."""
    slope = node.constant("slope")
    return None if slope is None else slope.array.reshape(len(gemm.groups), gemm.columns)


def residual_pointer(site: Site) -> str | None:
    """Return the kernel's parameter with the residual's address; None without a residual."""
    return site.pointers("residual")[0] if site.optional("residual") else None


def build_pointwise(site: Site) -> Kernel:
    """Build a 1x1 stride-1 convolution or dense layer: all pixels are the rows of one GEMM."""
    node, sources, residual = site.node, site.buffers("x"), site.optional("residual")
    pitches = [source.pixel_bytes for source in sources]
    gemm = pointwise_gemm(site.isa, node, sources[0].pixels, pitches, site.output, residual)
    f = site.kernel_function()
    at = Pointers(site.pointers("x"), "%w", "%y0", residual_pointer(site))
    if plan := halved_of(node, gemm):
        emit_strassen(f, plan, at)
        images = f"_n{plan.images}" if plan.images > 1 else ""
        kind = f"f32_{linear_name(node, gemm)}_strassen_m{plan.gemm.rows}"
        name = site.library.define(kind + images, f)
        return Kernel(name, plan.tasks, plan.scratch_bytes, _pack_strassen(plan, node))
    emit_gemm(f, gemm, at, Share.of(gemm))
    name = site.library.define(f"f32_{linear_name(node, gemm)}_m{gemm.rows}", f)
    return Kernel(name, gemm.tasks, 0, pack_pointwise(gemm, node))


def halved_of(node: Node, gemm: Gemm) -> HalvedProduct | None:
    """Plan Strassen's method if it is the node's schedule; None if it is not, or if the GEMM cannot
    be halved."""
    return halved(node, gemm) if isinstance(node.schedule, Strassen) else None


def halved(node: Node, gemm: Gemm) -> HalvedProduct | None:
    """Plan Strassen's method for a product; None if its images cannot be halved."""
    images = node.result.type.shape[0]
    image = replace(gemm, rows=gemm.rows // images)
    plain = isinstance(node.op, Conv2d) and node.view("x").is_plain and node["slope"] is None
    fits = plain and can_halve(image)
    return HalvedProduct(image, images) if fits else None


def plan_halved(isa: Isa, node: Node) -> HalvedProduct | None:
    """Plan Strassen's method if it is the schedule of a node whose operands and result all lie in
    the arena."""
    return halved_of(node, plan_rows(isa, node)) if isinstance(node.schedule, Strassen) else None


def product_schedules(isa: Isa, node: Node) -> tuple[Schedule, ...]:
    """List the schedules of a product: the best panels, panels of one width, and Strassen's method
    if images can be halved."""
    gemm = plan_rows(isa, replace(node, schedule=None))
    vectors = sum(gemm.widths)
    equal = [(w,) * (vectors // w) for w in range(MAX_WIDTH, 0, -1) if vectors % w == 0]
    halves = () if halved(node, gemm) is None else (Strassen(),)
    return *dict.fromkeys(map(Panels.of, (gemm.widths, *equal))), *halves


def panels_refusal(isa: Isa, node: Node, schedule: Panels) -> str:
    """Return why the columns of a product cannot be split into given panels; "" if they can."""
    gemm = plan_rows(isa, replace(node, schedule=None))
    vectors, total = sum(gemm.widths), schedule.vectors
    if len(schedule.widths) != len(schedule.counts):
        return "panels have as many counts as widths"
    if not all(1 <= width <= MAX_WIDTH for width in schedule.widths) or any(
        count < 1 for count in schedule.counts
    ):
        return f"panels have 1 to {MAX_WIDTH} vectors each"
    return "" if total == vectors else f"its panels have {total} vectors, a group has {vectors}"


def plan_rows(isa: Isa, node: Node) -> Gemm:
    """Schedule the direct product of a node whose operands and result all lie in the arena."""
    x, out = node.view("x"), Buffer.in_arena(node.result.type, isa)
    pitches = [Buffer.in_arena(value.type, isa).pixel_bytes for value in x.values]
    held = node.type_of("residual")
    residual = None if held is None else Buffer.in_arena(held, isa)
    return pointwise_gemm(isa, node, out.pixels, pitches, out, residual)


def _pack_strassen(plan: HalvedProduct, node: Node) -> np.ndarray:
    weight = constant_array(node["weight"], ()).reshape(-1, plan.gemm.columns)
    return pack_strassen(plan, weight, group_bias(plan.gemm, node)[0])


def linear_name(node: Node, gemm: Gemm) -> str:
    """Format kind, depth, columns, groups and epilogue for a kernel's name."""
    kind = "fc" if isinstance(node.op, Dense) else "pw"
    return f"{kind}_{shape_name(gemm)}"


def shape_name(gemm: Gemm) -> str:
    """Format depth, columns, groups and epilogue for a kernel's name."""
    groups = f"_g{len(gemm.groups)}" if len(gemm.groups) > 1 else ""
    residual = "_add" if gemm.residual_pitch is not None else ""
    act = "" if gemm.act is None else f"_{identifier(gemm.act)}"
    slopes = "_prelu" if gemm.slopes else ""
    return f"{gemm.depth}x{gemm.columns}{groups}{residual}{slopes}{act}"


def is_gemm_rows(node: Node) -> bool:
    """Return whether all pixels of a node are rows of one GEMM."""
    match node.op:
        case Dense():
            return True
        case Conv2d() as op:
            return is_pointwise(op, present(node.type_of("weight")))
        case _:
            return False
