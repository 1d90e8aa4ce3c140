"""Networks on several threads: the executable's options, and the same answers as on one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.support import done, run_executable

EXAMPLE = Path(__file__).parents[2] / "examples" / "mobilenet_v2.py"
SETTINGS = ("-D", "resolution=64", "-D", "alpha=0.35", "-D", "softmax=false")


@pytest.fixture(scope="module", params=["x86_64", "arm64"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("threads") / str(request.param)
    done("compile", EXAMPLE, "--target", str(request.param), "-o", folder, *SETTINGS)
    x = np.random.default_rng(3).standard_normal((1, 64, 64, 3), np.float32)
    np.save(folder.parent / "x.npy", x)
    return folder


def answer(folder: Path, *options: str) -> np.ndarray:
    """The logits on these options."""
    out = folder.parent / "y.npy"
    tensors = ("--input", folder.parent / "x.npy", "--output", out)
    run_executable(folder / "mobilenet_v2", folder.name, *tensors, *options)
    result: np.ndarray = np.load(out)
    return result


def test_threads_do_not_change_the_answer(built: Path) -> None:
    alone = answer(built)
    for threads in (2, 3, 7):
        np.testing.assert_array_equal(answer(built, "--threads", str(threads)), alone)
    cpu = str(min(os.sched_getaffinity(0)))
    np.testing.assert_array_equal(answer(built, "--cpus", cpu), alone)
    np.testing.assert_array_equal(answer(built, "--cpus", f"{cpu},{cpu}"), alone)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--threads", "0"), 2, "--threads needs a number from 1 to 256, not '0'"),
        (("--cpus", "two"), 2, "--cpus needs CPUs such as 4-7, or big, or little, not 'two'"),
        (("--cpus", "3-1"), 2, "--cpus needs CPUs such as 4-7, or big, or little, not '3-1'"),
        (("--cpus", "0,1", "--threads", "3"), 1, "2 CPUs for 3 threads"),
        (("--cpus", "65000"), 1, "--cpus: this process may not run on CPU 65000"),
    ],
)
def test_mistakes(built: Path, options: tuple[str, ...], code: int, message: str) -> None:
    if built.name != "x86_64":
        return  # the same program text
    program = [str(built / "mobilenet_v2"), "--input", str(built.parent / "x.npy"), *options]
    ran = subprocess.run(program, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert message in ran.stderr
