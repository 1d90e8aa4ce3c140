"""Pointwise convolutions with an eighth fewer multiplications by Strassen's method (V. Strassen,
Gaussian elimination is not optimal, Numer. Math. 13, 1969), applied once.

Pixels, input channels and output channels are halved: seven products of sums of quadrants replace
eight. Sums of weights are computed by packing. Sums of pixels are computed when elements are
broadcast, where an instruction adds a splat from memory, and else ahead, for up to `CHUNK_PAIRS`
pairs at a time. Products are added to the output as they are computed, so summands are in cache.

Tasks are pairs of pixels, one of the upper and one of the lower half; or, if pairs are few, panels
of weights, and then each thread computes all sums of pixels. With an odd number of pixels the
middle one is in both halves, and its result in the lower half is discarded into a dump.

A pixel's values affect the result of its partner in the pair: large ones cause rounding errors,
infinite ones NaN. So both pixels of a pair belong to the same image of a batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.gemm import Addend, Gemm, Sink
from mbc.backends.llvm.gemm_code import emit_gemm
from mbc.backends.llvm.gemm_pack import pack
from mbc.backends.llvm.gemm_panels import RowBlocks
from mbc.backends.llvm.gemm_runs import Run
from mbc.backends.llvm.gemm_share import Pointers, Share
from mbc.backends.llvm.vectors import arithmetic, load, store
from mbc.records import dataclass

CHUNK_PAIRS = 104  # most pairs of pixels of a chunk, whose sums are kept in scratch
SUM_STEP = 8  # vectors added per loop iteration

Quadrant = tuple[int, int]
"""Row and column half of a matrix, 0 or 1 each."""
Q11, Q12, Q21, Q22 = (0, 0), (0, 1), (1, 0), (1, 1)


@dataclass(frozen=True)
class Sum:
    """first + sign * other: a quadrant, or a sum or difference of two."""

    first: Quadrant
    other: Quadrant | None = None
    """None for a single quadrant."""
    sign: int = 1
    """1 or -1."""


@dataclass(frozen=True)
class Product:
    """A sum of quadrants of A times a sum of quadrants of the weights."""

    a: Sum
    weights: Sum
    signs: tuple[tuple[Quadrant, int], ...]
    """The quadrants of the result that it is added to, with its signs there."""


PRODUCTS = (
    Product(Sum(Q11, Q22), Sum(Q11, Q22), ((Q11, 1), (Q22, 1))),
    Product(Sum(Q21, Q22), Sum(Q11), ((Q21, 1), (Q22, -1))),
    Product(Sum(Q11), Sum(Q12, Q22, -1), ((Q12, 1), (Q22, 1))),
    Product(Sum(Q22), Sum(Q21, Q11, -1), ((Q11, 1), (Q21, 1))),
    Product(Sum(Q11, Q12), Sum(Q22), ((Q11, -1), (Q12, 1))),
    Product(Sum(Q21, Q11, -1), Sum(Q11, Q12), ((Q22, 1),)),
    Product(Sum(Q12, Q22, -1), Sum(Q21, Q22), ((Q11, 1),)),
)
"""Ordered so that the first product of each quadrant has a positive sign, and is just stored."""

SUMS = sum(product.a.other is not None for product in PRODUCTS)
"""Number of products that read a sum of pixels rather than a quadrant."""


def can_halve(gemm: Gemm) -> bool:
    """Return whether quadrants are whole vectors, and output and residual have equal pitches, so
    that the dump can replace both."""
    vectors = 2 * gemm.isa.lanes
    plain = len(gemm.groups) == len(gemm.groups[0]) == 1 < gemm.rows
    alike = gemm.residual_pitch in (None, gemm.out_pitch)
    return plain and alike and gemm.depth % vectors == gemm.columns % vectors == 0


@dataclass(frozen=True)
class HalvedProduct:
    """The plan of a product by Strassen's method."""

    gemm: Gemm
    """The whole product of one image."""
    images: int = 1
    """Images of the batch."""

    @cached_property
    def half(self) -> Gemm:
        """The product of two quadrants."""
        gemm = self.gemm
        depth, columns = gemm.depth // 2, gemm.columns // 2
        runs = ((Run(0, depth),),)
        rows = gemm.rows - self.below
        shape = replace(gemm, rows=rows, groups=runs, columns=columns, room=columns)
        return replace(shape, sinks=())

    @property
    def below(self) -> int:
        """Rows from the first of the upper half to the first of the lower half."""
        return self.gemm.rows // 2

    @property
    def overlaps(self) -> bool:
        """Whether the halves share a row."""
        return self.gemm.rows % 2 == 1

    @property
    def product_share(self) -> float:
        """Ratio of multiplications to those of the direct product."""
        return len(PRODUCTS) / 8 * 2 * self.half.rows / self.gemm.rows

    @property
    def keeps_sums(self) -> bool:
        """Whether sums of pixels are computed ahead and kept in scratch."""
        return not self.gemm.isa.splat_adds

    @property
    def added(self) -> int:
        """Additions of elements of A before, and of the result after multiplying, in all images."""
        half = self.half
        sums = self.keeps_sums * SUMS
        more = sum(len(product.signs) for product in PRODUCTS) - 4
        return self.images * half.rows * (sums * half.depth + more * half.columns)

    @property
    def loads_per_fma(self) -> float:
        """Loads of a register tile per multiply-add, averaged over products. Both elements of a sum
        are loaded unless sums are kept."""
        panel = self.half.units[0]
        width, height = len(panel), self.half.blocks(panel).tall
        elements = 1 if self.keeps_sums else 1 + SUMS / len(PRODUCTS)
        return (elements * height + width) / (height * width)

    @property
    def blocks(self) -> RowBlocks:
        """Row blocks of pairs."""
        return self.half.blocks(self.half.units[0])

    @property
    def tasks(self) -> int:
        """Number of tasks of all images, image by image."""
        return self.images * self.image_tasks

    @property
    def image_tasks(self) -> int:
        """Number of tasks of an image."""
        return self.half.tasks

    @property
    def chunk(self) -> int:
        """Tasks of a chunk: those of up to `CHUNK_PAIRS` pairs, or all of an image's panels."""
        if self.half.by_panels:
            return self.image_tasks
        return -(-self.image_tasks // -(-self.half.rows // CHUNK_PAIRS))

    @property
    def half_row_bytes(self) -> int:
        """Bytes of half a pixel of A, dense."""
        return self.half.element_bytes * self.half.depth

    @property
    def sum_bytes(self) -> int:
        """Bytes of a sum of A for the pairs of a chunk; 0 unless sums are kept."""
        if not self.keeps_sums:
            return 0
        blocks = -(-self.chunk * self.blocks.count // self.image_tasks)
        return blocks * self.blocks.tall * self.half_row_bytes

    @property
    def scratch_bytes(self) -> int:
        """Bytes of sums, and of the dump after them, which is as wide as the output."""
        dump = self.gemm.element_bytes * self.gemm.columns
        return self.sum_bytes + (dump if self.overlaps else 0)

    def a_offset(self, quadrant: Quadrant) -> int:
        """Return the byte offset of a quadrant of A."""
        (run,), (pitch,) = self.gemm.groups[0], self.gemm.a_pitches
        row, column = quadrant
        return run.offset + row * self.below * pitch + column * self.half_row_bytes

    def sinks(self, number: int) -> tuple[Sink, ...]:
        """Return the destinations of a product: a quadrant's first product is stored, others are
        added, the last completes the result."""
        return tuple(self._sink(number, *target) for target in PRODUCTS[number].signs)

    def _sink(self, number: int, quadrant: Quadrant, sign: int) -> Sink:
        users = [i for i, product in enumerate(PRODUCTS) if quadrant in dict(product.signs)]
        row, column = quadrant
        across = self.half.element_bytes * self.half.columns
        offset = row * self.below * self.half.out_pitch + column * across
        adds, final = number != users[0], number == users[-1]
        return Sink(offset, sign, adds, final, dumps=self.overlaps and row == 1)


def pack_strassen(plan: HalvedProduct, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Pack the seven sums of weights, each as a GEMM of half the size. `weight` is [k, columns].
    `bias` is [columns]: a row of each quadrant of weights, with signs such that the products of
    each quadrant of the result add up to its bias once."""
    left, right = np.split(bias.astype(np.float64), 2)
    biases = {Q11: -right, Q12: right, Q21: left, Q22: -left}
    halves = [np.split(half, 2, axis=1) for half in np.split(weight, 2)]
    weights = {(row, column): halves[row][column] for row, column in biases}
    element = plan.half.isa.element.numpy
    sums = [
        [_total(product.weights, each, element)[None] for each in (weights, biases)]
        for product in PRODUCTS
    ]
    return np.concatenate([pack(plan.half, *each) for each in sums])


def _total(sum: Sum, parts: Mapping[Quadrant, np.ndarray], element: np.dtype[Any]) -> np.ndarray:
    """Add two quadrants, or zero to one, in float64."""
    first, other = parts[sum.first], 0 if sum.other is None else parts[sum.other]
    found = np.empty(first.shape, element)
    operation = np.add if sum.sign > 0 else np.subtract
    operation(first, other, out=found, dtype=np.float64, casting="unsafe")
    return found


def emit_strassen(f: Function, plan: HalvedProduct, at: Pointers) -> None:
    """Emit tasks %begin … %end-1, an image and a chunk at a time."""
    with f.vectors_of(plan.gemm.isa):
        if plan.images == 1:
            _emit_chunks(f, plan, at, "%begin", "%end")
        else:
            _emit_images(f, plan, at)


def _emit_images(f: Function, plan: HalvedProduct, at: Pointers) -> None:
    tasks, rows = plan.image_tasks, plan.gemm.rows

    def image(number: Count, values: list[str]) -> Sequence[str]:
        here, before = at.of(values), f.binary("mul", number, tasks)
        after = f.binary("add", before, tasks)
        begin = f.binary("sub", f.clamp("max", "%begin", before), before)
        end = f.binary("sub", f.clamp("min", "%end", after), before)
        _emit_chunks(f, plan, here, begin, end)
        return here.down(f, plan.gemm, rows).values

    first = f.binary("udiv", "%begin", tasks)
    last = f.binary("udiv", f.binary("add", "%end", tasks - 1), tasks)
    f.loop(first, last, at.down(f, plan.gemm, f.binary("mul", first, rows)).carried, image)


def _emit_chunks(f: Function, plan: HalvedProduct, at: Pointers, first: Count, last: Count) -> None:
    """Emit tasks first … last-1 of the image that `at` points to."""

    def chunk(begin: Count, _: list[str]) -> Sequence[str]:
        end = f.clamp("min", f.binary("add", begin, plan.chunk), last)
        share = Share.of(plan.half, begin, end)
        for number in range(len(PRODUCTS)):
            _emit_product(f, plan, number, at, share)
        return []

    if plan.overlaps:
        below = plan.below * plan.gemm.out_pitch
        at = replace(at, dump=f.offset("%scratch", plan.sum_bytes - below))

    f.loop(first, last, [], chunk, step=plan.chunk)


def _emit_product(
    f: Function, plan: HalvedProduct, number: int, at: Pointers, share: Share
) -> None:
    half, product = plan.half, PRODUCTS[number]
    (source,), (pitch,) = at.a, half.a_pitches
    a = f.offset(source, plan.a_offset(product.a.first))
    addend = None
    if product.a.other is not None:
        further = plan.a_offset(product.a.other) - plan.a_offset(product.a.first)
        if plan.keeps_sums:
            a, pitch = _emit_sums(f, plan, (a, f.offset(a, further)), product.a.sign, share)
        else:
            addend = Addend(further, product.a.sign)
    gemm = replace(half, a_pitches=(pitch,), sinks=plan.sinks(number), addend=addend)
    weights = f.offset(at.weights, number * half.group_bytes)
    emit_gemm(f, gemm, replace(at, a=(a,), weights=weights), share)


def _emit_sums(
    f: Function, plan: HalvedProduct, pair: tuple[str, str], sign: int, share: Share
) -> tuple[str, int]:
    """Add or subtract the share's pixels of two quadrants of A, into scratch; returns the address
    that the sum of the image's first pair would have, and the pitch."""
    (pitch,), bytes = plan.half.a_pitches, plan.half_row_bytes
    count = plan.blocks.count
    blocks = (0, count) if share.by_panels else share.blocks(f, count, 0)
    first, last = (_first_row(f, plan.blocks, block) for block in blocks)
    down = f.binary("mul", first, pitch)

    def row(_: Count, pointers: list[str]) -> Sequence[str]:
        _emit_sum(f, pointers, sign, bytes)
        steps = zip(pointers, (pitch, pitch, bytes), strict=True)
        return [f.offset(pointer, step) for pointer, step in steps]

    carried = [("ptr", f.offset(pointer, down)) for pointer in pair]
    f.loop(first, last, [*carried, ("ptr", "%scratch")], row)
    return f.offset("%scratch", f.binary("sub", 0, f.binary("mul", first, bytes))), bytes


def _first_row(f: Function, blocks: RowBlocks, block: Count) -> Count:
    """Compute the first pair of a block."""
    row = f.binary("mul", block, blocks.tall)
    short = f.binary("sub", f.clamp("max", block, blocks.tall_count), blocks.tall_count)
    return f.binary("sub", row, short)


def _emit_sum(f: Function, pointers: Sequence[str], sign: int, bytes: int) -> None:
    """Store the sum or difference of `bytes` bytes at two pointers to the third pointer."""
    vector, operation = f.isa.vector_bytes, "fadd" if sign > 0 else "fsub"
    step = SUM_STEP * vector

    def piece(at: Sequence[str], size: int) -> None:
        a, b, target = at
        for place in range(0, size, vector):
            store(f, arithmetic(f, operation, load(f, a, place), load(f, b, place)), target, place)

    def body(_: Count, at: list[str]) -> Sequence[str]:
        piece(at, step)
        return [f.offset(pointer, step) for pointer in at]

    piece(f.loop(0, bytes // step, [("ptr", p) for p in pointers], body), bytes % step)
