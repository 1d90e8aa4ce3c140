"""Whole networks on an OpenCL device, the CPU with PoCL: through pyopencl, and through the C host
that needs no TVM."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tvm", reason="the extra tvm is not installed")
pytest.importorskip("pyopencl", reason="the extra opencl is not installed")

from mbc.backends.tvm.gpu.host_c import opencl_host
from mbc.backends.tvm.gpu.launch import LaunchPlan
from mbc.backends.tvm.gpu.opencl import OpenClNet
from mbc.targets.gpu import Gpu
from tests.backends.tvm.gpu_networks import planned
from tests.everyday import part_of
from tests.example_networks import EXAMPLE_NETWORKS, PAIR, Example
from tests.hammer import hammer

ARCHES = ("", "mali", "adreno")
CASES = part_of(
    ((example, ARCHES[i % 3]) for i, example in enumerate(EXAMPLE_NETWORKS)),
    lambda example, _: example == PAIR[0],
    lambda example, _: str(example),
)
SMALL = Example("digits/shufflenet_v1")  # groups, shuffles, concatenations, residuals


def host_run(
    plan: LaunchPlan, inputs: dict[str, np.ndarray], folder: Path
) -> dict[str, np.ndarray]:
    """The outputs by the C host, compiled as C99 with every warning an error."""
    name = plan.spec.name
    for file, text in opencl_host(plan).items():
        (folder / file).write_text(text)
    strict = ("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-DMBC_OPENCL_MAIN")
    command = ["gcc", *strict, f"{name}_opencl.c", "-lOpenCL", "-o", name]
    subprocess.run(command, cwd=folder, check=True)
    (folder / "weights").write_bytes(plan.weights)
    for spec in plan.spec.inputs:
        inputs[spec.name].tofile(folder / f"{spec.name}.in")
    words = [f"{spec.name}.in" for spec in plan.spec.inputs]
    words += [f"{spec.name}.out" for spec in plan.spec.outputs]
    subprocess.run([f"./{name}", "weights", *words], cwd=folder, check=True)
    return {
        spec.name: np.fromfile(folder / f"{spec.name}.out", np.float32).reshape(spec.shape)
        for spec in plan.spec.outputs
    }


def test_a_network_by_pyopencl_and_by_the_c_host(tmp_path: Path) -> None:
    net = planned(SMALL.graph(), Gpu("opencl"))
    device = OpenClNet(net.plan)
    net.check(device(net.inputs))
    net.check(device(net.inputs))  # again, on memory that holds the first run's values
    net.check(host_run(net.plan, net.inputs, tmp_path))
    refuses(tmp_path, net.plan.spec.name)


def test_calls_from_several_threads() -> None:
    net = planned(SMALL.graph(), Gpu("opencl"))
    ((name, x),) = net.inputs.items()
    device = OpenClNet(net.plan)
    (output,) = net.plan.spec.outputs
    assert hammer(lambda x: device({name: x})[output.name], [x, -x], 10) == 0


def test_two_builds_of_the_c_host_are_parts_of_one_program(tmp_path: Path) -> None:
    plan = planned(SMALL.graph(), Gpu("opencl")).plan
    builds = (plan.identified(), replace(plan, source=f"{plan.source}\n").identified())
    name, symbols = plan.spec.name, list[set[str]]()
    for number, build in enumerate(builds):
        folder = tmp_path / str(number)
        folder.mkdir()
        for file, text in opencl_host(build).items():
            (folder / file).write_text(text)
        command = ["gcc", "-std=c99", "-Wall", "-Werror", "-c", f"{name}_opencl.c"]
        subprocess.run([*command, "-o", "host.o"], cwd=folder, check=True)
        listed = subprocess.run(
            ["nm", "-g", "--defined-only", "host.o"], cwd=folder, check=True, capture_output=True
        )
        symbols.append({line.split()[-1] for line in listed.stdout.decode().splitlines()})
    for build, found in zip(builds, symbols, strict=True):
        parts = ("open", "run", "close")
        assert found == {f"{name}_opencl_{part}_{build.spec.build}" for part in parts}
    assert not symbols[0] & symbols[1]


def refuses(folder: Path, name: str) -> None:
    """The C host's program says what is wrong with its words and files."""
    good = ["weights", "input.in", "output.out"]
    for words, status, said in (
        ([], 2, "usage"),
        (["absent", *good[1:]], 1, "absent: cannot read"),
        (["weights", "weights.short", good[2]], 1, "weights.short: cannot read"),
        ([*good[:2], "no/folder"], 1, "no/folder: cannot write"),
    ):
        (folder / "weights.short").write_bytes(b"1234")
        run = subprocess.run([f"./{name}", *words], cwd=folder, capture_output=True, text=True)
        assert (run.returncode, said in run.stderr) == (status, True), run.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("example", "arch"), CASES)
def test_every_example(example: Example, arch: str, tmp_path: Path, fuzz: bool) -> None:
    net = planned(example.graph(), Gpu("opencl", arch))
    net.check(OpenClNet(net.plan)(net.inputs))
    if fuzz:
        net.check(host_run(net.plan, net.inputs, tmp_path))
