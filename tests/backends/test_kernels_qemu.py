"""Every kernel on other CPUs, under qemu, against the oracle: all cases in one program."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mbc.backends.llvm.codegen import emit_object
from mbc.backends.llvm.link import LinkTarget, Zig, link_executable
from mbc.backends.llvm.lower import LoweredNet, lower
from mbc.interp import run
from mbc.ir.graph import Graph
from mbc.targets.target import Target
from tests.backends.kernel_cases import arithmetic_cases, exact_cases
from tests.backends.kernel_check import TOLERANCE, place_without_overlap, relative_error


@dataclass(frozen=True)
class Machine:
    """A target, how its programs are linked, and who runs them."""

    target: Target
    link: LinkTarget
    qemu: str


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
    )
}

MAIN = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
{declarations}
static void *memory(size_t bytes) {{ return aligned_alloc(64, (bytes + 127) / 64 * 64); }}
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


def _build(nets: list[LoweredNet], folder: Path, machine: Machine) -> Path:
    main, weights, program = folder / "main.c", folder / "weights.c", folder / "kernels"
    declarations, calls = "\n".join(map(_declaration, nets)), "\n".join(map(_call, nets))
    main.write_text(MAIN.format(declarations=declarations, calls=calls))
    weights.write_text("\n".join(map(_weights, nets)))
    objects = []
    for net in nets:
        objects.append(folder / f"{net.spec.name}.o")
        objects[-1].write_bytes(emit_object(net))
    link_executable([main, weights, *objects], program, machine.link, Zig())
    return program


def _inputs(graph: Graph) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    return {v.name: rng.standard_normal(v.type.shape, np.float32) for v in graph.inputs}


@pytest.mark.parametrize("name", MACHINES)
def test_kernels_agree_with_the_oracle(tmp_path: Path, name: str) -> None:
    machine = MACHINES[name]
    names, graphs, nets = [], [], []
    for number, (case, build) in enumerate([*arithmetic_cases(), *exact_cases()]):
        graph = build()
        graph.name = f"case{number}"
        place_without_overlap(graph, machine.target)
        names.append(case)
        graphs.append(graph)
        nets.append(lower(graph, machine.target))
    program = _build(nets, tmp_path, machine)
    given = [_inputs(graph) for graph in graphs]
    data = b"".join(array.tobytes() for inputs in given for array in inputs.values())
    command = [machine.qemu, "-cpu", machine.target.cpu, str(program)]
    done = subprocess.run(command, input=data, capture_output=True, check=True)
    results, errors = np.frombuffer(done.stdout, np.float32), {}
    for case, graph, inputs in zip(names, graphs, given, strict=True):
        for wanted in run(graph, inputs).values():
            actual, results = np.split(results, [wanted.size])
            errors[case] = relative_error(actual.reshape(wanted.shape), wanted)
    assert {case: e for case, e in errors.items() if not e <= TOLERANCE} == {}
    assert results.size == 0
