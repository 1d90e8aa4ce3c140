"""Schedules of fused bodies: a chain of ops, streamed by rows.

Rows are computed on demand of the last op. A pointwise op needs the same rows of its producer,
which are computed just before, in scratch. A window op also needs neighbouring rows, which its
producer keeps in a ring buffer: row r lies in slot r mod capacity, and rows are computed a chunk at
a time. No row is computed twice or kept longer than needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Literal

from mbc.alignment import round_up
from mbc.backends.llvm.gemm import Gemm
from mbc.backends.llvm.integer.layers import product_of
from mbc.backends.llvm.integer.product import Product
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.kernels.base import Buffer
from mbc.backends.llvm.kernels.byte_rows import ByteRows, numbers_of
from mbc.backends.llvm.kernels.linear import is_gemm_rows, pointwise_gemm
from mbc.backends.llvm.kernels.patches import Patches, patches_of
from mbc.backends.llvm.kernels.windows import is_window_conv, window_of
from mbc.backends.llvm.window import Window
from mbc.ir.graph import Node
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView
from mbc.ops import AvgPool, Conv2d, Fused, MaxPool
from mbc.ops.linear import present
from mbc.records import dataclass
from mbc.schedules import Turns
from mbc.targets.elements import on_codes

SCRATCH_GOAL = 192 * 1024  # bytes of one thread's scratch that turns should not exceed
COUNTER_BYTES = 8
CONVERTED_GOAL = 16 * 1024  # bytes of the converted rows of a product of codes, likewise
CHUNKS = (4, 2, 1)
LEAST_PIXELS = 24  # of the rows that an op computes at a time for its reader, to fill tiles

Kind = Literal["pointwise", "window", "patches"]


def stage_kind(node: Node) -> Kind:
    """Return the kernel family of an op of a chain."""
    if isinstance(node.op, MaxPool | AvgPool):
        return "window"
    if not isinstance(node.op, Conv2d):
        raise TypeError(f"{node.op.label} cannot stand in a chain")
    if is_gemm_rows(node):
        return "pointwise"
    return "window" if is_window_conv(node) else "patches"


def chain_nodes(node: Node) -> tuple[Node, ...]:
    """Return the ops of a fused body in order, but for those that make floats of bytes; () if the
    node is not fused."""
    return tuple(node.op.body.topo()[len(numbers_of(node)) :]) if isinstance(node.op, Fused) else ()


def chain_refusal(node: Node) -> str:
    """Return why a fused body is not a chain that can be streamed; "" if it is one."""
    nodes, made = chain_nodes(node), numbers_of(node)
    assert isinstance(node.op, Fused)
    inputs = [made[-1].result] if made else node.op.body.inputs
    if made and not (nodes and _is_patches(nodes[0])):
        return "only convolutions of larger filters read bytes"
    for before, after in zip((None, *nodes), nodes, strict=False):
        if not isinstance(after.op, Conv2d | MaxPool | AvgPool):
            return f"{after.op.label} cannot be streamed by rows"
        source = after.view("x")
        if before is None:
            if not source.is_plain or source.value not in inputs:
                return "the first op must read an input as it is stored"
        elif source.values != before.results:
            return "the body is not a chain"
        kind = stage_kind(after)
        if before is not None and kind != "pointwise" and not _reads_rings(after, kind):
            return f"{after.op.label} cannot read rows as they are made"
        if refusal := _residual_refusal(after, nodes[-1], kind):
            return refusal
    return "" if node.op.body.outputs[0].is_plain else "the body returns a view"


def _reads_rings(node: Node, kind: Kind) -> bool:
    """Whether a window op can read rows that are made before it; those of codes are multiplied by
    kernels that read whole images."""
    return node.view("x").is_plain and (kind == "window" or not on_codes(node))


def _is_patches(node: Node) -> bool:
    return isinstance(node.op, Conv2d) and stage_kind(node) == "patches"


def _residual_refusal(node: Node, last: Node, kind: Kind) -> str:
    residual = node["residual"]
    if residual is None:
        return ""
    if node is not last or kind != "pointwise":
        return "only the last op, a pointwise one, may add a residual"
    plain = isinstance(residual, ChannelView) and residual.is_plain
    return "" if plain else "the residual is read through a view"


@dataclass(frozen=True)
class Stage:
    """One op of a chain."""

    node: Node
    """The op."""
    chunk: int
    """Output rows that are computed at a time."""
    height: int
    """Output rows of an image."""
    out: Buffer
    """Layout of the output rows."""
    capacity: int
    """Rows that are kept in scratch; 0 for the last op, which stores into the result."""
    offset: int
    """Byte offset of these rows in scratch."""
    patch_offset: int
    """Byte offset of the scratch of `Patches` or of a `Product`."""
    plan: Gemm | Window | Patches | Product
    """The schedule of a chunk."""


@dataclass(frozen=True)
class Chain:
    """The plan of a fused body."""

    stages: tuple[Stage, ...]
    """The ops, in order."""
    scratch_bytes: int
    """Scratch of one thread."""

    @property
    def turn(self) -> int:
        """Output rows of a task."""
        return self.stages[-1].chunk

    @property
    def turns(self) -> int:
        """Tasks of an image."""
        return self.stages[-1].height // self.turn


def plan_chain(isa: Isa, node: Node, x: Buffer, out: Buffer, residual: Buffer | None) -> Chain:
    """Plan a chain with the rows per turn of its schedule, or else the best number whose scratch
    stays within the goal. The number depends on types only, since memory is planned before the
    layout of tensors is known."""
    held = residual.type if residual else None
    turn = turns_of(node) or _best_turn(isa, node, x.type, out.type, held)
    return _plan(isa, node, x, out, residual, turn)


def _best_turn(
    isa: Isa, node: Node, x: TensorType, out: TensorType, residual: TensorType | None
) -> int:
    wide, held = Buffer.in_arena(x, isa), Buffer.in_arena(residual, isa) if residual else None
    made, turns = Buffer.in_arena(out, isa), turn_rows(out.shape[1])
    sizes = ((t, _plan(isa, node, wide, made, held, t).scratch_bytes) for t in turns)
    return next((t for t, size in sizes if size <= SCRATCH_GOAL), min(turns))


def turns_of(node: Node) -> int | None:
    """Return the rows of a turn in a node's schedule; None without one."""
    return node.schedule.rows if isinstance(node.schedule, Turns) else None


