"""Normalisations over the channels of a pixel, and over the pixels of an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.formula import Lanes
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.kernels.base import Kernel, Site, constant_array
from mbc.backends.llvm.polynomials import exponential
from mbc.backends.llvm.unary import logarithm
from mbc.backends.llvm.vectors import (
    LOWEST,
    arithmetic,
    at_least,
    fma,
    larger,
    load,
    reduce_lanes,
    splat,
    splat_literal,
    store,
)
from mbc.ops.rows import InstanceNorm, L2Normalize

Visit = Callable[[Sequence[str], Sequence[str], int | None], Sequence[str]]
"""From the addresses of a vector in each tensor, what is carried along, and the lanes that count
(None: all), to what is carried on."""

Emit = Callable[[Function, str, str], None]
"""Emits the code of one pixel, from its addresses in x and in the result."""


def sweep(f: Function, at: Sequence[str], channels: int, carried: list[str], visit: Visit) -> str:
    """Visit the channel vectors of a pixel, the last one with fewer lanes; return the first vector
    that is carried, if there is one."""
    whole, tail = divmod(channels, f.isa.lanes)
    count = len(at)

    def body(_: Count, values: list[str]) -> Sequence[str]:
        here = values[:count]
        made = visit(here, values[count:], None)
        return [*(f.offset(p, f.isa.vector_bytes) for p in here), *made]

    start = [*(("ptr", p) for p in at), *((f.isa.vector, value) for value in carried)]
    values = f.loop(0, whole, start, body)
    left = visit(values[:count], values[count:], tail) if tail else values[count:]
    return left[0] if left else ""


def _build(site: Site, emit: Emit) -> Kernel:
    """Build a kernel with a task a pixel."""
    x, out, f = site.input("x"), site.output, site.kernel_function()

    def pixel(index: Count, _: list[str]) -> Sequence[str]:
        source = f.offset("%x0", f.binary("mul", index, x.pixel_bytes))
        emit(f, source, f.offset("%y0", f.binary("mul", index, out.pixel_bytes)))
        return []

    f.loop("%begin", "%end", [], pixel)
    name = f"f32_{site.node.op.mnemonic}_c{x.type.channels}"
    return Kernel(site.library.define(name, f), x.pixels)


def build_log_softmax(site: Site) -> Kernel:
    """Build three passes over a pixel: maximum, sum of exponentials, result. A NaN that the maximum
    loses makes the sum and so all results NaN."""
    channels = site.output.type.channels

    def emit(f: Function, x: str, out: str) -> None:
        lowest = splat_literal(f, LOWEST)

        def highest(at: Sequence[str], carried: Sequence[str], lanes: int | None) -> Sequence[str]:
            return [larger(f, carried[0], load(f, at[0], 0, lanes, LOWEST))]

        top = splat(f, reduce_lanes(f, sweep(f, [x], channels, [lowest], highest), "max"))

        def below(at: Sequence[str], lanes: int | None) -> str:
            return arithmetic(f, "fsub", load(f, at[0], 0, lanes, LOWEST), top)

        def add(at: Sequence[str], carried: Sequence[str], lanes: int | None) -> Sequence[str]:
            return [arithmetic(f, "fadd", carried[0], exponential(f, below(at, lanes)))]

        total = reduce_lanes(f, sweep(f, [x], channels, ["zeroinitializer"], add), "add")
        log = logarithm(Lanes(f, splat(f, total))).name

        def put(at: Sequence[str], _: Sequence[str], lanes: int | None) -> Sequence[str]:
            store(f, arithmetic(f, "fsub", below(at, lanes), log), at[1], 0, lanes)
            return []

        sweep(f, [x, out], channels, [], put)

    return _build(site, emit)


def build_l2_normalize(site: Site) -> Kernel:
    """Build two passes over a pixel: sum of squares, result."""
    op, channels = site.node.op, site.output.type.channels
    assert isinstance(op, L2Normalize)
    epsilon = op.epsilon

    def emit(f: Function, x: str, out: str) -> None:
        def add(at: Sequence[str], carried: Sequence[str], lanes: int | None) -> Sequence[str]:
            given = load(f, at[0], 0, lanes)
            return [fma(f, given, given, carried[0])]

        total = reduce_lanes(f, sweep(f, [x], channels, ["zeroinitializer"], add), "add")
        norm = at_least(f, Lanes(f, splat(f, total)).sqrt().name, epsilon)

        def put(at: Sequence[str], _: Sequence[str], lanes: int | None) -> Sequence[str]:
            store(f, arithmetic(f, "fdiv", load(f, at[0], 0, lanes), norm), at[1], 0, lanes)
            return []

        sweep(f, [x, out], channels, [], put)

    return _build(site, emit)


def pack_norm(isa: Isa, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Pack gamma and beta, the channels padded to whole vectors."""
    missing = isa.padded(gamma.size) - gamma.size
    rows = np.stack([gamma, beta]).astype(isa.element.numpy)
    return np.pad(rows, ((0, 0), (0, missing))).ravel()


