"""Resizes of images. A task is an output row; its pixels are found by a table of the columns.

The table lies where weights lie, so its numbers are floats: they are exact, since sides have few
bits. A pixel is computed between columns in both rows first, then between the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import gcd

import numpy as np

from mbc.backends.llvm.emitter import Count, Function, float_literal
from mbc.backends.llvm.integer.codes import (
    Finish,
    element_of,
    floats,
    integers,
    load_codes,
    store_finished,
    whole,
)
from mbc.backends.llvm.kernels.base import Kernel, Site
from mbc.backends.llvm.kernels.windows import image_pointers, part_pointers, view_parts
from mbc.backends.llvm.vectors import (
    arithmetic,
    fma,
    load,
    load_scalar,
    splat,
    splat_literal,
    store,
)
from mbc.backends.llvm.window import InCodes, Part
from mbc.ir.elements import F32, Q8
from mbc.ir.graph import Node
from mbc.ops.resize import WEIGHT_STEPS, Resize, Taps, taps_of
from mbc.records import dataclass
from mbc.targets.elements import on_codes

ENTRY_BYTES = 3 * 4  # of a row or column in the table: two pixels, and the weight of the second

Formula = Callable[[Function, Sequence[str], int | None], str]
"""From the addresses of one channel vector in the pixels that are read to that of the result."""


@dataclass(frozen=True)
class Place:
    """Where a row or column of the result lies in x."""

    low: str
    """Number of the first row or column."""
    high: str
    """Number of the second one."""
    weight: str
    """Weight of the second one, as a scalar."""


def build_resize(site: Site) -> Kernel:
    """Build a resize, part by part of the view."""
    op, view, out = site.node.op, site.node.view("x"), site.output
    assert isinstance(op, Resize)
    form = _form_of(site.node, op)
    images, height, width, channels = view.type.shape
    parts = view_parts(view, site.buffers("x"))
    f = site.kernel_function()

    def row(index: Count, _: list[str]) -> Sequence[str]:
        image, y = f.binary("udiv", index, op.size[0]), f.binary("urem", index, op.size[0])
        starts = part_pointers(f, view, image_pointers(f, site, image))
        entry = f.binary("mul", f.binary("add", y, op.size[1]), ENTRY_BYTES)
        place = _place(f, f.offset("%w", entry))
        lines = [_lines(f, op, *each, width, place) for each in zip(starts, parts, strict=True)]
        target = f.offset("%y0", f.binary("mul", index, out.row_bytes))

        def pixel(_: Count, at: list[str]) -> Sequence[str]:
            _emit_pixel(f, form, parts, lines, place, _place(f, at[0]), at[1], out.room)
            return [f.offset(at[0], ENTRY_BYTES), f.offset(at[1], out.pixel_bytes)]

        f.loop(0, op.size[1], [("ptr", "%w"), ("ptr", target)], pixel)
        return []

    with f.vectors_of(site.isa.filled_by(gcd(*(part.channels for part in parts)))):
        f.loop("%begin", "%end", [], row)
    sides = zip((width, height), op.size[::-1], strict=True)
    table = np.concatenate([form.pack(taps_of(op, size, into)) for size, into in sides])
    name = f"{form.element}_resize_{op.mode}_c{channels}_{op.size[0]}x{op.size[1]}"
    return Kernel(site.library.define(name, f), images * op.size[0], 0, table)


@dataclass(frozen=True)
class Form:
    """How pixels are read, mixed and stored."""

    op: Resize
    codes: InCodes | None = None
    """How codes are; None for floats."""

    @property
    def element(self) -> str:
        """What pixels consist of, in the name of a kernel."""
        return "f32" if self.codes is None else "q8"

    @property
    def size(self) -> int:
        """Bytes of an element."""
        return F32.bytes if self.codes is None else 1

    def pack(self, taps: Taps) -> np.ndarray:
        """Pack the entries of an axis."""
        weight = taps.weight if self.codes is None else taps.steps
        return np.stack([taps.low, taps.high, weight], axis=1).astype(np.float32).ravel()

    def load_first(self, f: Function, at: Sequence[str], lanes: int | None) -> str:
        """Return the formula of a copied pixel."""
        return self.load(f, at[0], lanes)

    def load(self, f: Function, address: str, lanes: int | None) -> str:
        """Load elements of a pixel."""
        if self.codes is None:
            return load(f, address, 0, lanes)
        return load_codes(f, address, 0, lanes, self.codes.zero)

    def store(self, f: Function, value: str, address: str, lanes: int | None) -> None:
        """Store elements of the result."""
        if self.codes is None:
            store(f, value, address, 0, lanes)
        else:
            store_finished(f, self.codes.finish, value, address, 0, lanes)


def _form_of(node: Node, op: Resize) -> Form:
    if not on_codes(node):
        return Form(op)
    x, to = element_of(node, "x"), node.result.type.element
    if op.mode == "nearest" or not isinstance(to, Q8):
        return Form(op, InCodes(x, Finish.same()))
    return Form(op, InCodes(x, Finish.of(node), to))


def _place(f: Function, entry: str) -> Place:
    """Load an entry of the table."""
    low, high, weight = (load_scalar(f, f.offset(entry, 4 * number)) for number in range(3))
    first, second = (f.op(f"fptosi float {each} to {f.isa.word}") for each in (low, high))
    return Place(first, second, weight)


def _lines(
    f: Function, op: Resize, start: str, part: Part, width: int, place: Place
) -> tuple[str, ...]:
    """Compute the addresses of the rows of a part that are read."""
    rows = (place.low,) if op.mode == "nearest" else (place.low, place.high)
    return tuple(f.offset(start, f.binary("mul", row, width * part.pixel)) for row in rows)


def _emit_pixel(
    f: Function,
    form: Form,
    parts: Sequence[Part],
    lines: Sequence[Sequence[str]],
    row: Place,
    column: Place,
    target: str,
    room: int,
) -> None:
    """Emit a pixel of the result, part by part."""
    near = form.op.mode == "nearest"
    mixed = _between if form.codes is None else _between_codes
    formula = form.load_first if near else mixed(f, form, row, column)
    columns = (column.low,) if near else (column.low, column.high)
    done = 0
    for part, starts in zip(parts, lines, strict=True):
        steps = [f.binary("mul", each, part.pixel) for each in columns]
        sources = [f.offset(start, step) for start in starts for step in steps]
        at = [*sources, f.offset(target, form.size * done)]
        _emit_channels(f, form, formula, at, part.channels, min(part.room, room - done))
        done += part.channels


def _between(f: Function, form: Form, row: Place, column: Place) -> Formula:
    """Return the formula of a pixel between four."""
    across, down = _shares(f, column), _shares(f, row)

    def formula(f: Function, at: Sequence[str], lanes: int | None) -> str:
        corners = [form.load(f, corner, lanes) for corner in at]
        upper, lower = (_mixed(f, corners[k], corners[k + 1], across) for k in (0, 2))
        return _mixed(f, upper, lower, down)

    return formula


def _between_codes(f: Function, form: Form, row: Place, column: Place) -> Formula:
    """Return the formula of a pixel of codes between four: by floats across, which hold the sums,
    and by s32 down."""
    codes, ints = form.codes, integers(f)
    assert codes is not None
    across, down = _shares(f, column, WEIGHT_STEPS), _shares(f, row, WEIGHT_STEPS)
    weights = [whole(f, share) for share in down]
    factor = splat_literal(f, codes.mean_ratio(WEIGHT_STEPS**2))

    def formula(f: Function, at: Sequence[str], lanes: int | None) -> str:
        corners = [form.load(f, corner, lanes) for corner in at]
        lines = [whole(f, _mixed(f, corners[k], corners[k + 1], across)) for k in (0, 2)]
        parts = [f.op(f"mul {ints} {a}, {b}") for a, b in zip(lines, weights, strict=True)]
        total = f.op(f"add {ints} {parts[0]}, {parts[1]}")
        return arithmetic(f, "fmul", floats(f, total), factor)

    return formula


def _shares(f: Function, place: Place, whole: int = 1) -> tuple[str, str]:
    """Return the weights of both rows or columns, of a sum of `whole`, as vectors."""
    rest = f.op(f"fsub {f.isa.scalar} {float_literal(whole)}, {place.weight}")
    return splat(f, rest), splat(f, place.weight)


def _mixed(f: Function, a: str, b: str, shares: tuple[str, str]) -> str:
    return fma(f, b, shares[1], arithmetic(f, "fmul", a, shares[0]))


def _emit_channels(
    f: Function, form: Form, formula: Formula, at: Sequence[str], channels: int, room: int
) -> None:
    """Emit the channels of a part. The last vector is whole where there is room for it or where it
    may begin among the channels before it, which it computes again."""
    whole, tail = divmod(channels, f.isa.lanes)
    if tail and room >= f.isa.padded(channels):
        whole, tail = whole + 1, 0

    def vector(_: Count, here: list[str]) -> Sequence[str]:
        *sources, target = here
        form.store(f, formula(f, sources, None), target, None)
        return [f.offset(pointer, f.isa.lanes * form.size) for pointer in here]

    f.loop(0, whole, [("ptr", pointer) for pointer in at], vector)
    if tail:
        start = form.size * (channels - f.isa.lanes) if whole else 0
        *sources, target = [f.offset(pointer, start) for pointer in at]
        lanes = None if whole else tail
        form.store(f, formula(f, sources, lanes), target, lanes)
