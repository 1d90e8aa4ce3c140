"""Vector arithmetic on a `Function`: loads, stores (full or of a few lanes), fma, activations."""

from __future__ import annotations

from math import inf

from mbc.backends.llvm.emitter import Function, float_literal
from mbc.ir.types import Act


def splat_literal(f: Function, value: float) -> str:
    """A constant in all lanes."""
    lane = f"float {float_literal(value)}"
    return f"<{', '.join([lane] * f.isa.lanes)}>"


def load(
    f: Function, pointer: str, bytes: int = 0, lanes: int | None = None, fill: float = 0.0
) -> str:
    """A vector; with fewer `lanes` only these are read, the others are `fill`."""
    address = f.offset(pointer, bytes)
    if lanes is None or lanes == f.isa.lanes:
        return f.op(f"load {f.isa.vector}, ptr {address}, align 4")
    vector, lane = splat_literal(f, fill), 0
    if lanes >= 4:
        vector, lane = _load_piece(f, vector, address, 0, 4), 4
    if lanes - lane >= 2:
        vector, lane = _load_piece(f, vector, address, lane, 2), lane + 2
    if lanes - lane:
        element = f.op(f"load float, ptr {f.offset(address, 4 * lane)}, align 4")
        vector = f.op(f"insertelement {f.isa.vector} {vector}, float {element}, i32 {lane}")
    return vector


def load_vectors(f: Function, pointer: str, bytes: int, count: int) -> list[str]:
    """Consecutive vectors, by as few instructions as the CPU can."""
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


def _load_piece(f: Function, vector: str, address: str, lane: int, count: int) -> str:
    """`count` lanes from `lane` on replaced by loaded ones. Loaded together: LLVM's ARM backend
    merges three single loads and a pointer step into one that steps too little."""
    piece = f"<{count} x float>"
    loaded = f.op(f"load {piece}, ptr {f.offset(address, 4 * lane)}, align 4")
    for i in range(count):
        element = f.op(f"extractelement {piece} {loaded}, i32 {i}")
        vector = f.op(f"insertelement {f.isa.vector} {vector}, float {element}, i32 {lane + i}")
    return vector


def store(f: Function, vector: str, pointer: str, bytes: int = 0, lanes: int | None = None) -> None:
    """Write a vector, or only its first lanes."""
    address = f.offset(pointer, bytes)
    if lanes is None or lanes == f.isa.lanes:
        f.emit(f"store {f.isa.vector} {vector}, ptr {address}, align 4")
        return
    for lane in range(lanes):
        element = f.op(f"extractelement {f.isa.vector} {vector}, i32 {lane}")
        f.emit(f"store float {element}, ptr {f.offset(address, 4 * lane)}, align 4")


def prefetch(f: Function, pointer: str) -> None:
    """Bring the line of an address into the first cache; any address will do."""
    f.emit(f"call void @llvm.prefetch.p0(ptr {pointer}, i32 0, i32 3, i32 1)")


def splat(f: Function, scalar: str) -> str:
    """A float in all lanes."""
    first = f.op(f"insertelement {f.isa.vector} poison, float {scalar}, i32 0")
    return splat_lane(f, first, 0)


def splat_lane(f: Function, vector: str, lane: int) -> str:
    """One lane of a vector in all lanes."""
    v, lanes = f.isa.vector, f.isa.lanes
    mask = ", ".join([f"i32 {lane}"] * lanes)
    return f.op(f"shufflevector {v} {vector}, {v} poison, <{lanes} x i32> <{mask}>")


def fma(f: Function, a: str, b: str, c: str) -> str:
    """a*b + c, rounded once if the CPU can: without such an instruction LLVM calls a function."""
    v = f.isa.vector
    if not f.isa.fused:
        return arithmetic(f, "fadd", arithmetic(f, "fmul", a, b), c)
    return f.op(f"call {v} @llvm.fma.v{f.isa.lanes}f32({v} {a}, {v} {b}, {v} {c})")


def arithmetic(f: Function, operation: str, a: str, b: str) -> str:
    """fadd, fsub, fmul or fdiv of vectors."""
    return f.op(f"{operation} {f.isa.vector} {a}, {b}")


