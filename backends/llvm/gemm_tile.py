"""Code of a register tile: sums of its rows, and where they go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mbc.backends.llvm.activations import activate, activate_stored, is_costly, sloped
from mbc.backends.llvm.emitter import Function
from mbc.backends.llvm.gemm import Sink
from mbc.backends.llvm.gemm_reduce import reduced, rows_at_once
from mbc.backends.llvm.gemm_runs import Run
from mbc.backends.llvm.gemm_share import Pointers
from mbc.backends.llvm.gemm_steps import Tile, emit_row_run, emit_runs, finished
from mbc.backends.llvm.vectors import arithmetic, load, store


def emit_tile(f: Function, tile: Tile, at: Pointers, top: Pointers, height: int) -> None:
    """Emit the sums of `height` rows, and store them."""
    step = f.isa.vector_bytes
    bias = [load(f, at.weights, j * step) for j in range(tile.width)]
    acc = [list(bias) for _ in range(height)]
    here = replace(at, weights=f.offset(at.weights, tile.width * step))
    together, by_row = tile.gemm.panel_runs(tile.panel, tile.runs)
    acc, here = emit_runs(f, tile, together, here, acc)
    if tile.gemm.slopes:
        left = sum(unit.multiplies(run.length for run in by_row) for unit in tile.panel)
        slopes = f.offset(here.weights, left * step)
        at, top = replace(at, weights=slopes), replace(top, weights=slopes)
    acc, several = finished(f, acc), rows_at_once(tile.panel)
    for first in range(0, height, several):
        rows = acc[first : first + several]
        if by_row:
            rows = [
                _emit_row_steps(f, tile, by_row, here, row, sums)
                for row, sums in enumerate(rows, first)
            ]
        for row, sums in enumerate(reduced(f, tile.panel, rows), first):
            _emit_epilogue(f, tile, at, top, row, sums)
    if is_costly(tile.gemm.act):
        _activate_tile(f, tile, at, top, height)


def _emit_row_steps(
    f: Function, tile: Tile, runs: Sequence[Run], at: Pointers, row: int, sums: Sequence[str]
) -> list[str]:
    """Emit the last k-steps of one row, with weights at `at`; returns the finished sums."""
    acc, weights = [list(sums)], at.weights
    for run in runs:
        pixel = f.offset(at.a[run.source], row * tile.gemm.a_pitches[run.source] + run.offset)
        weights = emit_row_run(f, tile, run, pixel, weights, acc)
    return finished(f, acc)[0]


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
    across, lanes = tile.offset(vector), tile.lanes(vector)
    offset = sink.offset + row * gemm.out_pitch + across
    if sink.adds:
        operation = "fadd" if sink.sign > 0 else "fsub"
        value = arithmetic(f, operation, load(f, at.out, offset, lanes), value)
    elif at.residual is not None and gemm.residual_pitch is not None:
        held = load(f, at.residual, sink.offset + row * gemm.residual_pitch + across, lanes)
        value = arithmetic(f, "fadd", value, held)
    if sink.final and gemm.slopes:
        value = sloped(f, value, load(f, at.weights, vector * f.isa.vector_bytes))
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
