"""Schedules: the division of a kernel's work into blocks and threads. Pure functions of shapes and
GPU.

A schedule is chosen by a model of its time in cycles: the larger of throughput, if all units are
busy, and latency, if blocks run one after the other and wait for their loads. The facts of GPUs
below are orders of magnitude; they decide between tiles, and do not predict speed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from typing import TypeVar

from mbc.ir.elements import F32
from mbc.ir.graph import Node
from mbc.ir.schedule import Schedule
from mbc.records import dataclass
from mbc.schedules import PoolBlock, Strip, Threads, ThreadTile
from mbc.schedules.gpu import LANES
from mbc.targets.gpu import Api, Gpu

T = TypeVar("T", bound=Schedule)

LINE = 16  # floats of a cache line, or of the sector of it that is fetched
L2 = 3  # bandwidth of the cache that all units share, as a multiple of the memory's
IN_FLIGHT = 4  # steps whose loads overlap where no barrier ends a step
WARP = 32  # threads that execute together, whether active or not


@dataclass(frozen=True)
class GpuFacts:
    """Facts about a GPU, for the model of time."""

    units: int
    """Compute units."""
    lanes: int
    """Multiply-adds per cycle of one unit."""
    resident: int
    """Threads that one unit can hold."""
    threads: int
    """Largest number of threads of a block."""
    shared_bytes: int
    """Shared memory of a block."""
    bytes_per_cycle: float
    """Memory bandwidth."""
    latency: int
    """Cycles of a load from memory."""
    launch: int
    """Cycles to launch a kernel."""
    staged: bool
    """Whether shared memory is faster than the cache."""


CUDA = {
    "sm_53": GpuFacts(1, 128, 2048, 256, 49152, 25.0, 500, 8000, True),
    "sm_75": GpuFacts(40, 64, 1024, 256, 32768, 200.0, 500, 4000, True),
    "sm_80": GpuFacts(108, 64, 2048, 256, 49152, 1100.0, 500, 4000, True),
    "sm_86": GpuFacts(48, 128, 1536, 256, 49152, 350.0, 500, 4000, True),
    "sm_87": GpuFacts(16, 128, 1536, 256, 49152, 150.0, 600, 6000, True),
    "sm_89": GpuFacts(58, 128, 1536, 256, 49152, 200.0, 500, 4000, True),
    "sm_90": GpuFacts(132, 128, 2048, 256, 49152, 2000.0, 600, 5000, True),
}
OPENCL = {
    "mali": GpuFacts(10, 32, 384, 128, 32768, 32.0, 300, 20000, False),
    "adreno": GpuFacts(4, 128, 1024, 128, 32768, 40.0, 300, 20000, True),
    "": GpuFacts(16, 64, 1024, 128, 16384, 100.0, 400, 10000, True),
}
FACTS: Mapping[Api, Mapping[str, GpuFacts]] = {"cuda": CUDA, "opencl": OPENCL}


def limits(gpu: Gpu) -> GpuFacts:
    """Return the facts about a GPU."""
    return FACTS[gpu.api][gpu.arch]


def chosen(node: Node, kind: type[T], found: Sequence[T]) -> T:
    """Return the schedule that a node carries, or the first one found."""
    return node.schedule if isinstance(node.schedule, kind) else found[0]


def ceildiv(a: int, b: int) -> int:
    """Divide a by b, rounded up."""
    return -(-a // b)


@dataclass(frozen=True)
class Product:
    """Sizes of a matrix product."""

    rows: int
    """Rows of A."""
    depth: int
    """Terms of each sum, in one group."""
    columns: int
    """Columns of the result of one group."""
    groups: int = 1
    """Number of groups, each a separate product."""
    fetch: int = 1
    """Loads to fetch a vector of A."""
    computed: bool = False
    """Whether A is computed when it is fetched, and not in memory."""


@cache
def tiles_for(product: Product, gpu: Gpu) -> tuple[ThreadTile, ...]:
    """Return the candidate tiles of a product, fastest by the model first."""
    facts = limits(gpu)
    found = _tiles(product, facts)
    return tuple(sorted(found, key=lambda tile: product_cycles(product, tile, facts)))


def _tiles(product_: Product, facts: GpuFacts) -> Iterator[ThreadTile]:
    staged = facts.staged and product_.rows > 1
    depths = (8, 16, 32) if staged or product_.computed else (4,)
    for (rows, vectors), team in product(REGISTERS, _teams(product_, facts)):
        for depth in depths:
            tile = ThreadTile(rows, vectors, *team, depth, staged or product_.computed, staged)
            if _is_sensible(tile, product_, facts):
                yield tile


REGISTERS = ((1, 1), (1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1))
"""Rows and vectors of a thread; more accumulators would leave registers for few threads."""


def _teams(product_: Product, facts: GpuFacts) -> list[tuple[int, int, int]]:
    """List threads across, down and in slices of the depth, of which none compute padding only."""
    powers = (1, 2, 4, 8, 16)
    return [
        (across, down, slices)
        for across, down, slices in product(powers, powers, (*powers, 32))
        if across * down * slices <= facts.threads
        and LANES * across < 2 * product_.columns + LANES
        and down < 2 * product_.rows + 1
    ]


def _is_sensible(tile: ThreadTile, product_: Product, facts: GpuFacts) -> bool:
    return (
        F32.bytes * tile.shared_floats <= facts.shared_bytes
        and (tile.slices == 1 or tile.depth * tile.slices <= product_.depth)
        and tile.block_rows < 2 * product_.rows + tile.rows
        and tile.block_columns < 2 * product_.columns + LANES
    )


def product_cycles(product_: Product, tile: ThreadTile, facts: GpuFacts) -> float:
    """Predict the cycles of a product: the largest of throughput, latency and cache traffic."""
    blocks = product_blocks(product_, tile)
    steps = tile.steps(product_.depth)
    work = _thread_cycles(product_, tile) * steps
    warps = WARP * ceildiv(tile.threads, WARP)
    busy = blocks * warps * work / (facts.units * facts.lanes)
    shared = max(F32.bytes * tile.shared_floats, 1)
    at_once = max(1, min(facts.resident // tile.threads, 4 * facts.shared_bytes // shared, 16))
    waves = ceildiv(blocks, facts.units * at_once)
    waits = steps if tile.stage_a else ceildiv(steps, IN_FLIGHT)
    alone = work * max(1.0, warps / facts.lanes) + waits * facts.latency
    return max(busy, waves * alone, _traffic(product_, tile, blocks) / (L2 * facts.bytes_per_cycle))


def _traffic(product_: Product, tile: ThreadTile, blocks: int) -> float:
    """Count the bytes that blocks fetch from their shared cache; lines that a block uses partly
    count as whole."""
    columns = max(tile.block_columns, LINE)
    return F32.bytes * blocks * product_.depth * (tile.block_rows + columns)


def product_blocks(product_: Product, tile: ThreadTile) -> int:
    """Count the blocks of a product."""
    columns = ceildiv(product_.columns, tile.block_columns)
    return ceildiv(product_.rows, tile.block_rows) * columns * product_.groups


def _thread_cycles(product_: Product, tile: ThreadTile) -> float:
    """Count the instructions of a thread for one step of the depth."""
    results = tile.rows * tile.vectors * LANES
    arithmetic = tile.depth * results
    spread = 1.0 if tile.stage_w else max(1.0, LINE / (LANES * tile.across))
    inner = tile.depth * (tile.rows / LANES + tile.vectors * spread) * 2
    team = tile.across * tile.down
    a = tile.block_rows * tile.depth / LANES / team if tile.stage_a else 0
    w = tile.block_columns * tile.depth / LANES / team if tile.stage_w else 0
    return arithmetic + inner + a * (6 * product_.fetch + 2) + 4 * w


@cache
def strips_for(vectors: int, out: tuple[int, int], images: int, gpu: Gpu) -> tuple[Strip, ...]:
    """Return the candidate strips of a sliding window, best first.

    Longer strips reuse more; the first one is the longest that leaves every unit some warps.
    """
    facts, (height, width) = limits(gpu), out
    across = min(_power_below(vectors), 32)
    threads = {n: vectors * ceildiv(width, n) * height * images for n in (4, 2, 1)}
    enough = 4 * facts.units * facts.lanes
    best = next((n for n in threads if threads[n] >= enough), 1)
    found = []
    for outputs in sorted(threads, key=lambda n: n != best):
        most = facts.threads // (2 * across)
        down = max(1, min(_power_below(ceildiv(width, outputs)), most))
        found.append(Strip(outputs, across, down))
    return tuple(found)


def _power_below(number: int) -> int:
    """Return the smallest power of two that is not below a number, or half of it if that power
    exceeds the number by more than a quarter of itself."""
    power = 1 << (number - 1).bit_length()
    return power if power - number <= power // 4 else power // 2


@cache
def teams_for(vectors: int, pixels: int, gpu: Gpu) -> tuple[PoolBlock, ...]:
    """Return the candidate blocks of a global pool, best first.

    A quarter of a warp along the channels is enough to read whole lines of memory.
    """
    across = min(_power_below(vectors), 8)
    most = min(limits(gpu).threads // across, 16)
    best = PoolBlock(across, max(1, min(_power_below(pixels), most)))
    return (best, *(replace(best, down=down) for down in _powers(best.down - 1)))


@cache
def row_threads(channels: int, gpu: Gpu) -> tuple[Threads, ...]:
    """Return candidate numbers of threads that reduce a row: powers of two, largest first."""
    most = max(1, min(_power_below(channels), limits(gpu).threads))
    return tuple(map(Threads, _powers(most)))


@cache
def flat_threads(vectors: int, gpu: Gpu) -> int:
    """Return the threads of a block of an elementwise kernel."""
    return max(1, min(_power_below(vectors), limits(gpu).threads))


def _powers(most: int) -> list[int]:
    """Return the powers of two up to a number, largest first."""
    return [1 << exponent for exponent in reversed(range(most.bit_length()))]
