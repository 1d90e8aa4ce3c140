"""The C interface of a compiled network: its header, and what the stand-alone main is told of it.

A network NET has the functions `NET_arena_bytes` and `NET_run`; the caller owns all memory. One
thread needs an arena of `arena_bytes`; several share `shared_bytes`, and have `scratch_bytes` each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

from mbc.runtime.names import member, net_identifier

POOL_H = Path(__file__).parent / "c" / "pool.h"
ALIGNMENT = 64  # of the arena: a cache line, and the widest vector
C_TYPES = {"f32": "float"}


@dataclass(frozen=True)
class IoSpec:
    """One input or output: its name in the network, shape (images NHWC) and dtype ("f32")."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "f32"

    def __post_init__(self) -> None:
        if self.dtype not in C_TYPES:
            raise ValueError(f"{self.name}: no C type for {self.dtype}")

    @property
    def count(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def ctype(self) -> str:
        """Element type in C."""
        return C_TYPES[self.dtype]


@dataclass(frozen=True)
class NetSpec:
    """What a C caller must know of a network. `name` is a C identifier; sizes are in bytes.

    `arena_bytes` is all that a run on one thread needs. Several threads share `shared_bytes` and
    have `scratch_bytes` each: one plan of memory cannot serve both, since one thread makes rows in
    order, and writes over those that it has read. All are multiples of `ALIGNMENT`, so that each
    thread's scratch starts aligned. `weights_sha256` is set where the weights are a file of their
    own, which the caller of `NET_run` maps.
    """

    name: str
    inputs: tuple[IoSpec, ...]
    outputs: tuple[IoSpec, ...]
    arena_bytes: int
    scratch_bytes: int
    weights_bytes: int
    weights_sha256: bytes = b""
    shared_bytes: int = 0

    def __post_init__(self) -> None:
        if net_identifier(self.name) != self.name:
            raise ValueError(f"{self.name!r} cannot name a network in C; net_identifier() can")
        for size in (self.arena_bytes, self.shared_bytes, self.scratch_bytes):
            if size % ALIGNMENT:
                raise ValueError(f"{self.name}: {size} bytes are no multiple of {ALIGNMENT}")

    @property
    def external_weights(self) -> bool:
        """Whether the weights are a file of their own."""
        return bool(self.weights_sha256)

    def total_bytes(self, threads: int) -> int:
        """What `NET_arena_bytes(threads)` returns."""
        if threads <= 1:
            return self.arena_bytes
        return self.shared_bytes + threads * self.scratch_bytes

    def fields(self) -> tuple[str, ...]:
        """Names of the pointers in `NET_io`: the inputs in order, then the outputs."""
        return _unique(member(io.name) for io in (*self.inputs, *self.outputs))


def _unique(words: Iterable[str]) -> tuple[str, ...]:
    """Tell equal words apart by a number; case does not count, for macros are in upper case."""
    seen: set[str] = set()
    names: list[str] = []
    for word in words:
        name, number = word, 1
        while name.upper() in seen:
            number += 1
            name = f"{word}_{number}"
        seen.add(name.upper())
        names.append(name)
    return tuple(names)


def _tensors(spec: NetSpec) -> Iterator[tuple[str, str, IoSpec]]:
    """Role ("input" or "output"), field name and spec of each tensor."""
    roles = ["input"] * len(spec.inputs) + ["output"] * len(spec.outputs)
    yield from zip(roles, spec.fields(), (*spec.inputs, *spec.outputs), strict=True)


def _braces(values: Iterable[int]) -> str:
    return "{" + ", ".join(map(str, values)) + "}"


_HEADER = """\
/* {name}: a compiled network, for programs that link its library.
 *
{table}
 *
 * Tensors are dense and row-major; images are NHWC: batch, height, width, channel.
 * {weights_note}
 * The library allocates nothing and keeps no state.
 */
#ifndef {NAME}_H
#define {NAME}_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

/* Memory that the caller lends to each run. Runs at the same time need an arena each. */
#define {NAME}_ALIGNMENT {alignment} /* of the arena, in bytes */
#define {NAME}_ARENA_BYTES {arena} /* all that one thread needs */
#define {NAME}_SHARED_BYTES {shared} /* what several threads share */
#define {NAME}_SCRATCH_BYTES {scratch} /* and as much again for each of them */

{weights_macros}{macros}

{pool}

/* The caller's tensors, read and written in place. An output overlaps no other tensor. */
typedef struct {{
{fields}
}} {name}_io;

/* Bytes of an arena for so many threads: ARENA_BYTES for one, which writes over what it has read,
 * else SHARED_BYTES + threads * SCRATCH_BYTES. */
size_t {name}_arena_bytes(int threads);

/* Computes the outputs from the inputs: on the calling thread if `pool` is NULL, else on the pool's
 * threads, with an arena of arena_bytes(pool->threads).
 * Returns 0 on success, 1 if {pointers} or a tensor is NULL, the arena misaligned or the pool
 * empty. */
int {name}_run(const {name}_io *io, {weights_parameter}void *arena, mbc_pool *pool);

/* Lets the calling thread count subnormal numbers, those below 1.2e-38, as zero (1), or not (0).
 * Returns what it did before, to be given back. {name}_run computes as its caller does, and so do
 * the threads of mbc_pool_create; CPUs may take a hundred times longer where subnormals count. */
int {name}_flush_subnormals(int on);

#ifdef __cplusplus
}}
#endif

#endif /* {NAME}_H */
"""


def c_header(spec: NetSpec) -> str:
    """Text of NET.h, for C11 and C++."""
    return _HEADER.format(
        name=spec.name,
        NAME=spec.name.upper(),
        alignment=ALIGNMENT,
        pool=_pool_declaration(),
        arena=spec.arena_bytes,
        shared=spec.shared_bytes,
        scratch=spec.scratch_bytes,
        **_weights_texts(spec),
        table="\n".join(
            f" *   {r:6}  {f}: {t.ctype} {list(t.shape)}" for r, f, t in _tensors(spec)
        ),
        macros="\n".join(_io_macros(spec)),
        fields="\n".join(_io_fields(spec)),
    )


_EXTERNAL_NOTE = """\
The weights are the file {name}.weights, not part of the library. Map it or read it to a
 * multiple of 64, and pass the address to each run. The last 32 bytes of the file are the SHA-256
 * of those before, which are the weights."""


def _weights_texts(spec: NetSpec) -> dict[str, str]:
    """What the header says of the weights, wherever they are."""
    if not spec.external_weights:
        note = f"The library holds the weights ({spec.weights_bytes} bytes)."
        return {
            "weights_note": note,
            "weights_macros": "",
            "weights_parameter": "",
            "pointers": "the arena",
        }
    macro = f"#define {spec.name.upper()}_WEIGHTS_BYTES {spec.weights_bytes}"
    return {
        "weights_note": _EXTERNAL_NOTE.format(name=spec.name),
        "weights_macros": f"{macro} /* of the file, but for the SHA-256 */\n\n",
        "weights_parameter": "const void *weights, ",
        "pointers": "the arena, the weights",
    }


def _pool_declaration() -> str:
    """The part of pool.h that NET.h repeats, so that it stands alone."""
    text = POOL_H.read_text("utf-8")
    start = text.index("#ifndef MBC_POOL_DECLARED")
    return text[start : text.index("#endif", start) + len("#endif")]


def _io_macros(spec: NetSpec) -> Iterator[str]:
    for role, field, io in _tensors(spec):
        prefix = f"{spec.name}_{role}_{field}".upper()
        yield f"#define {prefix}_RANK {len(io.shape)}"
        yield f"#define {prefix}_SHAPE {_braces(io.shape)}"
        yield f"#define {prefix}_SIZE {io.count} /* elements */"


def _io_fields(spec: NetSpec) -> Iterator[str]:
    for role, field, io in _tensors(spec):
        const = "const " if role == "input" else ""
        yield f"  {const}{io.ctype} *{field};"


_CONFIG = """\
{header}
/* {name}, as main.c needs to know it. */

#define MBC_NET_NAME "{name}"
#define MBC_NET_MEMORY {total} /* bytes of arena for one thread */
{weights}
{buffers}

static const tensor inputs[] = {{
{inputs}
}};

static const tensor outputs[] = {{
{outputs}
}};

static size_t net_memory(int threads) {{ return {name}_arena_bytes(threads); }}

static int run_net(void *memory, mbc_pool *pool) {{
  const {name}_io io = {{{pointers}}};
  return {name}_run(&io, {weights_argument}memory, pool);
}}
"""


def main_config(spec: NetSpec) -> str:
    """Text of mbc_net.h, which joins the generic main.c to one network. It holds NET.h, so that no
    file is looked for by a name that the user has chosen.

    main.c defines `tensor` (name, rank, shape, count, data) before it includes this. Its own names
    keep clear of what NET.h may define, whatever the network is called.
    """
    rows = {"input": list[str](), "output": list[str]()}
    for role, field, io in _tensors(spec):
        shape = _braces(io.shape or (0,))
        rows[role].append(
            f'    {{"{field}", {len(io.shape)}, {shape}, {io.count}, buffer_{field}}},'
        )
    return _CONFIG.format(
        header=c_header(spec),
        name=spec.name,
        total=max(spec.total_bytes(1), ALIGNMENT),
        weights=_external_config(spec) if spec.external_weights else "",
        weights_argument="weights, " if spec.external_weights else "",
        buffers="\n".join(_buffers(spec)),
        inputs="\n".join(rows["input"]),
        outputs="\n".join(rows["output"]),
        pointers=", ".join(f"buffer_{field}" for field in spec.fields()),
    )


def _external_config(spec: NetSpec) -> str:
    return (
        f'#define MBC_WEIGHTS_FILE "{spec.name}.weights"\n'
        f"#define MBC_WEIGHTS_BYTES {spec.weights_bytes}\n"
        f"#define MBC_WEIGHTS_SHA256 {_braces(spec.weights_sha256)}\n\n"
        "static const void *weights;\n"
    )


def weights_file(blob: bytes) -> bytes:
    """What NET.weights holds: the weights, then their SHA-256."""
    return blob + hashlib.sha256(blob).digest()


def _buffers(spec: NetSpec) -> Iterator[str]:
    for _, field, io in _tensors(spec):
        yield f"static _Alignas({ALIGNMENT}) {io.ctype} buffer_{field}[{io.count}];"
