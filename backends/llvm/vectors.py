"""Vector arithmetic on a `Function`: loads, stores (full or of a few lanes), fma."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from math import inf

from mbc.backends.llvm.emitter import Function, float_literal


def literal(f: Function, value: float) -> str:
    """Return the literal of an element."""
    return float_literal(value) if f.isa.element.is_float else str(int(value))


def splat_literal(f: Function, value: float) -> str:
    """Return a vector literal with a constant in all lanes."""
    lane = f"{f.isa.scalar} {literal(f, value)}"
    return f"<{', '.join([lane] * f.isa.lanes)}>"


def load(
    f: Function, pointer: str, bytes: int = 0, lanes: int | None = None, fill: float = 0.0
) -> str:
    """Load a vector; with fewer `lanes` only these are read, the others are `fill`. Vectors that
    are loaded in pieces have at most 16 lanes."""
    address = f.offset(pointer, bytes)
    if lanes is None or lanes == f.isa.lanes:
        return f.op(f"load {f.isa.vector}, ptr {address}, {alignment(f)}")
    if f.isa.masked:
        v, others = f.isa.vector, splat_literal(f, fill)
        return f.op(
            f"call {v} @{_masked(f, 'load')}(ptr {address}, {_mask(f, lanes)}, {v} {others})"
        )
    vector, lane = splat_literal(f, fill), 0
    for count in (8, 4, 2):
        if lanes - lane >= count:
            vector, lane = _load_piece(f, vector, address, lane, count), lane + count
    if lanes - lane:
        element = load_scalar(f, f.offset(address, f.isa.element.bytes * lane))
        vector = _inserted(f, vector, element, lane)
    return vector


def load_vectors(f: Function, pointer: str, bytes: int, count: int) -> list[str]:
    """Load consecutive vectors by as few instructions as the CPU can."""
    vectors: list[str] = []
    while len(vectors) < count:
        at = bytes + len(vectors) * f.isa.vector_bytes
        several = min(f.isa.multi_load, count - len(vectors))
        if several == 1:
            vectors.append(load(f, pointer, at))
            continue
        result = "{ " + ", ".join([f.isa.vector] * several) + " }"
        name = f"llvm.aarch64.neon.ld1x{several}.v{f.isa.lanes}f32.p0"
        loaded = f.op(f"call {result} @{name}(ptr {f.offset(pointer, at)})")
        vectors += [f.op(f"extractvalue {result} {loaded}, {i}") for i in range(several)]
    return vectors


def load_spread(
    f: Function, pointer: str, bytes: int, count: int, sources: Sequence[Sequence[int]]
) -> list[str]:
    """Load `count` elements, not more than lanes; returns vectors that have those numbered
    `sources` in their lanes."""
    if count == 1:
        return [splat(f, load_scalar(f, f.offset(pointer, bytes)))] * len(sources)
    if count.bit_count() == 1:
        width = count
        address = f.offset(pointer, bytes)
        loaded = f.op(f"load <{width} x {f.isa.scalar}>, ptr {address}, {alignment(f)}")
    else:
        width, loaded = f.isa.lanes, load(f, pointer, bytes, count)
    kind = f"<{width} x {f.isa.scalar}>"
    masks = [", ".join(f"i32 {source}" for source in lanes) for lanes in sources]
    return [
        f.op(f"shufflevector {kind} {loaded}, {kind} poison, <{f.isa.lanes} x i32> <{mask}>")
        for mask in masks
    ]


def load_repeated(f: Function, pointer: str, every: int, count: int) -> str:
    """Load `count` elements, with zeros up to `every`, and repeat these over all lanes."""
    kind, lanes = f"<{every} x {f.isa.scalar}>", f.isa.lanes
    if count == every:
        loaded = f.op(f"load {kind}, ptr {pointer}, {alignment(f)}")
    else:
        loaded = _load_part(f, pointer, every, count)
    if every == lanes:
        return loaded
    mask = ", ".join(f"i32 {lane % every}" for lane in range(lanes))
    return f.op(f"shufflevector {kind} {loaded}, {kind} poison, <{lanes} x i32> <{mask}>")


def _load_part(f: Function, pointer: str, size: int, count: int) -> str:
    """Load `count` elements into a vector of `size`, the others 0, by as few loads as can be."""
    kind, loaded, at = f"<{size} x {f.isa.scalar}>", "zeroinitializer", 0
    for piece in (n for n in (8, 4, 2, 1) if n & count):
        part = f"<{piece} x {f.isa.scalar}>"
        address = f.offset(pointer, f.isa.element.bytes * at)
        value = f.op(f"load {part}, ptr {address}, {alignment(f)}")
        spread = ", ".join(f"i32 {min(lane, piece - 1)}" for lane in range(size))
        whole = f"shufflevector {part} {value}, {part} poison, <{size} x i32> <{spread}>"
        chosen = ", ".join(
            f"i32 {size + lane - at if at <= lane < at + piece else lane}" for lane in range(size)
        )
        both = f"{kind} {loaded}, {kind} {f.op(whole)}, <{size} x i32> <{chosen}>"
        loaded, at = f.op(f"shufflevector {both}"), at + piece
    return loaded


def shuffled(f: Function, vector: str, lanes: Sequence[int], other: str = "poison") -> str:
    """Return a vector of the given lanes, counted on in another vector."""
    v, mask = f.isa.vector, ", ".join(f"i32 {lane}" for lane in lanes)
    return f.op(f"shufflevector {v} {vector}, {v} {other}, <{f.isa.lanes} x i32> <{mask}>")


def _load_piece(f: Function, vector: str, address: str, lane: int, count: int) -> str:
    """Replace `count` lanes from `lane` on by loaded ones. They are loaded together, since LLVM's
    ARM backend merges three single loads and a pointer step into one with too small a step."""
    piece = f"<{count} x {f.isa.scalar}>"
    start = f.offset(address, f.isa.element.bytes * lane)
    loaded = f.op(f"load {piece}, ptr {start}, {alignment(f)}")
    for i in range(count):
        element = f.op(f"extractelement {piece} {loaded}, i32 {i}")
        vector = _inserted(f, vector, element, lane + i)
    return vector


def store(f: Function, vector: str, pointer: str, bytes: int = 0, lanes: int | None = None) -> None:
    """Store a vector, or only its first `lanes` lanes."""
    address = f.offset(pointer, bytes)
    if lanes is None or lanes == f.isa.lanes:
        f.emit(f"store {f.isa.vector} {vector}, ptr {address}, {alignment(f)}")
        return
    if f.isa.masked:
        value = f"{f.isa.vector} {vector}"
        f.emit(f"call void @{_masked(f, 'store')}({value}, ptr {address}, {_mask(f, lanes)})")
        return
    for lane in range(lanes):
        element = f.op(f"extractelement {f.isa.vector} {vector}, i32 {lane}")
        store_scalar(f, element, f.offset(address, f.isa.element.bytes * lane))


def _masked(f: Function, kind: str) -> str:
    return f"llvm.masked.{kind}.v{f.isa.lanes}f32.p0"


def _mask(f: Function, lanes: int) -> str:
    """Return the alignment of an element and the mask of the first lanes."""
    bits = ", ".join(f"i1 {int(lane < lanes)}" for lane in range(f.isa.lanes))
    return f"i32 {f.isa.element.bytes}, <{f.isa.lanes} x i1> <{bits}>"


def alignment(f: Function) -> str:
    """Return the `align` clause of an instruction: that of one element, all that is known."""
    return f"align {f.isa.element.bytes}"


def load_scalar(f: Function, address: str) -> str:
    """Load one element."""
    return f.op(f"load {f.isa.scalar}, ptr {address}, {alignment(f)}")


def store_scalar(f: Function, element: str, address: str) -> None:
    """Store one element."""
    f.emit(f"store {f.isa.scalar} {element}, ptr {address}, {alignment(f)}")


def _inserted(f: Function, vector: str, element: str, lane: int) -> str:
    return f.op(f"insertelement {f.isa.vector} {vector}, {f.isa.scalar} {element}, i32 {lane}")


def prefetch(f: Function, pointer: str) -> None:
    """Prefetch the line of an address into the L1 cache; the address need not be valid."""
    f.emit(f"call void @llvm.prefetch.p0(ptr {pointer}, i32 0, i32 3, i32 1)")


def splat(f: Function, scalar: str) -> str:
    """Broadcast an element to all lanes."""
    return splat_lane(f, _inserted(f, "poison", scalar, 0), 0)


def splat_lane(f: Function, vector: str, lane: int) -> str:
    """Broadcast a lane of a vector to all lanes."""
    v, lanes = f.isa.vector, f.isa.lanes
    mask = ", ".join([f"i32 {lane}"] * lanes)
    return f.op(f"shufflevector {v} {vector}, {v} poison, <{lanes} x i32> <{mask}>")


def fma(f: Function, a: str, b: str, c: str) -> str:
    """Compute a*b + c, rounded once only if the CPU has fma: else LLVM would call a function."""
    v = f.isa.vector
    if not f.isa.fused:
        return arithmetic(f, "fadd", arithmetic(f, "fmul", a, b), c)
    return f.op(f"call {v} @llvm.fma.v{f.isa.lanes}f32({v} {a}, {v} {b}, {v} {c})")


def arithmetic(f: Function, operation: str, a: str, b: str) -> str:
    """Compute fadd, fsub, fmul or fdiv of vectors."""
    return f.op(f"{operation} {f.isa.vector} {a}, {b}")


def at_least(f: Function, x: str, bound: float) -> str:
    """Compute max(x, bound) of each lane; NaN propagates."""
    return _bounded(f, x, bound, "maximum", "ogt")


def at_most(f: Function, x: str, bound: float) -> str:
    """Compute min(x, bound) of each lane; NaN propagates."""
    return _bounded(f, x, bound, "minimum", "olt")


def _bounded(f: Function, x: str, bound: float, intrinsic: str, predicate: str) -> str:
    """Bound each lane. x is the second operand, which x86's MAXPS and MINPS return for NaN."""
    limit = splat_literal(f, bound)
    if f.isa.max_intrinsics:
        return _intrinsic(f, intrinsic, x, limit)
    return select(f, compare(f, predicate, limit, x), limit, x)


