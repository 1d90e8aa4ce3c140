"""NET.h: the C interface of one build of a network, for C11 and C++.

Symbols, the guard and the tag of `NET_io` contain the build's digest. So two builds can be parts of
one program, and a program that is linked with the library of another build than its header's has
undefined symbols.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from mbc.alignment import ALIGNMENT
from mbc.runtime.abi import ABI_H, PLANAR, POOL_H, IoSpec, NetSpec, tensors_of

_HEADER = """\
/* {name}: a compiled network, for programs that link its library.{build_note}
 *
{table}
 *
 * Tensors are dense and row-major; images are NHWC: batch, height, width, channel.{planar_note}
 * {weights_note}
 * The library allocates nothing and keeps no state.
 */
#ifndef {guard}
{opening}
#define {guard}

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

{declarations}

/* The caller's tensors, read and written in place. An output overlaps no other tensor. */
typedef struct {tag} {{
{fields}
}} {name}_io;
{symbols}
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

/* All this as data. Shared libraries export it by its plain name too, for dlsym. */
const mbc_abi *{name}_abi(void);

#ifdef __cplusplus
}}
#endif
{closing}
#endif /* {guard} */
"""

FUNCTIONS = ("arena_bytes", "run", "flush_subnormals", "abi")


def c_header(spec: NetSpec) -> str:
    """Write the text of NET.h."""
    name = spec.name
    return _HEADER.format(
        name=name,
        NAME=name.upper(),
        **frame(name, spec.build),
        tag=spec.symbol("io"),
        alignment=ALIGNMENT,
        declarations="\n\n".join(_declarations()),
        arena=spec.arena_bytes,
        shared=spec.shared_bytes,
        scratch=spec.scratch_bytes,
        **_weights_texts(spec),
        table=tensor_table(spec),
        planar_note=PLANAR_NOTE if any(io.planar for io in spec.inputs) else "",
        macros="\n".join(tensor_macros(spec, name)),
        symbols=symbol_macros(name, FUNCTIONS, spec.build),
        fields="\n".join(_io_fields(spec)),
    )


def frame(prefix: str, build: str) -> dict[str, str]:
    """Return what surrounds the declarations.

    That is a line that names the build, an include guard, and an #error if the header of another
    build of the same name was included before.
    """
    net = prefix.upper()
    if not build:
        return {"build_note": "", "guard": f"{net}_H", "opening": "", "closing": ""}
    return {
        "build_note": f"\n * Build {build}.",
        "guard": f"{net}_H_{build}",
        "opening": f"#ifdef {net}_BUILD\n"
        f'#error "two builds of {prefix}: give one another name (mbc compile --name)"\n'
        f"#else\n"
        f'#define {net}_BUILD "{build}"',
        "closing": "\n#endif\n",
    }


def symbol_macros(prefix: str, functions: Iterable[str], build: str) -> str:
    """Define the functions' plain names as macros for the symbols of this build."""
    if not build:
        return ""
    lines = (f"#define {prefix}_{each} {prefix}_{each}_{build}" for each in functions)
    return "\n".join(["\n/* The symbols of this build, and of no other. */", *lines, ""])


def element_types() -> str:
    """Return the guarded definitions of the values of the _TYPE macros."""
    return _guarded(ABI_H, "MBC_ELEMENT_TYPES")


def _declarations() -> Iterator[str]:
    """Yield the declarations that all headers share, each part guarded."""
    yield _guarded(POOL_H, "MBC_POOL_DECLARED")
    yield element_types()
    yield _guarded(ABI_H, "MBC_ABI_VERSION")


def _guarded(path: Path, guard: str) -> str:
    """Extract the part of a header under a guard; NET.h repeats it, so that it needs no other."""
    text = path.read_text("utf-8")
    start = text.index(f"#ifndef {guard}")
    return text[start : text.index("#endif", start) + len("#endif")]


_EXTERNAL_NOTE = """\
The weights are the file {name}.weights, not part of the library. Map it or read it to a
 * multiple of 64, and pass the address to each run. The last 32 bytes of the file are the SHA-256
 * of those before, which are the weights."""


def _weights_texts(spec: NetSpec) -> dict[str, str]:
    """Return the texts about the weights, embedded or in a file."""
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


def tensor_table(spec: NetSpec) -> str:
    """Format one comment line for each tensor."""
    rows = (
        f" *   {role:6}  {field}: {io.ctype} {list(io.shape)}{_planar(io)}{_scaled(io)}"
        for role, field, io in tensors_of(spec)
    )
    return "\n".join(rows)


PLANAR_NOTE = "\n * Where NCHW is said it is batch, channel, height, width."


def _planar(io: IoSpec) -> str:
    return f" {PLANAR}" if io.planar else ""


def _scaled(io: IoSpec) -> str:
    if io.normalisation is not None:
        return f", bytes, of which it makes\n *             {io.normalisation.formula}"
    return "" if io.scale is None else f", {io.scale!r} * (element - {io.zero_point})"


def tensor_macros(spec: NetSpec, prefix: str) -> Iterator[str]:
    """Define each tensor's element type, rank, shape and size, and its scale and zero point."""
    for role, field, io in tensors_of(spec):
        name = f"{prefix}_{role}_{field.rstrip('_')}".upper()
        yield f"#define {name}_TYPE {io.code}"
        yield f"#define {name}_CTYPE {io.ctype}"
        yield f"#define {name}_RANK {len(io.shape)}"
        yield f"#define {name}_SHAPE {braces(io.shape)}"
        yield f"#define {name}_SIZE {io.count} /* elements */"
        if io.scale is not None:
            yield f"#define {name}_SCALE {float_literal(io.scale)}"
            yield f"#define {name}_ZERO_POINT ({io.zero_point})"


def float_literal(value: float) -> str:
    """Format a C literal of type float."""
    text = repr(value)
    return f"{text}f" if set(text) & set(".e") else f"{text}.0f"


def braces(values: Iterable[int]) -> str:
    """Format the initialiser of an array."""
    return "{" + ", ".join(map(str, values)) + "}"


def _io_fields(spec: NetSpec) -> Iterator[str]:
    for role, field, io in tensors_of(spec):
        const = "const " if role == "input" else ""
        yield f"  {const}{io.ctype} *{field};"
