"""The C interface of a network as LLVM IR: the functions that NET.h declares, `NET_abi` and the
data that it returns (abi.h), and the digest that identifies a build.

In a module by itself, and in process, a network's functions are called `NET_…`. In an object to be
linked every symbol, exported or not, ends in the build's digest, so that one program can contain
any two builds.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace

from mbc.alignment import ALIGNMENT
from mbc.backends.llvm.isa import isa_of
from mbc.backends.llvm.lower import LoweredNet
from mbc.backends.llvm.subnormals import flush_ir
from mbc.runtime.abi import ABI_VERSION, DIGEST_DIGITS, ELEMENTS, IoSpec, NetSpec

_TENSOR = "{{ ptr, ptr, {word}, i32, i32, float, i32 }}"
_ABI = (
    "{{ i32, i32, ptr, ptr, {word}, {word}, {word}, {word}, i32, i32, i32, i32, "
    "ptr, ptr, ptr, ptr, ptr, ptr }}"
)

_FUNCTIONS = """\
define {word} @{net}_arena_bytes(i32 %threads) nounwind {{
  %n = {widened}
  %scratch = mul {word} %n, {scratch}
  %all = add {word} %scratch, {shared}
  %single = icmp sle i32 %threads, 1
  %bytes = select i1 %single, {word} {arena}, {word} %all
  ret {word} %bytes
}}

define internal i32 @{net}_call(ptr %io, ptr %weights, ptr %arena, ptr %pool) nounwind {{
  %noio = icmp eq ptr %io, null
  br i1 %noio, label %bad, label %arenacheck
arenacheck:
  %noarena = icmp eq ptr %arena, null
  %noweights = icmp eq ptr {data}, null
  %missing = or i1 %noarena, %noweights
  %address = ptrtoint ptr %arena to {word}
  %low = and {word} %address, {mask}
  %misaligned = icmp ne {word} %low, 0
  %badarena = or i1 %missing, %misaligned
  br i1 %badarena, label %bad, label %check0
{checks}
check{pointers}:
  %threads = icmp eq ptr %pool, null
  br i1 %threads, label %run, label %poolcheck
poolcheck:
  %size = getelementptr ptr, ptr %pool, {word} 1
  %team = load i32, ptr %size
  %empty = icmp eq i32 %team, 0
  br i1 %empty, label %bad, label %run
run:
  call void @{net}_invoke(ptr %io, ptr {data}, ptr %arena, ptr %pool)
  ret i32 0
bad:
  ret i32 1
}}

define i32 @{net}_run(ptr %io, {parameter}ptr %arena, ptr %pool) nounwind {{
  %status = call i32 @{net}_call(ptr %io, ptr {given}, ptr %arena, ptr %pool)
  ret i32 %status
}}

