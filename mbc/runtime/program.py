"""mbc_net.h: the configuration of the executables' main (c/main.c) for one network."""

from __future__ import annotations

from collections.abc import Iterator

from mbc.alignment import ALIGNMENT
from mbc.diag import error
from mbc.runtime.abi import NetSpec, tensors_of
from mbc.runtime.header import braces, c_header

_CONFIG = """\
{header}
/* {name}, as main.c needs to know it. */

#define MBC_NET_NAME "{name}"
#define MBC_NET_BUILD "{build}"
#define MBC_NET_MEMORY {total} /* bytes of arena for one thread */{planar}{bytes}{integers}
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
    """Write mbc_net.h, which configures the generic main.c for one network.

    It contains the text of NET.h, so that no file is included by a name that the user has chosen.
    main.c defines `tensor` (name, rank, shape, count, type, data) before it includes this; its own
    names cannot clash with those of NET.h, whatever the network is called. Raises E0608 for tensors
    other than f32, u8 inputs and s32 outputs.
    """
    _check_types(spec)
    rows = {"input": list[str](), "output": list[str]()}
    for role, field, io in tensors_of(spec):
        shape = braces(io.shape or (0,))
        rows[role].append(
            f'    {{"{field}", {len(io.shape)}, {shape}, {io.count}, {io.code}, buffer_{field}}},'
        )
    return _CONFIG.format(
        header=c_header(spec),
        name=spec.name,
        build=f" (build {spec.build})" if spec.build else "",
        total=max(spec.total_bytes(1), ALIGNMENT),
        planar="\n#define MBC_NCHW" if any(io.planar for io in spec.inputs) else "",
        bytes="\n#define MBC_BYTES" if any(io.dtype == "u8" for io in spec.inputs) else "",
        integers="\n#define MBC_INTEGERS" if any(io.dtype == "s32" for io in spec.outputs) else "",
        weights=_external_config(spec) if spec.external_weights else "",
        weights_argument="weights, " if spec.external_weights else "",
        buffers="\n".join(_buffers(spec)),
        inputs="\n".join(rows["input"]),
        outputs="\n".join(rows["output"]),
        pointers=", ".join(f"buffer_{field}" for field in spec.fields()),
    )


def _check_types(spec: NetSpec) -> None:
    """Raise E0608 for tensors that main.c cannot read or write."""
    for role, field, io in tensors_of(spec):
        known = ("f32", "u8") if role == "input" else ("f32", "s32")
        if io.dtype not in known:
            message = f"executables take f32 and bytes; {role} {field} of {spec.name} is {io.dtype}"
            raise error("E0608", message, helps=["make a library: --emit lib,header"])


def _external_config(spec: NetSpec) -> str:
    return (
        f'#define MBC_WEIGHTS_FILE "{spec.name}.weights"\n'
        f"#define MBC_WEIGHTS_BYTES {spec.weights_bytes}\n"
        f"#define MBC_WEIGHTS_SHA256 {braces(spec.weights_sha256)}\n\n"
        "static const void *weights;\n"
    )


def _buffers(spec: NetSpec) -> Iterator[str]:
    for _, field, io in tensors_of(spec):
        yield f"static _Alignas({ALIGNMENT}) {io.ctype} buffer_{field}[{io.count}];"