def larger(f: Function, a: str, b: str) -> str:
    """Compute max(a, b) of each lane; unspecified where one is NaN."""
    if f.isa.max_intrinsics:
        return _intrinsic(f, "maximum", a, b)
    return select(f, compare(f, "ogt", a, b), a, b)


def smaller(f: Function, a: str, b: str) -> str:
    """min(a, b) of each lane; any value where one is NaN."""
    if f.isa.max_intrinsics:
        return _intrinsic(f, "minimum", a, b)
    return select(f, compare(f, "olt", a, b), a, b)


def maximum(f: Function, values: Sequence[str]) -> str:
    """Compute the maximum of each lane; NaN propagates."""
    return _extreme(f, values, larger)


def minimum(f: Function, values: Sequence[str]) -> str:
    """Compute the minimum of each lane; NaN propagates."""
    return _extreme(f, values, smaller)


def _extreme(
    f: Function, values: Sequence[str], choose: Callable[[Function, str, str], str]
) -> str:
    found = reduce(lambda a, b: choose(f, a, b), values)
    if f.isa.max_intrinsics:
        return found
    masks = [compare(f, "uno", *pair) for pair in _pairs(values[:-1])]  # the last one's NaN stays
    if not masks:
        return found
    bits = f"<{f.isa.lanes} x i1>"
    return _nan_where(f, reduce(lambda a, b: f.op(f"or {bits} {a}, {b}"), masks), found)


