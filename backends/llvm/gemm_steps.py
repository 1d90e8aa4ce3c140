"""Code of the k-steps of a register tile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.gemm import OWN_UNROLL, Gemm
from mbc.backends.llvm.gemm_panels import RowBlocks
from mbc.backends.llvm.gemm_runs import Repeated, Run, repeated_runs
from mbc.backends.llvm.gemm_share import Pointers
from mbc.backends.llvm.gemm_units import Panel, Step, chunk_parts, chunk_steps, columns_of, is_split
from mbc.backends.llvm.vectors import (
    arithmetic,
    fma,
    load,
    load_repeated,
    load_scalar,
    load_vectors,
    prefetch,
    splat,
    splat_lane,
)
from mbc.records import dataclass

LINE_BYTES = 64
MAX_STRAIGHT, MAX_TURNS = 16, 4  # most k-steps, and loop iterations, that are unrolled
MAX_PRODUCTS = 1024  # of a tile without a loop: LLVM's time grows with the square of a block's code

Accumulators = list[list[str]]


@dataclass(frozen=True)
class Tile:
    """The register tiles of a panel."""

    gemm: Gemm
    runs: tuple[Run, ...]
    """Runs of A of the panel's group."""
    panel: Panel
    """The units of the panel."""

    @property
    def width(self) -> int:
        """Width in vectors."""
        return len(self.panel)

    @property
    def chunk(self) -> int:
        """k-steps after which all units have multiplied whole vectors."""
        return chunk_steps(self.panel)

    @property
    def unroll(self) -> int:
        """k-steps per loop iteration, in whole chunks: as few as where code is to be small, since
        chunks have several steps already."""
        several = is_split(self.panel) and self.gemm.isa.broadcast == "memory"
        return max(OWN_UNROLL if several else self.gemm.unroll, self.chunk)

    @property
    def blocks(self) -> RowBlocks:
        """Row blocks of the panel."""
        return self.gemm.blocks(self.panel)

    @property
    def packed_bytes(self) -> int:
        """Packed bytes of the panel."""
        return self.gemm.packed_bytes(self.panel)

    @property
    def column_bytes(self) -> int:
        """Bytes of an output row from this panel to the next."""
        if is_split(self.panel):
            return self.gemm.element_bytes * columns_of(self.panel)
        return self.gemm.isa.vector_bytes * self.width

    def lanes(self, place: int) -> int | None:
        """Return the lanes of a unit that are stored, None for all."""
        outputs = self.panel[place].outputs
        return None if outputs == self.gemm.isa.lanes else outputs

    def offset(self, place: int) -> int:
        """Return the bytes from the panel's first column to that of a unit."""
        return self.gemm.element_bytes * sum(unit.outputs for unit in self.panel[:place])


def finished(f: Function, acc: Accumulators) -> Accumulators:
    """Force the sums to be computed before all code that follows; returns them."""
    flat = f.finished([value for sums in acc for value in sums])
    return _by_row(flat, len(acc[0]))


def _by_row(flat: Sequence[str], width: int) -> Accumulators:
    return [list(flat[start : start + width]) for start in range(0, len(flat), width)]


def _is_straight(tile: Tile, run: Run) -> bool:
    """Whether the k-steps of a run are emitted without a loop."""
    return run.length <= min(MAX_STRAIGHT, MAX_TURNS * tile.unroll)


def emit_runs(
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
    a, length, unroll = f.offset(at.a[run.source], run.offset), run.length, tile.unroll
    if _is_straight(tile, run):
        acc, weights = _emit_steps(f, tile, run, a, at.weights, acc, length)
        return acc, replace(at, weights=weights)
    whole, height, ahead = length // unroll * unroll, len(acc), at.ahead
    looped = max(tile.gemm.depth - tile.gemm.row_steps(tile.panel, tile.runs), 1)
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
    for start, steps in _groups(f, tile, count):
        along = tile.gemm.element_bytes * start
        row_pointers = [f.offset(a, row * pitch + along) for row in range(len(acc))]
        weights = _emit_step_group(f, tile, row_pointers, weights, acc, steps)
        if tile.gemm.overlaps or count > tile.unroll or is_split(tile.panel):
            acc = finished(f, acc)
    return acc, weights


def emit_row_run(f: Function, tile: Tile, run: Run, a: str, weights: str, acc: Accumulators) -> str:
    """Emit all k-steps of a run for one row; returns the next weights."""
    for start, steps in _groups(f, tile, run.length):
        pointer = f.offset(a, tile.gemm.element_bytes * start)
        weights = _emit_step_group(f, tile, [pointer], weights, acc, steps)
    return weights


def _groups(f: Function, tile: Tile, count: int) -> Iterator[tuple[int, int]]:
    """Split k-steps into chunks, or into as many as are multiplied by the lanes of a vector;
    returns the first step and the number of each group."""
    quad, start = f.isa.lanes if f.isa.broadcast == "lane" else 1, 0
    while start < count:
        steps = quad if count - start >= quad > tile.chunk else min(tile.chunk, count - start)
        yield start, steps
        start += steps


def _emit_step_group(
    f: Function, tile: Tile, rows: Sequence[str], weights: str, acc: Accumulators, steps: int
) -> str:
    """Emit a few k-steps, with A loaded as vectors along k for by-lane multiplication. Returns the
    address of the next weights."""
    by_lane = f.isa.broadcast == "lane" and steps == f.isa.lanes
    quads = [load(f, row) for row in rows] if by_lane else []
    for part in chunk_parts(tile.panel, steps):
        if part.unit_steps > 1:
            acc[:] = finished(f, acc)
        columns = load_vectors(f, weights, 0, len(part.places))
        for row, (pointer, sums) in enumerate(zip(rows, acc, strict=True)):
            if quads and part.unit_steps in (1, f.isa.lanes):
                element = quads[row]
                if part.unit_steps == 1:
                    element = splat_lane(f, element, part.start)
            else:
                at = f.offset(pointer, tile.gemm.element_bytes * part.start)
                element = load_elements(f, tile.gemm, at, part.unit_steps, part.count)
            for place, column in zip(part.places, columns, strict=True):
                sums[place] = fma(f, element, column, sums[place])
            if len(part.places) == 1 and is_split(tile.panel) and not _folds(f, part):
                (place,) = part.places
                sums[place] = f.outlived(sums[place], element)
        flat = [value for sums in acc for value in sums]
        weights, flat = f.advance(weights, len(part.places) * f.isa.vector_bytes, flat)
        acc[:] = _by_row(flat, tile.width)
    return weights


def _folds(f: Function, step: Step) -> bool:
    """Return whether a multiply-add loads elements of A itself."""
    return step.unit_steps == f.isa.lanes or (step.unit_steps == 1 and f.isa.splat_adds)


def load_elements(f: Function, gemm: Gemm, address: str, unit_steps: int, count: int) -> str:
    """Load `count` elements of A for units that take so many k-steps, repeated in all lanes."""
    if unit_steps == 1:
        return _spread(f, gemm, address)
    return load_repeated(f, address, unit_steps, count)


def _spread(f: Function, gemm: Gemm, address: str) -> str:
    """Load an element of A, with the addend if there is one, and broadcast it to all lanes."""
    element = splat(f, load_scalar(f, address))
    if gemm.addend is None:
        return element
    other = f.offset(address, gemm.addend.offset)
    operation = "fadd" if gemm.addend.sign > 0 else "fsub"
    added = splat(f, load_scalar(f, other))
    return arithmetic(f, operation, f.opaque(element), added)
