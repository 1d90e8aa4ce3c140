"""Code of the GEMM core for a schedule (see `gemm`): groups, panels, row blocks, tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from mbc.backends.llvm.activations import activate, activate_stored, is_costly, sloped
from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.gemm import Gemm, Repeated, RowBlocks, Run, Sink, repeated_runs, split_runs
from mbc.backends.llvm.gemm_share import Pointers, Share
from mbc.backends.llvm.vectors import (
    arithmetic,
    fma,
    load,
    load_scalar,
    load_vectors,
    prefetch,
    splat,
    splat_lane,
    store,
)

LINE_BYTES = 64
MAX_STRAIGHT, MAX_TURNS = 16, 4  # most k-steps, and loop iterations, that are unrolled
MAX_PRODUCTS = 1024  # of a tile without a loop: LLVM's time grows with the square of a block's code


def emit_gemm(f: Function, gemm: Gemm, at: Pointers, share: Share) -> None:
    """Emit all groups, panels and the share's rows."""
    with f.vectors_of(gemm.isa):
        _emit_groups(f, gemm, at, share)


def _emit_groups(f: Function, gemm: Gemm, at: Pointers, share: Share) -> None:
    column_bytes, start = gemm.element_bytes * gemm.columns, 0
    if gemm.group_shift is not None:
        shift, start = gemm.group_shift, gemm.whole_groups

        def group(_: Count, values: list[str]) -> Sequence[str]:
            here = at.of(values)
            _emit_group(f, gemm, gemm.groups[0], here, share, narrow=False)
            after = here.moved(f, gemm.group_bytes, column_bytes, column_bytes)
            return after.with_a([f.offset(a, shift) for a in here.a]).values

        f.loop(0, start, at.carried, group)
    for index in range(start, len(gemm.groups)):
        here = at.moved(f, index * gemm.group_bytes, index * column_bytes, index * column_bytes)
        narrow = index >= gemm.whole_groups
        _emit_group(f, gemm, gemm.groups[index], here, share, narrow=narrow)


def _emit_group(
    f: Function, gemm: Gemm, runs: tuple[Run, ...], at: Pointers, share: Share, *, narrow: bool
) -> None:
    lanes = gemm.isa.lanes
    wide = len(gemm.widths) - narrow
    tiles = [Tile(gemm, runs, width, None) for width in gemm.widths[:wide]]
    if narrow:
        tiles.append(Tile(gemm, runs, gemm.widths[-1], gemm.columns % lanes))
    start = 0
    for tile, same in groupby(tiles):
        count = len(list(same))
        _emit_panels(f, tile, start, count, at, share)
        panel = count * tile.width * f.isa.vector_bytes
        at = at.moved(f, gemm.panel_rows * panel, panel, panel)
        start += count


@dataclass(frozen=True)
class Tile:
    """The register tiles of a panel."""

    gemm: Gemm
    runs: tuple[Run, ...]
    """Runs of A of the panel's group."""
    width: int
    """Width in vectors."""
    tail: int | None
    """Lanes of the last vector if it is narrow; None if it is whole."""

    @property
    def blocks(self) -> RowBlocks:
        """Row blocks of the panel."""
        return self.gemm.blocks(self.width)

    def lanes(self, vector: int) -> int | None:
        """Return the valid lanes of a vector of the tile, None for all."""
        return self.tail if vector == self.width - 1 else None


def _emit_panels(
    f: Function, tile: Tile, start: int, count: int, at: Pointers, share: Share
) -> None:
    """Emit the share's part of panels start … start+count-1, which have one width; `at` has the
    addresses of the first of them."""
    panel = tile.width * f.isa.vector_bytes
    first, last = share.panels(f, start, count)
    across = f.binary("mul", first, panel)
    at = at.moved(f, f.binary("mul", first, tile.gemm.panel_rows * panel), across, across)

    def body(index: Count, values: list[str]) -> Sequence[str]:
        here = at.of(values)
        blocks = share.blocks(f, tile.blocks.count, f.binary("add", index, start))
        following = f.offset(here.weights, tile.gemm.panel_rows * panel)
        ahead = following if tile.gemm.prefetches else None
        _emit_panel(f, tile, replace(here, ahead=ahead), *blocks)
        return here.moved(f, tile.gemm.panel_rows * panel, panel, panel).values

    f.loop(first, last, at.carried, body)


def _emit_panel(f: Function, tile: Tile, at: Pointers, first: Count, last: Count) -> None:
    blocks, at = tile.blocks, _scaled(f, tile, at)
    tall_end = f.clamp("min", last, blocks.tall_count)
    _emit_blocks(f, tile, at, blocks.tall, first, tall_end, 0)
    if blocks.tall_count < blocks.count:
        short_start = f.clamp("max", first, blocks.tall_count)
        _emit_blocks(f, tile, at, blocks.tall - 1, short_start, last, blocks.tall_count)


