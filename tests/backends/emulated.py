"""Programs of many small nets for other CPUs, under qemu."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mbc.backends.llvm.codegen import emit_object
from mbc.backends.llvm.link import link_executable
from mbc.backends.llvm.lower import LoweredNet
from mbc.backends.llvm.toolchain import LinkTarget, Zig
from mbc.driver.platforms import resolve
from mbc.targets.target import Target


@dataclass(frozen=True)
class Machine:
    """A target, how its programs are linked, and who runs them, as which CPU if not as its own."""

    target: Target
    link: LinkTarget
    qemu: str
    cpu: str = ""


MACHINES = {
    machine.target.name: machine
    for machine in (
        Machine(
            Target("arm64", "aarch64-unknown-linux-gnu", "cortex-a53", "neon"),
            LinkTarget("aarch64-linux-musl"),
            "qemu-aarch64-static",
        ),
        Machine(
            Target(
                "armv7", "armv7a-unknown-linux-gnueabihf", "cortex-a7", "neon32", ("+neon", "+vfp4")
            ),
            LinkTarget("arm-linux-musleabihf"),
            "qemu-arm-static",
        ),
        Machine(
            resolve("riscv64"),
            LinkTarget("riscv64-linux-musl"),
            "qemu-riscv64-static",
            "rv64,v=true,vlen=128",
        ),
    )
}

MAIN = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
{declarations}
/* Full of NaN, so that a kernel that uses what nobody wrote is noticed. */
static void *memory(size_t bytes) {{
    bytes = (bytes + 127) / 64 * 64;
    return memset(aligned_alloc(64, bytes), 0xff, bytes);
}}
static float *take(size_t n) {{
    float *p = memory(n * 4);
    if (fread(p, 4, n, stdin) != n) exit(3);
    return p;
}}
int main(void) {{
{calls}
    return 0;
}}
"""


def _call(lowered: LoweredNet) -> str:
    spec = lowered.spec
    lines = ["    {", f"    void *io[{len(spec.inputs) + len(spec.outputs)}];"]
    for i, tensor in enumerate(spec.inputs):
        lines.append(f"    io[{i}] = take({tensor.count});")
    for i, tensor in enumerate(spec.outputs, start=len(spec.inputs)):
        lines.append(f"    io[{i}] = memory({tensor.count} * 4);")
    lines.append(f"    if ({spec.name}_run(io, memory({spec.name}_arena_bytes(1)), 0)) return 4;")
    for i, tensor in enumerate(spec.outputs, start=len(spec.inputs)):
        lines.append(f"    fwrite(io[{i}], 4, {tensor.count}, stdout);")
    return "\n".join([*lines, "    }"])


def _declaration(lowered: LoweredNet) -> str:
    name = lowered.spec.name
    return f"int {name}_run(void *, void *, void *); size_t {name}_arena_bytes(int);"


def _weights(lowered: LoweredNet) -> str:
    """The weights as C, since an assembler run for each case would take longer than all else."""
    words = ",".join(f"0x{word:x}u" for word in np.frombuffer(lowered.weights, np.uint32)) or "0"
    attributes = '__attribute__((aligned(64), visibility("hidden")))'
    return f"{attributes} const unsigned {lowered.spec.name}_weights[] = {{{words}}};"


def build(
    nets: Sequence[LoweredNet], runs: Sequence[LoweredNet], folder: Path, machine: Machine
) -> Path:
    """A program that runs these nets one after the other, from stdin to stdout."""
    main, weights, program = folder / "main.c", folder / "weights.c", folder / "kernels"
    declarations, calls = "\n".join(map(_declaration, nets)), "\n".join(map(_call, runs))
    main.write_text(MAIN.format(declarations=declarations, calls=calls))
    weights.write_text("\n".join(map(_weights, nets)))
    objects = []
    for net in nets:
        objects.append(folder / f"{net.spec.name}.o")
        objects[-1].write_bytes(emit_object(net))
    link_executable([main, weights, *objects], program, machine.link, Zig())
    return program


def output_of(program: Path, machine: Machine, data: bytes) -> np.ndarray:
    """What the program writes when it is given this, as floats."""
    command = [machine.qemu, "-cpu", machine.cpu or machine.target.cpu, str(program)]
    done = subprocess.run(command, input=data, capture_output=True, check=True)
    return np.frombuffer(done.stdout, np.float32)
