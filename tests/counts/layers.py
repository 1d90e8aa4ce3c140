"""A fixed set of layers, all in one arm64 program that runs one of them so many times."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mbc.backends.llvm.codegen import emit_object
from mbc.backends.llvm.link import link_executable
from mbc.backends.llvm.lower import LoweredNet, lower
from mbc.backends.llvm.toolchain import LinkTarget, Zig
from mbc.targets.target import Target
from tests.backends.cases import Case
from tests.backends.chain_cases import chain
from tests.backends.kernel_check import place_without_overlap
from tests.backends.linear_cases import convolution, dense, depthwise, fused, pointwise

TARGET = Target("arm64", "aarch64-unknown-linux-gnu", "cortex-a53", "neon")


def layers() -> Iterator[Case]:
    """Of MobileNet and ShuffleNet; depthwise and KxK convolutions have batch 2."""
    for rows, k, n in (
        (12544, 32, 64),
        (3136, 64, 128),
        (784, 256, 256),
        (196, 512, 512),
        (49, 1024, 1024),
    ):
        yield next(pointwise(rows, k, n))
    yield next(pointwise(784, 240, 60, groups=3))
    yield next(pointwise(784, 60, 240, groups=3, shuffle=3, residual=True))
    yield next(pointwise(784, 96, 384, groups=8, shuffle=8))
    yield next(depthwise(112, 112, 32, 3, 1, 1))
    yield next(depthwise(56, 56, 128, 3, 2, 1))
    yield next(depthwise(28, 28, 120, 5, 1, 2))
    yield next(depthwise(14, 14, 480, 5, 1, 2))
    yield next(depthwise(28, 28, 72, 5, 2, 2))
    yield next(depthwise(28, 28, 120, 7, 1, 3))
    yield next(convolution(224, 224, 3, 32, 3, 2, (0, 1, 0, 1), 1, 1))
    yield next(dense(1, 1024, 1000))
    yield next(fused(56, 128, 128, 1))
    yield next(chain(28, 28, 32, (("pw", 192, 1), ("dw", 0, 1)), residual=True))


MAIN = """
#include <stdlib.h>
{declarations}
typedef int run(void *, void *, void *);
static void repeat(run *layer, size_t arena_bytes, const size_t *bytes, size_t runs) {{
    void *io[4], *arena = aligned_alloc(64, arena_bytes);
    for (size_t i = 0; bytes[i]; i++) io[i] = calloc(1, bytes[i]);
    while (runs--) if (layer(io, arena, 0)) abort();
}}
int main(int count, char **words) {{
    if (count != 3) return 2;
    const size_t runs = strtoul(words[2], 0, 10);
    switch (atoi(words[1])) {{
{calls}
    }}
    return 0;
}}
"""


def _declaration(lowered: LoweredNet) -> str:
    """What the layer does depends on no number, so weights and inputs are zeros."""
    name = lowered.spec.name
    weights = f"char {name}_weights[{max(len(lowered.weights), 1)}]"
    return (
        f"int {name}_run(void *, void *, void *); size_t {name}_arena_bytes(int);\n"
        f'__attribute__((aligned(64), visibility("hidden"))) {weights};'
    )


def _call(index: int, lowered: LoweredNet) -> str:
    spec, name = lowered.spec, lowered.spec.name
    sizes = ", ".join(str(4 * tensor.count) for tensor in (*spec.inputs, *spec.outputs))
    return (
        f"    case {index}: repeat({name}_run, {name}_arena_bytes(1),"
        f" (size_t[]){{{sizes}, 0}}, runs); break;"
    )


def build_program(folder: Path) -> tuple[Path, list[str]]:
    """The program `PROGRAM LAYER RUNS`, and the names of the layers by number."""
    names, nets, objects = [], [], []
    for number, (name, build) in enumerate(layers()):
        graph = build()
        graph.name = f"layer{number}"
        place_without_overlap(graph, TARGET)
        nets.append(lower(graph, TARGET))
        names.append(name.removesuffix("-dense"))
        objects.append(folder / f"{graph.name}.o")
        objects[-1].write_bytes(emit_object(nets[-1]))
    main, program = folder / "main.c", folder / "layers"
    declarations = "\n".join(map(_declaration, nets))
    calls = "\n".join(_call(number, net) for number, net in enumerate(nets))
    main.write_text(MAIN.format(declarations=declarations, calls=calls))
    link_executable([main, *objects], program, LinkTarget("aarch64-linux-musl"), Zig())
    return program, names