def _nan_where(f: Function, lost: str, x: str) -> str:
    """Set the lanes of a mask to NaN: the one with all bits set, which x86 makes by OR."""
    v, lanes, ints = f.isa.vector, f.isa.lanes, f"<{f.isa.lanes} x i32>"
    ones = f"<{', '.join(['i32 -1'] * lanes)}>"
    bits = f.op(f"bitcast {v} {x} to {ints}")
    bits = f.op(f"select <{lanes} x i1> {lost}, {ints} {ones}, {ints} {bits}")
    return f.op(f"bitcast {ints} {bits} to {v}")


def _pairs(values: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pair up values; of an odd number, the last one with itself."""
    return zip(values[::2], [*values[1::2], *values[-1:]], strict=False)


def _intrinsic(f: Function, name: str, a: str, b: str) -> str:
    v = f.isa.vector
    return f.op(f"call {v} @llvm.{name}.v{f.isa.lanes}f32({v} {a}, {v} {b})")


def compare(f: Function, predicate: str, a: str, b: str) -> str:
    """Compare lanes; returns a mask of one bit per lane."""
    return f.op(f"fcmp {predicate} {f.isa.vector} {a}, {b}")


def select(f: Function, bits: str, a: str, b: str) -> str:
    """Select lanes of a where the mask's bit is set, else of b."""
    v = f.isa.vector
    return f.op(f"select <{f.isa.lanes} x i1> {bits}, {v} {a}, {v} {b}")


def reduce_lanes(f: Function, vector: str, combine: str) -> str:
    """Compute the sum ("add") or maximum ("max") of all lanes as a scalar."""
    kind, scalar = f.isa.scalar, f.op(f"extractelement {f.isa.vector} {vector}, i32 0")
    for lane in range(1, f.isa.lanes):
        element = f.op(f"extractelement {f.isa.vector} {vector}, i32 {lane}")
        if combine == "add":
            scalar = f.op(f"fadd {kind} {scalar}, {element}")
        else:
            test = f.op(f"fcmp ogt {kind} {scalar}, {element}")
            scalar = f.op(f"select i1 {test}, {kind} {scalar}, {kind} {element}")
    return scalar


def largest_lane(f: Function, vector: str) -> str:
    """Compute the maximum of all lanes as a scalar; NaN propagates."""
    kind, largest = f.isa.scalar, f.op(f"extractelement {f.isa.vector} {vector}, i32 0")
    for lane in range(1, f.isa.lanes):
        element = f.op(f"extractelement {f.isa.vector} {vector}, i32 {lane}")
        above = f.op(f"fcmp ogt {kind} {largest}, {element}")
        lost = f.op(f"fcmp uno {kind} {largest}, {largest}")
        stays = f.op(f"or i1 {above}, {lost}")
        largest = f.op(f"select i1 {stays}, {kind} {largest}, {kind} {element}")
    return largest


LOWEST = -inf