def build_instance_norm(site: Site) -> Kernel:
    """Build three passes over an image for each vector of channels: mean, variance, result. A task
    an image."""
    x, out, op = site.input("x"), site.output, site.node.op
    assert isinstance(op, InstanceNorm)
    f, epsilon = site.kernel_function(), op.epsilon
    images, height, width, channels = x.type.shape
    pixels, pitches = height * width, (x.pixel_bytes, out.pixel_bytes)
    shifts = site.isa.padded(channels) * out.element_bytes

    def image(index: Count, _: list[str]) -> Sequence[str]:
        source = f.offset("%x0", f.binary("mul", index, pixels * x.pixel_bytes))
        target = f.offset("%y0", f.binary("mul", index, pixels * out.pixel_bytes))

        def vector(at: Sequence[str], _: Sequence[str], lanes: int | None) -> Sequence[str]:
            norm = load(f, at[2]), load(f, at[2], shifts)
            _emit_norm(f, at[:2], pitches, pixels, lanes, epsilon, norm)
            return []

        sweep(f, [source, target, "%w"], channels, [], vector)
        return []

    f.loop("%begin", "%end", [], image)
    gamma, beta = (constant_array(site.node[role], ()) for role in ("gamma", "beta"))
    name = site.library.define(f"f32_instance_norm_c{channels}_{height}x{width}", f)
    return Kernel(name, images, 0, pack_norm(site.isa, gamma, beta))


def _emit_norm(
    f: Function,
    at: Sequence[str],
    pitches: tuple[int, int],
    pixels: int,
    lanes: int | None,
    epsilon: float,
    norm: tuple[str, str],
) -> None:
    share = splat_literal(f, 1.0 / pixels)

    def mean_of(term: Callable[[str], str]) -> str:
        def pixel(_: Count, values: list[str]) -> Sequence[str]:
            total = arithmetic(f, "fadd", values[1], term(load(f, values[0], 0, lanes)))
            return [f.offset(values[0], pitches[0]), total]

        start = [("ptr", at[0]), (f.isa.vector, "zeroinitializer")]
        _, total = f.loop(0, pixels, start, pixel)
        return arithmetic(f, "fmul", total, share)

    mean = mean_of(lambda x: x)

    def square(x: str) -> str:
        rest = arithmetic(f, "fsub", x, mean)
        return arithmetic(f, "fmul", rest, rest)

    deviation = (Lanes(f, mean_of(square)) + epsilon).sqrt()
    scale = arithmetic(f, "fdiv", norm[0], deviation.name)

    def put(_: Count, values: list[str]) -> Sequence[str]:
        rest = arithmetic(f, "fsub", load(f, values[0], 0, lanes), mean)
        store(f, fma(f, rest, scale, norm[1]), values[1], 0, lanes)
        return [f.offset(p, pitch) for p, pitch in zip(values, pitches, strict=True)]

    f.loop(0, pixels, [("ptr", p) for p in at], put)
