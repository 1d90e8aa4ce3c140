"""Kernels on codes: products, elementwise ops, global means. Windows are those of floats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.integer.codes import (
    LARGEST_EXACT,
    Finish,
    element_of,
    floats,
    integers,
    less,
    load_codes,
    load_everywhere,
    load_whole,
    scaled,
    scaled_operand,
    splat_integer,
    store_finished,
)
from mbc.backends.llvm.integer.dots import dots_of
from mbc.backends.llvm.integer.layers import build_product, plan_product
from mbc.backends.llvm.integer.narrow import Piece, narrowing_of, narrowings_of, store_pieces
from mbc.backends.llvm.integer.strips import USDOT_DECLARED
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.kernels.axes import build_reduction
from mbc.backends.llvm.kernels.base import Kernel, Site
from mbc.backends.llvm.kernels.chain import chain_nodes, chain_refusal
from mbc.backends.llvm.kernels.elementwise import SEVERAL, Stream, Vector, build_rows, stream_of
from mbc.backends.llvm.kernels.linear import is_gemm_rows
from mbc.backends.llvm.kernels.reduce import pool_kernel
from mbc.backends.llvm.kernels.resize import build_resize
from mbc.backends.llvm.kernels.stream import build_stream
from mbc.backends.llvm.kernels.strided import build_strided_copy
from mbc.backends.llvm.kernels.windows import (
    build_window,
    is_window_conv,
)
from mbc.backends.llvm.vectors import (
    arithmetic,
    compare,
    larger,
    load,
    select,
    smaller,
    splat_literal,
)
from mbc.backends.llvm.window import MOST_EXACT_TAPS, Part
from mbc.ir.elements import Q8
from mbc.ir.graph import Constant, Node
from mbc.ir.op import Op
from mbc.ops import (
    Add,
    AvgPool,
    Conv2d,
    Dense,
    Dequantize,
    Fused,
    GlobalAvgPool,
    Lookup,
    Max,
    MaxPool,
    Min,
    Mul,
    Pad,
    Quantize,
    ReduceMean,
    ReduceSum,
    Requantize,
    Resize,
    Sub,
)
from mbc.ops.elementwise import Activate, Arithmetic
from mbc.ops.linear import present
from mbc.ops.quantized import LARGEST_CODE, TABLE, product_ratio, ratio
from mbc.ops.reduce import REDUCTIONS
from mbc.targets.elements import on_codes


def build_elementwise(site: Site) -> Kernel:
    """Build an op on each element; a task a row of pixels."""
    node = site.node
    inputs = [stream_of(site, role) for role, _ in node.items() if site.buffers(role)]
    finish = Finish.of(node)
    if isinstance(node.op, Activate):
        finish = Finish.same(finish.low, finish.high)

    def keep(f: Function, value: str, address: str, lanes: int | None) -> None:
        store_finished(f, finish, value, address, 0, lanes)

    buffers = [*(buffer for several in site.inputs for buffer in several), *site.outputs]
    dense = all(b.pitch == b.type.channels and b.type.rank > 1 for b in buffers)
    flat = dense and len({buffer.type.shape for buffer in buffers}) == 1
    weights = np.zeros(0, np.float32)
    vector = _vector(node, inputs)
    how = narrowing_of(site.isa)
    together = how and (how.exceeds or isinstance(node.op, Quantize))
    several = partial(_several, node, finish, inputs) if together else None
    return build_rows(
        site,
        inputs,
        vector,
        weights,
        keep,
        "q8",
        number=load_everywhere,
        flat=flat,
        several=several,
    )


def _several(
    node: Node, finish: Finish, inputs: Sequence[Stream], f: Function, at: Sequence[str]
) -> None:
    """Emit vectors that are narrowed together: by what makes 0 of NaN and bounds all numbers, or
    by what makes the least integer of numbers beyond s32."""
    *operands, out = at
    how = narrowing_of(f.isa)
    free = how is not None and how.exceeds
    size, pieces, vector = finish.element.bytes, list[Piece](), _vector(node, inputs, nan=not free)
    for j in range(SEVERAL):
        here = [f.offset(p, j * stream.step) for p, stream in zip(operands, inputs, strict=True)]
        steps = vector(f, here, None)
        if not free:
            steps = smaller(f, steps, splat_literal(f, finish.high - (finish.zero or 0)))
        pieces.append(Piece(steps, j * f.isa.lanes * size))
    finish = finish if free else replace(finish, fits=True)
    store_pieces(f, finish, pieces, out)


def _vector(node: Node, operands: Sequence[Stream], *, nan: bool = True) -> Vector:
    """Return what computes the steps of a vector; unless `nan`, those of NaN are left."""
    match node.op:
        case Add() | Sub() | Mul() | Min() | Max():
            return partial(_combined, node, operands)
        case Activate():
            return lambda f, at, lanes: load_codes(f, at[0], 0, lanes, 0)
        case Requantize():
            return partial(_rescaled, node)
        case Quantize():
            return partial(_steps, node, nan)
        case Dequantize():
            return partial(_numbers, node)
        case _:
            raise TypeError(f"{node.op.label} is not elementwise")


FORMULAS: Mapping[type[Arithmetic], Callable[[Function, str, str], str]] = {
    Add: lambda f, a, b: arithmetic(f, "fadd", a, b),
    Sub: lambda f, a, b: arithmetic(f, "fsub", a, b),
    Min: smaller,
    Max: larger,
}
"""From the steps of both operands to those of the result."""


def _combined(
    node: Node, operands: Sequence[Stream], f: Function, at: list[str], lanes: int | None
) -> str:
    """Combine steps; a product of codes is exact before it is scaled."""
    assert isinstance(node.op, Arithmetic)
    numbers = [
        load_codes(f, here, 0, lanes, element_of(node, role).zero)
        if stream.step
        else less(f, here, element_of(node, role).zero)
        for role, stream, here in zip(("a", "b"), operands, at, strict=False)
    ]
    if isinstance(node.op, Mul):
        to = node.result.type.element
        assert isinstance(to, Q8)
        factor = float(product_ratio(element_of(node, "a"), element_of(node, "b"), to))
        return arithmetic(f, "fmul", arithmetic(f, "fmul", *numbers), splat_literal(f, factor))
    steps = [scaled(f, scaled_operand(node, r), n) for r, n in zip("ab", numbers, strict=True)]
    return FORMULAS[type(node.op)](f, *steps)


def _rescaled(node: Node, f: Function, at: list[str], lanes: int | None) -> str:
    operand = scaled_operand(node, "x")
    return scaled(f, operand, load_codes(f, at[0], 0, lanes, operand.zero))


def _steps(node: Node, nan: bool, f: Function, at: list[str], lanes: int | None) -> str:
    """Divide by the scale; NaN becomes 0."""
    to = node.result.type.element
    assert isinstance(to, Q8)
    x = load(f, at[0], 0, lanes)
    steps = arithmetic(f, "fmul", x, splat_literal(f, float(np.float32(1 / to.scale))))
    return select(f, compare(f, "uno", x, x), splat_literal(f, 0), steps) if nan else steps


def _numbers(node: Node, f: Function, at: list[str], lanes: int | None) -> str:
    x = element_of(node, "x")
    codes = load_codes(f, at[0], 0, lanes, x.zero)
    return arithmetic(f, "fmul", codes, splat_literal(f, x.scale))


def build_lookup(site: Site) -> Kernel:
    """Build a table's bytes for codes; a task a row of pixels."""
    table = site.node.constant("table")
    assert table is not None
    x, out, f = site.input("x"), site.output, site.kernel_function()
    channels, pitch = out.type.channels, TABLE.elements if table.type != TABLE else 0
    width = (1, *out.type.shape)[-2]

    def row(index: Count, _: list[str]) -> Sequence[str]:
        starts = [
            f.offset(start, f.binary("mul", index, width * buffer.pixel_bytes))
            for start, buffer in (("%x0", x), ("%y0", out))
        ]
        f.loop(0, width, [("ptr", start) for start in starts], pixel)
        return []

    def pixel(_: Count, at: list[str]) -> Sequence[str]:
        whole = channels // LOOKUPS * LOOKUPS
        here = f.loop(0, whole, [("ptr", p) for p in (*at, "%w")], several, step=LOOKUPS)
        _emit_lookups(f, here, channels - whole, pitch)
        return [f.offset(p, b.pixel_bytes) for p, b in zip(at, (x, out), strict=True)]

    def several(_: Count, at: list[str]) -> Sequence[str]:
        _emit_lookups(f, at, LOOKUPS, pitch)
        x, y, tables = at
        return [f.offset(x, LOOKUPS), f.offset(y, LOOKUPS), f.offset(tables, LOOKUPS * pitch)]

    f.loop("%begin", "%end", [], row)
    name = site.library.define(f"q8_lookup_c{channels}_w{width}", f)
    return Kernel(name, out.pixels // width, 0, np.ascontiguousarray(table.array.T))


LOOKUPS = 8  # bytes in a turn of a loop


def _emit_lookups(f: Function, at: Sequence[str], count: int, pitch: int) -> None:
    """Look up some bytes of a pixel; the tables of its channels are `pitch` bytes apart."""
    for place in range(count):
        code = f.op(f"load i8, ptr {f.offset(at[0], place)}")
        index = f.op(f"zext i8 {code} to {f.isa.word}")
        byte = f.op(f"load i8, ptr {f.offset(f.offset(at[2], place * pitch), index)}")
        f.emit(f"store i8 {byte}, ptr {f.offset(at[1], place)}")


CHUNK = 4  # channel vectors that are summed side by side
Mean = Callable[[Part, str, str, int, int | None], None]
"""Emits the means of some vectors of a part, from an address to another."""


def build_global_mean(site: Site) -> Kernel:
    """Build the mean over all pixels of an image, with sums in s32."""

    def means(f: Function, part: Part, x: str, out: str, pixels: int, room: int) -> None:
        _emit_part(f, part, x, out, partial(_emit_mean, f, site.node, pixels))

    return pool_kernel(site, means, "q8")


def _emit_part(f: Function, part: Part, x: str, out: str, mean: Mean) -> None:
    """Store the means of a part, several vectors at a time, and the last lanes by themselves."""
    whole, tail = divmod(part.channels, f.isa.lanes)
    step = CHUNK * f.isa.lanes

    def chunk(_: Count, at: list[str]) -> Sequence[str]:
        mean(part, at[0], at[1], CHUNK, None)
        return [f.offset(pointer, step) for pointer in at]

    x, out = f.loop(0, whole // CHUNK, [("ptr", x), ("ptr", out)], chunk)
    if rest := whole % CHUNK:
        mean(part, x, out, rest, None)
        x, out = (f.offset(pointer, rest * f.isa.lanes) for pointer in (x, out))
    if tail:
        mean(part, x, out, 1, tail)


def _emit_mean(
    f: Function,
    node: Node,
    pixels: int,
    part: Part,
    x: str,
    out: str,
    vectors: int,
    lanes: int | None,
) -> None:
    source, to, ints = element_of(node, "x"), node.result.type.element, integers(f)
    assert isinstance(to, Q8)

    def pixel(_: Count, values: list[str]) -> Sequence[str]:
        at, *sums = values
        codes = [load_whole(f, at, j * f.isa.lanes, lanes) for j in range(vectors)]
        more = [f.op(f"add {ints} {a}, {b}") for a, b in zip(sums, codes, strict=True)]
        return [f.offset(at, part.pixel), *more]

    zero, less = (ints, "zeroinitializer"), splat_integer(f, pixels * source.zero)
    _, *sums = f.loop(0, pixels, [("ptr", x), *([zero] * vectors)], pixel)
    factor = splat_literal(f, float(ratio(source, to, pixels)))
    for j, total in enumerate(sums):
        centred = f.op(f"sub {ints} {total}, {less}") if source.zero else total
        steps = arithmetic(f, "fmul", floats(f, centred), factor)
        store_finished(f, Finish.of(node), steps, out, j * f.isa.lanes, lanes)


Builder = Callable[[Site], Kernel]
"""A kernel family."""

BUILDERS: Mapping[type[Op], Builder] = {
    Conv2d: build_product,
    Dense: build_product,
    MaxPool: build_window,
    AvgPool: build_window,
    GlobalAvgPool: build_global_mean,
    **dict.fromkeys((Add, Sub, Mul, Min, Max), build_elementwise),
    Pad: build_strided_copy,
    Resize: build_resize,
    **dict.fromkeys(REDUCTIONS, build_reduction),
    Activate: build_elementwise,
    Quantize: build_elementwise,
    Requantize: build_elementwise,
    Lookup: build_lookup,
    Dequantize: build_elementwise,
    Fused: build_stream,
}
"""Kernel families of ops on codes."""


def build(site: Site) -> Kernel:
    """Build the kernel of a node on codes, and declare what it may call."""
    declared = [line for narrowing in narrowings_of(site.isa) for line in narrowing.declared]
    dots = [line for dot in dots_of(site.isa) for line in dot.declared]
    windows = [USDOT_DECLARED] if site.isa.dots == "i8mm" else []
    for line in (*dots, *windows, *declared):
        site.library.declare(line)
    return builder_of(site.node)(site)


def builder_of(node: Node) -> Builder:
    """Return the kernel family of a node on codes."""
    return build_window if is_window(node) else BUILDERS[type(node.op)]


def is_window(node: Node) -> bool:
    """Return whether a convolution has the kernel of windows: depthwise, of not too many taps."""
    if not is_window_conv(node) or is_gemm_rows(node):
        return False
    weight = present(node.type_of("weight"))
    return weight.elements // weight.channels <= MOST_EXACT_TAPS


def refusal(node: Node) -> str:
    """Return why a node on codes has no kernel; "" if it has one."""
    if isinstance(node.op, Fused):
        return body_refusal(node)
    if type(node.op) not in BUILDERS:
        return "it computes with floats alone"
    if _terms(node) > LARGEST_EXACT // LARGEST_CODE:
        return f"a sum has at most {LARGEST_EXACT // LARGEST_CODE:,} terms"
    if isinstance(node.op, Arithmetic) and any(isinstance(o, Constant) for o in node.operands):
        return "an operand is constant"
    return ""


def _terms(node: Node) -> int:
    """Count the codes that are added up by floats to one of the result; 1 where none are."""
    if isinstance(node.op, AvgPool):
        return node.op.kernel[0] * node.op.kernel[1]
    if isinstance(node.op, ReduceMean | ReduceSum):
        return present(node.type_of("x")).elements // node.result.type.elements
    return 1


def body_refusal(node: Node) -> str:
    """Return why a fused body with codes is no chain of them; "" if it is one."""
    if reason := chain_refusal(node):
        return reason
    for inner in chain_nodes(node):
        if not on_codes(inner):
            return f"{inner.op.label} computes with floats"
        if reason := refusal(inner):
            return reason
        if is_window_conv(inner) and not (is_window(inner) or is_gemm_rows(inner)):
            return f"a window has at most {MOST_EXACT_TAPS} elements"
    return ""


def scratch_bytes(isa: Isa, node: Node) -> int:
    """Return the scratch of one thread."""
    known = on_codes(node) and type(node.op) in BUILDERS
    product = known and builder_of(node) is build_product
    return plan_product(isa, node).scratch_bytes if product else 0