def _scaled(f: Function, tile: Tile, at: Pointers) -> Pointers:
    """Store a panel's biases, and its weights multiplied by what multiplies A, to scratch, where
    tiles then find them."""
    if at.scaling is None:
        return at
    row, panel = tile.width * f.isa.vector_bytes, at.scaling.panel
    for j, bias in enumerate(load_vectors(f, at.weights, 0, tile.width)):
        store(f, bias, panel, j * f.isa.vector_bytes)
    pointers = [f.offset(at.weights, row), f.offset(panel, row)]
    for run in tile.runs:
        factors = f.offset(at.scaling.factors, run.offset)
        pointers = _emit_scaled_run(f, tile, run, [factors, *pointers])
    return replace(at, weights=panel)


def _emit_scaled_run(f: Function, tile: Tile, run: Run, pointers: Sequence[str]) -> list[str]:
    """Multiply the weights of a run, given the addresses of its factors, weights and results;
    returns the addresses of the next run's weights and results."""
    row, size = tile.width * f.isa.vector_bytes, tile.gemm.element_bytes
    several = next(n for n in (tile.gemm.unroll, 2, 1) if run.length % n == 0)

    def body(_: Count, values: list[str]) -> Sequence[str]:
        factors, weights, out = values
        for k in range(several):
            factor = splat(f, load_scalar(f, f.offset(factors, k * size)))
            for j, column in enumerate(load_vectors(f, weights, k * row, tile.width)):
                value = arithmetic(f, "fmul", factor, column)
                store(f, value, out, k * row + j * f.isa.vector_bytes)
        steps = (several * size, several * row, several * row)
        return [f.offset(p, step) for p, step in zip(values, steps, strict=True)]

    carried = [("ptr", pointer) for pointer in pointers]
    return f.loop(0, run.length, carried, body, step=several)[1:]


def _emit_blocks(
    f: Function, tile: Tile, at: Pointers, height: int, start: Count, stop: Count, shift: int
) -> None:
    """Emit blocks of one height; a block's first row is block*height + shift."""
    row = f.binary("add", f.binary("mul", start, height), shift)
    here = at.down(f, tile.gemm, row)

    def block(index: Count, values: list[str]) -> Sequence[str]:
        now = here.of(values)
        _emit_tile(f, tile, now, _top(f, now, index), height)
        return now.down(f, tile.gemm, height).values

    f.loop(start, stop, here.carried, block)


def _top(f: Function, at: Pointers, block: Count) -> Pointers:
    """Return the addresses for the first row of a block: in the first block of all, the dump
    replaces output and residual."""
    if at.dump is None:
        return at
    first = f.op(f"icmp eq {f.isa.word} {block}, 0")

    def chosen(pointer: str) -> str:
        return f.op(f"select i1 {first}, ptr {at.dump}, ptr {pointer}")

    residual = None if at.residual is None else chosen(at.residual)
    return replace(at, out=chosen(at.out), residual=residual)


Accumulators = list[list[str]]


def _emit_tile(f: Function, tile: Tile, at: Pointers, top: Pointers, height: int) -> None:
    step = f.isa.vector_bytes
    bias = [load(f, at.weights, j * step) for j in range(tile.width)]
    acc = [list(bias) for _ in range(height)]
    here = replace(at, weights=f.offset(at.weights, tile.width * step))
    together, by_row = split_runs(tile.runs, f.isa.row_steps, tile.gemm.element_bytes)
    acc, here = _emit_runs(f, tile, together, here, acc)
    if tile.gemm.slopes:
        left = sum(run.length for run in by_row)
        slopes = f.offset(here.weights, left * tile.width * step)
        at, top = replace(at, weights=slopes), replace(top, weights=slopes)
    for row, sums in enumerate(_finished(f, acc)):
        if by_row:
            sums = _emit_row_steps(f, tile, by_row, here, row, sums)
        _emit_epilogue(f, tile, at, top, row, sums)
    if is_costly(tile.gemm.act):
        _activate_tile(f, tile, at, top, height)


def _finished(f: Function, acc: Accumulators) -> Accumulators:
    """Force the sums to be computed before all code that follows; returns them."""
    flat = f.finished([value for sums in acc for value in sums])
    return _by_row(flat, len(acc[0]))


def _by_row(flat: Sequence[str], width: int) -> Accumulators:
    return [list(flat[start : start + width]) for start in range(0, len(flat), width)]