def maximum(f: Function, a: str, b: str) -> str:
    """Lane-wise maximum."""
    return _extreme(f, a, b, "maxnum", "ogt")


def minimum(f: Function, a: str, b: str) -> str:
    """Lane-wise minimum."""
    return _extreme(f, a, b, "minnum", "olt")


def _extreme(f: Function, a: str, b: str, intrinsic: str, predicate: str) -> str:
    v = f.isa.vector
    if f.isa.max_intrinsics:
        return f.op(f"call {v} @llvm.{intrinsic}.v{f.isa.lanes}f32({v} {a}, {v} {b})")
    test = f.op(f"fcmp {predicate} {v} {a}, {b}")
    return f.op(f"select <{f.isa.lanes} x i1> {test}, {v} {a}, {v} {b}")


def activate(f: Function, vector: str, act: Act) -> str:
    """The activation of each lane."""
    if act is Act.NONE:
        return vector
    vector = maximum(f, vector, splat_literal(f, 0.0))
    return minimum(f, vector, splat_literal(f, 6.0)) if act is Act.RELU6 else vector


def reduce_lanes(f: Function, vector: str, combine: str) -> str:
    """Sum ("add") or maximum ("max") of all lanes as a scalar."""
    scalar = f.op(f"extractelement {f.isa.vector} {vector}, i32 0")
    for lane in range(1, f.isa.lanes):
        element = f.op(f"extractelement {f.isa.vector} {vector}, i32 {lane}")
        if combine == "add":
            scalar = f.op(f"fadd float {scalar}, {element}")
        else:
            test = f.op(f"fcmp ogt float {scalar}, {element}")
            scalar = f.op(f"select i1 {test}, float {scalar}, float {element}")
    return scalar


LOWEST = -inf

LOG2_E, LN2_HIGH, LN2_LOW = 1.4426950408889634, 0.693359375, -2.12194440e-4
ROUND_MAGIC = 12582912.0  # 1.5 * 2**23: adding it rounds to an integer in the low mantissa bits
EXP_POLYNOMIAL = (
    1.9875691500e-4,
    1.3981999507e-3,
    8.3334519073e-3,
    4.1665795894e-2,
    0.16666665459,
    0.5,
)


def exponential(f: Function, x: str) -> str:
    """exp(x) to 2 ulp (Cephes' expf polynomial), so that objects need no libm; x is clamped to
    [-87.3, 88]."""
    v, lanes = f.isa.vector, f.isa.lanes
    x = minimum(f, maximum(f, x, splat_literal(f, -87.3)), splat_literal(f, 88.0))
    shifted = fma(f, x, splat_literal(f, LOG2_E), splat_literal(f, ROUND_MAGIC))
    whole = arithmetic(f, "fsub", shifted, splat_literal(f, ROUND_MAGIC))
    rest = fma(f, whole, splat_literal(f, -LN2_HIGH), x)
    rest = fma(f, whole, splat_literal(f, -LN2_LOW), rest)
    poly = splat_literal(f, EXP_POLYNOMIAL[0])
    for coefficient in EXP_POLYNOMIAL[1:]:
        poly = fma(f, poly, rest, splat_literal(f, coefficient))
    square = arithmetic(f, "fmul", rest, rest)
    poly = fma(f, poly, square, arithmetic(f, "fadd", rest, splat_literal(f, 1.0)))
    ints = f"<{lanes} x i32>"
    magic_bits = f"<{', '.join(['i32 1262485504'] * lanes)}>"  # 0x4B400000
    exponent = f.op(f"bitcast {v} {shifted} to {ints}")
    exponent = f.op(f"sub {ints} {exponent}, {magic_bits}")
    exponent = f.op(f"shl {ints} {exponent}, <{', '.join(['i32 23'] * lanes)}>")
    bits = f.op(f"add {ints} {f.op(f'bitcast {v} {poly} to {ints}')}, {exponent}")
    return f.op(f"bitcast {ints} {bits} to {v}")
