"""A launch plan as C: a library in plain C99 on OpenCL 1.2 that needs no TVM.

The generated file has the kernels' source and tables of buffers and launches, followed by the code
that executes them, which is the same for all networks (mbc/runtime/c/opencl.c).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from mbc.backends.tvm.gpu.launch import ALIGNMENT, Extent, LaunchPlan
from mbc.runtime.abi import POOL_H, NetSpec
from mbc.runtime.header import (
    braces,
    element_types,
    frame,
    symbol_macros,
    tensor_macros,
    tensor_table,
)

HOST_C = POOL_H.with_name("opencl.c")
LITERAL = 4000  # characters of one string; C99 compilers need not take more than 4095

_HEADER = """\
/* {name} on an OpenCL 1.2 device.{build_note}
 *
{table}
 *
 * Tensors are dense and row-major; images are NHWC. The weights are the file {name}.weights; what
 * follows {NAME}_OPENCL_WEIGHTS_BYTES of it is their SHA-256.
 */
#ifndef {guard}
{opening}
#define {guard}

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#ifdef __APPLE__
#include <OpenCL/opencl.h>
#else
#include <CL/cl.h>
#endif
#include <stddef.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define {NAME}_OPENCL_WEIGHTS_BYTES {weights}
#define {NAME}_OPENCL_INPUTS {inputs}
#define {NAME}_OPENCL_OUTPUTS {outputs}

{macros}

{types}
{symbols}
typedef struct {name}_opencl_net {name}_opencl_net;

/* Compiles the kernels and copies the weights to a device; NULL: the first GPU, or else the first
 * device. All functions return CL_SUCCESS or OpenCL's error; where the kernels do not compile, the
 * compiler's words are in `log`, which may be NULL. */
cl_int {name}_opencl_open({name}_opencl_net **net, cl_device_id device, const void *weights,
                          char *log, size_t log_bytes);

/* Computes the outputs from the inputs, in the order above. One run at a time. */
cl_int {name}_opencl_run({name}_opencl_net *net, const void *const *inputs, void *const *outputs);

/* Gives back all that `open` took; NULL is nothing. */
void {name}_opencl_close({name}_opencl_net *net);

#ifdef __cplusplus
}}
#endif
{closing}
#endif /* {guard} */
"""

_SOURCE = """\
/* {name} on an OpenCL 1.2 device; see {name}_opencl.h. To make a program of it:
 *     cc -std=c99 -O2 -DMBC_OPENCL_MAIN {name}_opencl.c -lOpenCL -o {name}
 */
#include "{name}_opencl.h"

#include <stdlib.h>

#define OPENCL(part) {name}_opencl_##part
#define ARENA_BYTES {arena}
#define WEIGHTS_BYTES {NAME}_OPENCL_WEIGHTS_BYTES

enum role {{ INPUT, OUTPUT, WEIGHTS, ARENA }};

static const struct buffer {{
  enum role role;
  size_t offset, bytes;
}} buffers[] = {{
{buffers}
}};

/* Numbers of buffers: the arguments of one launch after the other. */
static const unsigned arguments[] = {{
{arguments}
}};

static const struct launch {{
  const char *kernel;
  unsigned first, count; /* of the arguments */
  size_t global[3], local[3];
}} launches[] = {{
{launches}
}};

/* clang-format off */
static const char *const source[] = {{
{source}
}};
/* clang-format on */

"""


def opencl_host(plan: LaunchPlan) -> Mapping[str, str]:
    """Write the texts of NET_opencl.h and NET_opencl.c, by file name."""
    name = plan.spec.name
    return {f"{name}_opencl.h": _header(plan.spec), f"{name}_opencl.c": _source(plan)}


def _header(spec: NetSpec) -> str:
    prefix = f"{spec.name}_opencl"
    return _HEADER.format(
        name=spec.name,
        NAME=spec.name.upper(),
        **frame(prefix, spec.build),
        table=tensor_table(spec),
        macros="\n".join(tensor_macros(spec, prefix)),
        types=element_types(),
        symbols=symbol_macros(prefix, ("open", "run", "close", "net"), spec.build),
        weights=max(spec.weights_bytes, ALIGNMENT),
        inputs=len(spec.inputs),
        outputs=len(spec.outputs),
    )


def _source(plan: LaunchPlan) -> str:
    tables = _SOURCE.format(
        name=plan.spec.name,
        NAME=plan.spec.name.upper(),
        arena=max(plan.spec.arena_bytes, ALIGNMENT),
        buffers="\n".join(
            f"  {{{buffer.role.upper()}, {buffer.offset}, {buffer.bytes}}}, /* {buffer.name} */"
            for buffer in plan.buffers
        ),
        arguments="\n".join(
            f"  {', '.join(map(str, launch.buffers))}," for launch in plan.launches
        ),
        launches="\n".join(_launches(plan)),
        source="\n".join(f"  {literal}," for literal in _literals(plan.source)),
    )
    return tables + HOST_C.read_text()


def _launches(plan: LaunchPlan) -> Iterator[str]:
    first = 0
    for launch in plan.launches:
        count = len(launch.buffers)
        size = _product(launch.grid, launch.block)
        sizes = f"{braces(size)}, {braces(launch.block)}"
        yield f'  {{"{launch.kernel}", {first}, {count}, {sizes}}}, /* {launch.op} */'
        first += count


def _product(grid: Extent, block: Extent) -> list[int]:
    return [g * b for g, b in zip(grid, block, strict=True)]


def _literals(text: str) -> Iterator[str]:
    """Split a text into C strings, at most a line each; OpenCL concatenates them."""
    for line in text.splitlines(keepends=True):
        for start in range(0, len(line), LITERAL):
            yield json.dumps(line[start : start + LITERAL])