def _emit_row_steps(
    f: Function, tile: Tile, runs: Sequence[Run], at: Pointers, row: int, sums: Sequence[str]
) -> list[str]:
    """Emit the last k-steps of one row, with weights at `at`; returns the finished sums."""
    acc, weights = [list(sums)], at.weights
    for run in runs:
        pixel = f.offset(at.a[run.source], row * tile.gemm.a_pitches[run.source] + run.offset)
        for k in range(run.length):
            pointer = f.offset(pixel, tile.gemm.element_bytes * k)
            weights = _emit_step_group(f, tile, [pointer], weights, acc, 1)
    return _finished(f, acc)[0]


def _is_straight(tile: Tile, run: Run) -> bool:
    """Whether the k-steps of a run are emitted without a loop."""
    return run.length <= min(MAX_STRAIGHT, MAX_TURNS * tile.gemm.unroll)


def _emit_runs(
    f: Function, tile: Tile, runs: Sequence[Run], at: Pointers, acc: Accumulators
) -> tuple[Accumulators, Pointers]:
    """Emit runs one after the other, or in loops over those at equal distances if that would be
    very long; returns the accumulators, and the addresses with the weights that follow."""
    steps = sum(run.length for run in runs if _is_straight(tile, run))
    is_long = steps * len(acc) * tile.width > MAX_PRODUCTS
    for repeated in repeated_runs(runs) if is_long else map(Repeated, runs):
        if repeated.times > 1 and _is_straight(tile, repeated.first):
            acc, at = _emit_repeated(f, tile, repeated, at, acc)
            continue
        for index in range(repeated.times):
            run = repeated.first.shifted(index * repeated.distance)
            acc, at = _emit_run(f, tile, run, at, acc)
    return acc, at


def _emit_repeated(
    f: Function, tile: Tile, repeated: Repeated, at: Pointers, acc: Accumulators
) -> tuple[Accumulators, Pointers]:
    """Emit a loop over short runs, several an iteration."""
    run, times, distance = repeated
    several = next(n for n in (4, 2, 1) if times % n == 0 and n * run.length <= MAX_STRAIGHT)

    def body(_: Count, values: list[str]) -> Sequence[str]:
        start, weights, *flat = values
        acc = _by_row(flat, tile.width)
        for index in range(several):
            a = f.offset(start, index * distance)
            acc, weights = _emit_steps(f, tile, run, a, weights, acc, run.length)
        return [f.offset(start, several * distance), weights, *(v for row in acc for v in row)]

    start = f.offset(at.a[run.source], run.offset)
    sums = [(f.isa.vector, v) for row in acc for v in row]
    carried = [("ptr", start), ("ptr", at.weights), *sums]
    _, weights, *flat = f.loop(0, times, carried, body, step=several)
    return _by_row(flat, tile.width), replace(at, weights=weights)


