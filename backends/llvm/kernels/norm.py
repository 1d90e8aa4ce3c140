"""Layer normalisation: three passes over the channels of a pixel. A task is a pixel.

First the mean, then the mean of the squared differences from it, then the result. Each sum has
several accumulators, so that additions do not wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

from mbc.backends.llvm.emitter import Count, Function, float_literal
from mbc.backends.llvm.kernels.base import Kernel, Site, constant_array, pack_vectors
from mbc.backends.llvm.vectors import arithmetic, fma, load, reduce_lanes, select, splat, store
from mbc.ops.norm import LayerNorm
from mbc.records import dataclass

SUMS = 4  # accumulators of a sum
SQUARE_ROOT = "declare float @llvm.sqrt.f32(float)"

Term = Callable[[str], str]
"""From a vector of x to what is summed up."""


@dataclass(frozen=True)
class Channels:
    """The channels of a pixel as vectors."""

    count: int
    """Number of channels."""
    lanes: int
    """Lanes of a vector."""
    is_padded: bool
    """Whether each pixel, of x and of the result, has room for whole vectors."""

    @property
    def whole(self) -> int:
        """Number of vectors that hold channels alone."""
        return self.count // self.lanes

    @property
    def tail(self) -> int:
        """Channels of the last vector; 0 if that is whole."""
        return self.count % self.lanes


def build_layer_norm(site: Site) -> Kernel:
    """Build a layer normalisation."""
    op, x, out = site.node.op, site.input("x"), site.output
    assert isinstance(op, LayerNorm)
    isa = site.isa.filled_by(x.type.channels)
    padded = x.is_padded(isa) and out.is_padded(isa)
    channels = Channels(x.type.channels, isa.lanes, padded)
    site.library.declare(SQUARE_ROOT)
    f = site.kernel_function()

    def pixel(index: Count, _: list[str]) -> Sequence[str]:
        source = f.offset("%x0", f.binary("mul", index, x.pixel_bytes))
        target = f.offset("%y0", f.binary("mul", index, out.pixel_bytes))
        _emit_pixel(f, channels, op.epsilon, source, target)
        return []

    with f.vectors_of(isa):
        f.loop("%begin", "%end", [], pixel)
    name = site.library.define(f"f32_layer_norm_c{channels.count}", f)
    weights = pack_vectors(isa, *(constant_array(site.node[r], ()) for r in ("gamma", "beta")))
    return Kernel(name, x.pixels, 0, weights)


def _emit_pixel(f: Function, channels: Channels, epsilon: float, x: str, out: str) -> None:
    mean = splat(f, _mean(f, channels, x, lambda value: value))

    def difference(value: str) -> str:
        return arithmetic(f, "fsub", value, mean)

    def squared(value: str) -> str:
        apart = difference(value)
        return arithmetic(f, "fmul", apart, apart)

    variance = _mean(f, channels, x, squared)
    safe = f.op(f"fadd float {variance}, {float_literal(epsilon)}")
    root = f.op(f"call float @llvm.sqrt.f32(float {safe})")
    scale = splat(f, f.op(f"fdiv float {float_literal(1.0)}, {root}"))
    step = f.isa.vector_bytes

    def normalise(at: list[str], lanes: int | None) -> None:
        source, target, weights = at
        apart = arithmetic(f, "fmul", difference(load(f, source, 0, lanes)), scale)
        result = fma(f, apart, load(f, weights), load(f, weights, step))
        store(f, result, target, 0, lanes)

    def vector(_: Count, at: list[str]) -> Sequence[str]:
        normalise(at, None)
        return [f.offset(at[0], step), f.offset(at[1], step), f.offset(at[2], 2 * step)]

    vectors = channels.whole + bool(channels.tail and channels.is_padded)
    end = f.loop(0, vectors, [("ptr", x), ("ptr", out), ("ptr", "%w")], vector)
    if vectors * channels.lanes < channels.count:
        normalise(end, channels.tail)


def _mean(f: Function, channels: Channels, x: str, term: Term) -> str:
    """Emit the mean of the terms of all channels, as a scalar."""
    total = reduce_lanes(f, _sum(f, channels, x, term), "add")
    return f.op(f"fmul float {total}, {float_literal(1 / channels.count)}")


def _sum(f: Function, channels: Channels, x: str, term: Term) -> str:
    """Emit the sum of the terms, lane by lane."""
    step, zero = f.isa.vector_bytes, "zeroinitializer"
    turns, rest = divmod(channels.whole, SUMS)

    def added(totals: Sequence[str], at: str) -> list[str]:
        loaded = [term(load(f, at, number * step)) for number in range(len(totals))]
        return [arithmetic(f, "fadd", *pair) for pair in zip(totals, loaded, strict=True)]

    def turn(_: Count, values: list[str]) -> Sequence[str]:
        at, *totals = values
        return [f.offset(at, SUMS * step), *added(totals, at)]

    start = [("ptr", x), *([(f.isa.vector, zero)] * SUMS)]
    at, *totals = f.loop(0, turns, start, turn)
    totals = [*added(totals[:rest], at), *totals[rest:]]
    if channels.tail:
        lanes = None if channels.is_padded else channels.tail
        last = term(load(f, f.offset(at, rest * step), 0, lanes))
        totals.append(select(f, _first_lanes(f, channels.tail), last, zero))
    return reduce(lambda a, b: arithmetic(f, "fadd", a, b), totals)


def _first_lanes(f: Function, count: int) -> str:
    """Return a mask of so many lanes."""
    return f"<{', '.join(f'i1 {int(lane < count)}' for lane in range(f.isa.lanes))}>"
