"""Run many networks on another CPU, under qemu, in one program."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mbc.backends.llvm.codegen import object_code
from mbc.backends.llvm.link import link_executable
from mbc.backends.llvm.lower import LoweredNet
from mbc.backends.llvm.toolchain import Zig
from mbc.driver.emulation import choose_runner
from mbc.driver.platforms import link_target
from mbc.ir.graph import Graph
from mbc.runtime.abi import POOL_H
from tests.fuzzing.configuration import Configuration
from tests.fuzzing.native import Made, compiled, judge

RUNNER = Path(__file__).with_name("runner.c")
TARGETS = ("arm64", "armv7", "riscv64")
EVERYDAY_TARGETS = ("arm64", "armv7")


@dataclass(frozen=True)
class Trial:
    """A network to run, and how it is compiled. All of a batch have one target."""

    graph: Graph
    how: Configuration


def try_together(trials: Sequence[Trial], folder: Path) -> Counter[str]:
    """Compile the networks, run them in one program, and judge the answers; what kernels they had.
    The program stops where a network fails to end."""
    made = [_made(trial, number) for number, trial in enumerate(trials)]
    program = _linked(trials, made, folder)
    given = [_given(trial, m.lowered) for trial, m in zip(trials, made, strict=True)]
    runner = choose_runner(made[0].lowered.target, emulate=True)
    command = (*runner.prefix, str(program))
    done = subprocess.run(command, input=b"".join(given), capture_output=True, check=False)
    rest = np.frombuffer(done.stdout, np.float32)
    for trial, m in zip(trials, made, strict=True):
        outputs = {}
        for spec in m.lowered.spec.outputs:
            found, rest = rest[: spec.count], rest[spec.count :]
            assert found.size == spec.count, f"the program ended with status {done.returncode}"
            outputs[spec.name] = found.view(spec.element.numpy).reshape(spec.shape)
        judge(outputs, trial.graph, trial.how, m.kinds)
    assert (done.returncode, rest.size) == (0, 0)
    return sum((Counter(m.kinds.keys()) for m in made), Counter[str]())


def _made(trial: Trial, number: int) -> Made:
    trial.how.bind(trial.graph)
    graph = trial.graph.clone()
    graph.name = f"net{number}"
    return compiled(graph, trial.how)


def _given(trial: Trial, lowered: LoweredNet) -> bytes:
    """What the runner reads."""
    inputs = trial.how.inputs(trial.graph)
    arrays = [inputs[spec.name].tobytes() for spec in lowered.spec.inputs]
    return b"".join([lowered.weights, *arrays])


def _linked(trials: Sequence[Trial], made: Sequence[Made], folder: Path) -> Path:
    """The program; C that is the same each time is compiled once by zig, so it stays apart."""
    table, program = folder / "table.c", folder / "program"
    nets = [(m.lowered, t.how.threads) for m, t in zip(made, trials, strict=True)]
    table.write_text("\n".join(_table(nets)))
    objects = []
    for lowered, _ in nets:
        objects.append(folder / f"{lowered.spec.name}.o")
        objects[-1].write_bytes(object_code(lowered.ir, lowered.target))
    target = link_target(nets[0][0].target)
    include = [RUNNER.parent, POOL_H.parent]
    sources = [RUNNER, table, *objects]
    link_executable(sources, program, target, Zig(), include_dirs=include)
    return program


def _table(nets: Sequence[tuple[LoweredNet, int]]) -> Iterator[str]:
    """What the runner knows of the networks, as C."""
    yield '#include "runner.h"'
    for lowered, _ in nets:
        spec = lowered.spec
        sizes = ", ".join(str(4 * io.count) for io in (*spec.inputs, *spec.outputs))
        yield f"void {spec.name}_invoke(void **, const void *, void *, void *);"
        yield f"static const size_t {spec.name}_bytes[] = {{{sizes}}};"
    yield "const struct net nets[] = {"
    for lowered, threads in nets:
        spec = lowered.spec
        counts = f"{len(spec.inputs)}, {len(spec.outputs)}, {spec.name}_bytes"
        memory = f"{len(lowered.weights)}, {spec.total_bytes(threads)}"
        yield f"  {{{spec.name}_invoke, {counts}, {memory}, {threads}}},"
    yield "};"
    yield f"const size_t net_count = {len(nets)};"
