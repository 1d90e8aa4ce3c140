"""Code of the GEMM core for a schedule (see `gemm`): groups, panels, row blocks, tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.gemm import Gemm
from mbc.backends.llvm.gemm_runs import Run
from mbc.backends.llvm.gemm_share import Pointers, Share
from mbc.backends.llvm.gemm_steps import Tile, load_elements
from mbc.backends.llvm.gemm_tile import emit_tile
from mbc.backends.llvm.gemm_units import chunk_parts
from mbc.backends.llvm.vectors import arithmetic, load_vectors, store


def emit_gemm(f: Function, gemm: Gemm, at: Pointers, share: Share) -> None:
    """Emit all groups, panels and the share's rows."""
    with f.vectors_of(gemm.isa):
        _emit_groups(f, gemm, at, share)


def _emit_groups(f: Function, gemm: Gemm, at: Pointers, share: Share) -> None:
    column_bytes, start = gemm.element_bytes * gemm.columns, 0
    if gemm.group_shift is not None:
        shift, start = gemm.group_shift, gemm.whole_groups

        def group(index: Count, values: list[str]) -> Sequence[str]:
            here, part = at.of(values), share.of_group(f, gemm, index)
            _emit_group(f, gemm, gemm.groups[0], here, part, narrow=False)
            after = here.moved(f, gemm.group_bytes, column_bytes, column_bytes)
            return after.with_a([f.offset(a, shift) for a in here.a]).values

        f.loop(0, start, at.carried, group)
    for index in range(start, len(gemm.groups)):
        here = at.moved(f, index * gemm.group_bytes, index * column_bytes, index * column_bytes)
        narrow, part = index >= gemm.whole_groups, share.of_group(f, gemm, index)
        _emit_group(f, gemm, gemm.groups[index], here, part, narrow=narrow)


def _emit_group(
    f: Function, gemm: Gemm, runs: tuple[Run, ...], at: Pointers, share: Share, *, narrow: bool
) -> None:
    panels = gemm.units if narrow else map(gemm.stored_whole, gemm.units)
    start = 0
    for tile, same in groupby(Tile(gemm, runs, panel) for panel in panels):
        count = len(list(same))
        _emit_panels(f, tile, start, count, at, share)
        columns = count * tile.column_bytes
        at = at.moved(f, count * tile.packed_bytes, columns, columns)
        start += count


def _emit_panels(
    f: Function, tile: Tile, start: int, count: int, at: Pointers, share: Share
) -> None:
    """Emit the share's part of panels start … start+count-1, which have one width; `at` has the
    addresses of the first of them."""
    columns, packed = tile.column_bytes, tile.packed_bytes
    first, last = share.panels(f, start, count)
    across = f.binary("mul", first, columns)
    at = at.moved(f, f.binary("mul", first, packed), across, across)

    def body(index: Count, values: list[str]) -> Sequence[str]:
        here = at.of(values)
        blocks = share.row_blocks(f, tile.blocks, f.binary("add", index, start))
        following = f.offset(here.weights, packed)
        ahead = following if tile.gemm.prefetches else None
        _emit_panel(f, tile, replace(here, ahead=ahead), *blocks)
        return here.moved(f, packed, columns, columns).values

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
    for run in tile.gemm.ordered_runs(tile.panel, tile.runs):
        factors = f.offset(at.scaling.factors, run.offset)
        pointers = _emit_scaled_run(f, tile, run, [factors, *pointers])
    return replace(at, weights=panel)


def _emit_scaled_run(f: Function, tile: Tile, run: Run, pointers: Sequence[str]) -> list[str]:
    """Multiply the weights of a run, given the addresses of its factors, weights and results;
    returns the addresses of the next run's weights and results."""
    chunk = tile.chunk
    whole = run.length // chunk * chunk
    several = next(n for n in (tile.gemm.unroll, 2, 1) if whole % (n * chunk) == 0)

    def body(_: Count, values: list[str]) -> Sequence[str]:
        return _emit_scaled_steps(f, tile, values, several * chunk)

    carried = [("ptr", pointer) for pointer in pointers]
    values = f.loop(0, whole, carried, body, step=several * chunk)
    if whole < run.length:
        values = _emit_scaled_steps(f, tile, values, run.length - whole)
    return values[1:]


def _emit_scaled_steps(f: Function, tile: Tile, values: Sequence[str], count: int) -> list[str]:
    """Multiply the weights of `count` k-steps without a loop; returns the next addresses."""
    (factors, weights, out), at, size = values, 0, tile.gemm.element_bytes
    for step in chunk_parts(tile.panel, count):
        here = f.offset(factors, step.start * size)
        factor = load_elements(f, tile.gemm, here, step.unit_steps, step.count)
        for j, column in enumerate(load_vectors(f, weights, at, len(step.places))):
            store(f, arithmetic(f, "fmul", factor, column), out, at + j * f.isa.vector_bytes)
        at += len(step.places) * f.isa.vector_bytes
    moves = (count * size, at, at)
    return [f.offset(p, move) for p, move in zip(values, moves, strict=True)]


def _emit_blocks(
    f: Function, tile: Tile, at: Pointers, height: int, start: Count, stop: Count, shift: int
) -> None:
    """Emit blocks of one height; a block's first row is block*height + shift."""
    row = f.binary("add", f.binary("mul", start, height), shift)
    here = at.down(f, tile.gemm, row)

    def block(index: Count, values: list[str]) -> Sequence[str]:
        now = here.of(values)
        emit_tile(f, tile, now, _top(f, now, index), height)
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