define ptr @{net}_abi() nounwind {{
  ret ptr @{net}_description
}}
"""


def library_ir(lowered: LoweredNet) -> str:
    """Return the module of the C library: the network and the functions of its header. Weights are
    the external symbol `NET_weights`, or a parameter of `NET_run`."""
    spec = lowered.spec
    parts = [
        lowered.module(linkage="hidden "),
        flush_ir(lowered.target, spec.name),
        _functions(lowered),
        *_description(spec, isa_of(lowered.target).word),
    ]
    return stamped("\n".join(parts), spec)


def stamped(ir: str, spec: NetSpec) -> str:
    """Append the build's digest to a module's symbols of the network."""
    if not spec.build:
        return ir
    return re.sub(rf"@{spec.name}_(\w+)", rf"@{spec.name}_\1_{spec.build}", ir)


def plain_name_ir(spec: NetSpec) -> str:
    """Return a module that exports `NET_abi` by its plain name. For shared libraries only: linked
    into one program, two builds would both define it."""
    description = spec.symbol("description")
    return (
        f"@{description} = external hidden constant i8\n\n"
        f"define ptr @{spec.name}_abi() nounwind {{\n  ret ptr @{description}\n}}\n"
    )


def identified(lowered: LoweredNet) -> LoweredNet:
    """Set the build's digest, computed from interface, code and target, and from the weights unless
    these are a file."""
    plain = replace(lowered.spec, build="")
    external = plain.external_weights
    interface = asdict(plain) | {"weights_sha256": external}
    target = lowered.target
    parts = (
        json.dumps(interface),
        json.dumps([target.triple, target.cpu, target.features, target.abi]),
        library_ir(replace(lowered, spec=plain)),
    )
    digest = hashlib.sha256("\0".join(parts).encode())
    if not external:
        digest.update(lowered.weights)
    build = digest.hexdigest()[:DIGEST_DIGITS]
    return replace(lowered, spec=replace(plain, build=build))


def _functions(lowered: LoweredNet) -> str:
    spec, word = lowered.spec, isa_of(lowered.target).word
    pointers = len(spec.inputs) + len(spec.outputs)
    external = spec.external_weights
    symbol = f"@{spec.name}_weights"
    embedded = f"{symbol} = external hidden constant i8, align {ALIGNMENT}\n\n"
    text = _FUNCTIONS.format(
        net=spec.name,
        word=word,
        widened=f"sext i32 %threads to {word}" if word != "i32" else "add i32 %threads, 0",
        arena=spec.arena_bytes,
        shared=spec.shared_bytes,
        scratch=spec.scratch_bytes,
        mask=ALIGNMENT - 1,
        checks="\n".join(_pointer_check(i, word) for i in range(pointers)),
        pointers=pointers,
        data="%weights" if external else symbol,
        parameter="ptr %weights, " if external else "",
        given="%weights" if external else "null",
    )
    return text if external else embedded + text


def _pointer_check(i: int, word: str) -> str:
    return (
        f"check{i}:\n"
        f"  %slot{i} = getelementptr ptr, ptr %io, {word} {i}\n"
        f"  %given{i} = load ptr, ptr %slot{i}\n"
        f"  %null{i} = icmp eq ptr %given{i}, null\n"
        f"  br i1 %null{i}, label %bad, label %check{i + 1}"
    )


def _description(spec: NetSpec, word: str) -> Iterator[str]:
    """Emit the constant `NET_description`, an `mbc_abi`, and the data that it points to."""
    net, pointer = spec.name, 4 if word == "i32" else 8
    yield _string(f"{net}_name", net)
    yield _string(f"{net}_build", spec.build)
    for role, tensors in (("input", spec.inputs), ("output", spec.outputs)):
        for i, io in enumerate(tensors):
            yield _string(f"{net}_{role}{i}", io.name)
            yield _shape(f"{net}_{role}{i}_shape", io, word)
        rows = [_tensor(f"{net}_{role}{i}", io, word) for i, io in enumerate(tensors)]
        kind = _TENSOR.format(word=word)
        yield _array(f"{net}_{role}s", kind, [f"{kind} {row}" for row in rows])
    for i, io in enumerate(spec.inputs):
        yield _string(f"{net}_normalize{i}", str(io.normalisation or ""))
    made = [f"ptr @{net}_normalize{i}" for i in range(len(spec.inputs))]
    yield _array(f"{net}_normalize", "ptr", made)
    members = [
        f"i32 {ABI_VERSION}",
        f"i32 {6 * 4 + 12 * pointer}",
        *(f"ptr @{net}_{each}" for each in ("name", "build")),
        *(f"{word} {size}" for size in (spec.arena_bytes, spec.shared_bytes)),
        *(f"{word} {size}" for size in (spec.scratch_bytes, spec.weights_bytes)),
        f"i32 {ALIGNMENT}",
        f"i32 {int(spec.external_weights)}",
        *(f"i32 {len(tensors)}" for tensors in (spec.inputs, spec.outputs)),
        *(f"ptr @{net}_{each}" for each in ("inputs", "outputs")),
        *(f"ptr @{net}_{each}" for each in ("call", "arena_bytes", "flush_subnormals")),
        f"ptr @{net}_normalize",
    ]
    kind = _ABI.format(word=word)
    yield f"@{net}_description = hidden constant {kind} {{ {', '.join(members)} }}\n"


def _tensor(name: str, io: IoSpec, word: str) -> str:
    scale = 1.0 if io.scale is None else io.scale
    members = (
        f"ptr @{name}",
        f"ptr @{name}_shape",
        f"{word} {io.count}",
        f"i32 {ELEMENTS[io.dtype].code}",
        f"i32 {len(io.shape)}",
        f"float {_float(scale)}",
        f"i32 {io.zero_point}",
    )
    return f"{{ {', '.join(members)} }}"


def _shape(name: str, io: IoSpec, word: str) -> str:
    return _array(name, word, [f"{word} {extent}" for extent in io.shape])


def _array(name: str, kind: str, elements: Sequence[str]) -> str:
    listed = f"[{', '.join(elements)}]" if elements else "zeroinitializer"
    return f"@{name} = internal constant [{len(elements)} x {kind}] {listed}"


def _string(name: str, text: str) -> str:
    data = text.encode() + b"\0"
    escaped = "".join(f"\\{byte:02x}" for byte in data)
    return f'@{name} = internal constant [{len(data)} x i8] c"{escaped}"'


def _float(value: float) -> str:
    """Format a float for LLVM: the bits of the double of the same value."""
    (rounded,) = struct.unpack("<f", struct.pack("<f", value))
    return f"0x{struct.unpack('<Q', struct.pack('<d', rounded))[0]:016X}"