def chain_schedules(chain: Chain) -> tuple[Turns, ...]:
    """List the schedules of a chain, that of this plan first."""
    rows = turn_rows(chain.stages[-1].height)
    return tuple(map(Turns, dict.fromkeys((chain.turn, *rows))))


def turn_rows(height: int) -> list[int]:
    """List the possible rows per turn, best first: as many as possible in an even number of turns,
    since an odd number leaves one of two threads idle."""
    turns = [rows for rows in CHUNKS if height % rows == 0]
    return sorted(turns, key=lambda rows: height // rows % 2)


def _plan(
    isa: Isa, node: Node, x: Buffer, out: Buffer, residual: Buffer | None, turn: int
) -> Chain:
    nodes, made = chain_nodes(node), numbers_of(node)
    bytes = ByteRows.of(made, x) if made else None
    chunks = _chunks(nodes, turn)
    buffers = [Buffer.in_arena(n.result.type, isa) for n in nodes[:-1]] + [out]
    stages, converted = list[Stage](), round_up(COUNTER_BYTES * len(nodes))
    source = x if bytes is None else bytes.made
    offset = converted + _converted_bytes(isa, nodes, chunks, buffers, residual)
    for i, (step, chunk, target) in enumerate(zip(nodes, chunks, buffers, strict=True)):
        held = residual if i == len(nodes) - 1 else None
        plan = _stage_plan(isa, step, chunk, source, target, held)
        if isinstance(plan, Patches):
            plan = replace(plan, bytes=None if i else bytes, apart=i > 0)
        capacity = _capacity(step, nodes[i + 1], chunk) if i + 1 < len(nodes) else 0
        patch_offset = converted if isinstance(plan, Product) else offset
        if isinstance(plan, Patches):
            offset += round_up(plan.scratch_bytes)
        height = step.result.type.shape[1]
        memory = (capacity, offset, patch_offset)
        stages.append(Stage(step, chunk, height, target, *memory, plan))
        offset += round_up(capacity * target.row_bytes)
        source = target
    return Chain(tuple(stages), offset)


def _converted_bytes(
    isa: Isa,
    nodes: Sequence[Node],
    chunks: Sequence[int],
    buffers: Sequence[Buffer],
    residual: Buffer | None,
) -> int:
    """Return the scratch in which products of codes convert rows, one after the other."""
    products = (
        _product(isa, node, chunk, out, residual if node is nodes[-1] else None).scratch_bytes
        for node, chunk, out in zip(nodes, chunks, buffers, strict=True)
        if on_codes(node) and stage_kind(node) != "window"
    )
    return round_up(max(products, default=0))


def _product(isa: Isa, node: Node, chunk: int, out: Buffer, residual: Buffer | None) -> Product:
    """Schedule a product of codes over some rows of the image."""
    product = product_of(isa, node, out, residual, chunk * out.type.shape[2])
    return replace(product, near=CONVERTED_GOAL)


def _chunks(nodes: Sequence[Node], turn: int) -> list[int]:
    """Derive the rows that each op computes at a time from those of the last op."""
    chunks = [turn]
    for reader, producer in zip(nodes[:0:-1], nodes[-2::-1], strict=True):
        if stage_kind(reader) == "pointwise":
            chunks.append(chunks[-1])
            continue
        chunks.append(_chunk(producer.result.type, chunks[-1] * row_window(reader)[0]))
    return chunks[::-1]


def _chunk(made: TensorType, wanted: int) -> int:
    """Choose how many rows are computed at a time where a reader wants so many: few, since where
    two threads meet, both compute the rows that either needs, in whole chunks."""
    _, height, width, _ = made.shape
    fitting = sorted(c for c in {*CHUNKS, wanted} if c <= wanted and height % c == 0)
    return next((c for c in fitting if c * width >= LEAST_PIXELS), fitting[-1])


def seam_rows(nodes: Sequence[Node], turn: int) -> tuple[int, ...]:
    """Count the rows of each op that two threads compute both, if one makes the upper half of the
    last op's turns and the other one the rest."""
    chunks, height = _chunks(nodes, turn), nodes[-1].result.type.shape[1]
    above = below = height // turn // 2 * turn
    rows = [0]
    for reader, producer, chunk in zip(nodes[:0:-1], nodes[-2::-1], chunks[-2::-1], strict=True):
        stride, pad, extent = row_window(reader)
        if stage_kind(reader) != "pointwise":
            last = min((above - 1) * stride - pad + extent, producer.result.type.shape[1])
            above = -(-last // chunk) * chunk
            below = max(below * stride - pad, 0) // chunk * chunk
        rows.append(max(above - below, 0))
    return tuple(rows[::-1])


def _stage_plan(
    isa: Isa, node: Node, chunk: int, x: Buffer, out: Buffer, residual: Buffer | None
) -> Gemm | Window | Patches | Product:
    kind = stage_kind(node)
    if on_codes(node) and kind != "window":
        return _product(isa, node, chunk, out, residual)
    match kind:
        case "pointwise":
            rows = chunk * out.type.shape[2]
            return pointwise_gemm(isa, node, rows, [x.pixel_bytes], out, residual)
        case "window":
            return window_of(isa, node, [x], out)
        case "patches":
            return patches_of(isa, node, x, out.type, chunk)


def _capacity(producer: Node, reader: Node, chunk: int) -> int:
    """Return the most rows that the reader needs at once, in whole chunks of the producer; one
    chunk if no window overlaps the image."""
    if stage_kind(reader) == "pointwise":
        return chunk
    _, rows, _, _ = reader.result.type.shape
    return _most_rows(producer.result.type.shape[1], rows, row_window(reader), chunk)


@cache
def _most_rows(height: int, rows: int, window: tuple[int, int, int], chunk: int) -> int:
    """Compute `_capacity` for a window over `height` rows that gives `rows`."""
    stride, pad, extent = window
    most = chunk
    for y in range(rows):
        first = max(y * stride - pad, 0)
        end = min(max(y * stride - pad + extent, 0), height)
        most = max(most, -(-end // chunk) * chunk - first)
    return -(-most // chunk) * chunk


def row_window(node: Node) -> tuple[int, int, int]:
    """Return (stride, padding above, extent) of an op's window, in rows."""
    match node.op:
        case Conv2d(stride=stride, pad=pad, dilation=dilation):
            kernel = present(node.type_of("weight")).shape[0]
            return stride[0], pad[0], (kernel - 1) * dilation[0] + 1
        case MaxPool() | AvgPool() as op:
            return op.stride[0], op.pad[0], (op.kernel[0] - 1) * op.spacing[0] + 1
        case _:
            return 1, 0, 1


@dataclass(frozen=True)
class Ends:
    """The roles of the operands that the first and last op of a chain read."""

    x: str
    """Input of the first op."""
    residual: str | None
    """Residual of the last op; None without one."""


def ends_of(node: Node) -> Ends:
    """Return the operands at the ends of a fused node's chain."""
    nodes = chain_nodes(node)
    first, last = (*numbers_of(node), *nodes)[0], nodes[-1]
    residual = last["residual"]
    held = residual.value.name if isinstance(residual, ChannelView) else None
    return Ends(first.view("x").value.name, held)


def overlap_bytes(chain: Chain, ends: Ends, role: str, x: Buffer) -> int:
    """Return how many bytes before an operand the result must begin so that no store overwrites
    rows that are read later: the maximum, over turns, of the end of the stored rows minus the start
    of the first row still needed."""
    last = chain.stages[-1]
    step = chain.turn if isinstance(last.plan, Gemm | Product) else 1
    ahead = [0]
    for start in range(0, last.height, step):
        row = _still_needed(chain, ends, role, start, start + step)
        if row is not None:
            ahead.append((start + step) * last.out.row_bytes - row * x.row_bytes)
    return max(ahead)


def _still_needed(chain: Chain, ends: Ends, role: str, start: int, stop: int) -> int | None:
    """Return the first row of an operand that is read while output rows start … stop-1 are stored,
    or later; None if there is none."""
    rows = []
    if role == ends.residual:
        rows.append(start)
    if role == ends.x:
        # a chain of one op reads its operand while it stores
        following = start if len(chain.stages) == 1 else stop
        if following < chain.stages[-1].height:
            rows.append(_first_input_row(chain, following))
    return min(rows, default=None)


def _first_input_row(chain: Chain, row: int) -> int:
    """Return the first row of the chain's input that an output row depends on."""
    for stage in reversed(chain.stages):
        stride, pad, _ = row_window(stage.node)
        row = max(row * stride - pad, 0)
    return row