def _emit_run(
    f: Function, tile: Tile, run: Run, at: Pointers, acc: Accumulators
) -> tuple[Accumulators, Pointers]:
    """Emit all k-steps of a run, with weights at `at`; returns the accumulators, and the addresses
    with the weights of the next run."""
    a, length, unroll = f.offset(at.a[run.source], run.offset), run.length, tile.gemm.unroll
    if _is_straight(tile, run):
        acc, weights = _emit_steps(f, tile, run, a, at.weights, acc, length)
        return acc, replace(at, weights=weights)
    whole, height, ahead = length // unroll * unroll, len(acc), at.ahead
    looped = max(tile.gemm.depth - f.isa.row_steps, 1)
    stride = -(-height * tile.gemm.ahead_pitch * unroll // looped)

    def body(_: Count, values: list[str]) -> Sequence[str]:
        a, weights, *flat = values
        nearer = [] if ahead is None else [flat.pop()]
        for line in nearer:
            for at in range(0, stride, LINE_BYTES):
                prefetch(f, f.offset(line, at))
        inner, weights = _emit_steps(f, tile, run, a, weights, _by_row(flat, tile.width), unroll)
        sums, nearer = [v for row in inner for v in row], [f.offset(p, stride) for p in nearer]
        return [f.offset(a, tile.gemm.element_bytes * unroll), weights, *sums, *nearer]

    carried = [("ptr", a), ("ptr", at.weights), *((f.isa.vector, v) for row in acc for v in row)]
    carried += [] if ahead is None else [("ptr", ahead)]
    a, weights, *flat = f.loop(0, whole, carried, body, step=unroll)
    nearer = [] if ahead is None else [flat.pop()]
    weights, *nearer = f.forgotten([weights, *nearer])
    acc = _by_row(flat, tile.width)
    acc, weights = _emit_steps(f, tile, run, a, weights, acc, length - whole)
    return acc, replace(at, weights=weights, ahead=next(iter(nearer), None))


def _emit_steps(
    f: Function, tile: Tile, run: Run, a: str, weights: str, acc: Accumulators, count: int
) -> tuple[Accumulators, str]:
    """Emit `count` k-steps without a loop; returns the accumulators and the next weights."""
    acc, pitch = [list(row) for row in acc], tile.gemm.a_pitches[run.source]
    quad = f.isa.lanes if f.isa.broadcast == "lane" else 1
    k = 0
    while k < count:
        group = quad if count - k >= quad else 1
        along = tile.gemm.element_bytes * k
        row_pointers = [f.offset(a, row * pitch + along) for row in range(len(acc))]
        weights = _emit_step_group(f, tile, row_pointers, weights, acc, group)
        if tile.gemm.overlaps or count > tile.gemm.unroll:
            acc = _finished(f, acc)
        k += group
    return acc, weights


def _emit_step_group(
    f: Function, tile: Tile, rows: Sequence[str], weights: str, acc: Accumulators, steps: int
) -> str:
    """Emit a few k-steps, with A loaded as vectors along k for by-lane multiplication. Returns the
    address of the next weights."""
    width = tile.width
    quads = [load(f, row) for row in rows] if steps > 1 else []
    for k in range(steps):
        columns = load_vectors(f, weights, 0, width)
        for row, (pointer, sums) in enumerate(zip(rows, acc, strict=True)):
            if quads:
                element = splat_lane(f, quads[row], k)
            else:
                at = f.offset(pointer, tile.gemm.element_bytes * k)
                element = _spread(f, tile.gemm, at)
            for j, column in enumerate(columns):
                sums[j] = fma(f, element, column, sums[j])
        flat = [value for sums in acc for value in sums]
        weights, flat = f.advance(weights, width * f.isa.vector_bytes, flat)
        acc[:] = _by_row(flat, width)
    return weights


def _spread(f: Function, gemm: Gemm, address: str) -> str:
    """Load an element of A, with the addend if there is one, and broadcast it to all lanes."""
    element = splat(f, load_scalar(f, address))
    if gemm.addend is None:
        return element
    other = f.offset(address, gemm.addend.offset)
    operation = "fadd" if gemm.addend.sign > 0 else "fsub"
    added = splat(f, load_scalar(f, other))
    return arithmetic(f, operation, f.opaque(element), added)


def _emit_epilogue(
    f: Function, tile: Tile, at: Pointers, top: Pointers, row: int, sums: Sequence[str]
) -> None:
    for sink in tile.gemm.sinks:
        here = top if sink.dumps and row == 0 else at
        for vector, value in enumerate(sums):
            _emit_sink(f, tile, here, sink, (row, vector), value)


def _emit_sink(
    f: Function, tile: Tile, at: Pointers, sink: Sink, place: tuple[int, int], value: str
) -> None:
    """Store a vector of sums at (row, vector) of the tile's output; `at` has slopes as weights."""
    (row, vector), gemm = place, tile.gemm
    across, lanes = vector * f.isa.vector_bytes, tile.lanes(vector)
    offset = sink.offset + row * gemm.out_pitch + across
    if sink.adds:
        operation = "fadd" if sink.sign > 0 else "fsub"
        value = arithmetic(f, operation, load(f, at.out, offset, lanes), value)
    elif at.residual is not None and gemm.residual_pitch is not None:
        held = load(f, at.residual, sink.offset + row * gemm.residual_pitch + across, lanes)
        value = arithmetic(f, "fadd", value, held)
    if sink.final and gemm.slopes:
        value = sloped(f, value, load(f, at.weights, across))
    if sink.final and not is_costly(gemm.act):
        value = activate(f, value, gemm.act)
    store(f, value, at.out, offset, lanes)


def _activate_tile(f: Function, tile: Tile, at: Pointers, top: Pointers, height: int) -> None:
    """Activate the rows of a tile where they were stored."""
    assert tile.gemm.act is not None
    pitch, lanes = tile.gemm.out_pitch, [tile.lanes(vector) for vector in range(tile.width)]
    for sink in (sink for sink in tile.gemm.sinks if sink.final):
        out, rows = f.offset(at.out, sink.offset), height
        if sink.dumps:
            first = f.offset(top.out, sink.offset)
            activate_stored(f, tile.gemm.act, first, 1, pitch, lanes)
            out, rows = f.offset(out, pitch), height - 1
        activate_stored(f, tile.gemm.act, out, rows, pitch, lanes)
