"""The command line as tests use it, and a network that compiles in no time."""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mbc.cli import main
from mbc.driver.net import CompiledNet

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
CAT = EXAMPLES / "images" / "cat_224.ppm"
EMULATORS = {
    "arm64": ("qemu-aarch64-static", "-cpu", "cortex-a53"),
    "x86_64": (),
    "armv7": ("qemu-arm-static", "-cpu", "cortex-a7"),
    "riscv64": ("qemu-riscv64-static", "-cpu", "rv64,v=true,vlen=128"),
}

TINY = '''\
"""A network of one block."""

from mbc.frontends.dsl import Net, Tensor, network


@network
def tiny(nn: Net, *, width: int = 8, resolution: int = 16, softmax: bool = False) -> Tensor:
    x = nn.input(resolution, resolution, 3)
    with nn.scope("stem"):
        x = nn.relu(nn.batch_norm(nn.conv(x, width, 3, stride=2, padding="same")))
    with nn.scope("block"):
        x = nn.relu(nn.batch_norm(nn.depthwise(x, 3, padding="same")))
        x = nn.relu(nn.batch_norm(nn.pointwise(x, 2 * width)))
    x = nn.dense(nn.global_avg_pool(x), 10, name="fc")
    return nn.softmax(x) if softmax else x
'''


@dataclass(frozen=True)
class Outcome:
    """What a command line came to."""

    status: int
    out: str
    err: str

    @property
    def code(self) -> str:
        """The first error code on stderr."""
        return self.err.partition("error[")[2].partition("]")[0]


def mbc(*words: str | Path) -> Outcome:
    """Run a command line in this process; help and version exit by themselves."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main([str(word) for word in words])
        except SystemExit as leaving:
            status = int(leaving.code or 0)
    return Outcome(status, out.getvalue(), err.getvalue())


def done(*words: str | Path) -> Outcome:
    """The same, which must succeed."""
    outcome = mbc(*words)
    assert outcome.status == 0, outcome.err
    return outcome


def shell(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """`python -m mbc …` as a process of its own."""
    command = [sys.executable, "-m", "mbc", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def run_executable(program: Path, target: str, *options: str | Path) -> bytes:
    """Stdout of a program for a target, under qemu where that is another machine."""
    command = [*EMULATORS[target], str(program), *map(str, options)]
    ended = subprocess.run(command, capture_output=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def single(net: CompiledNet, x: np.ndarray) -> np.ndarray:
    """The output of a network that has one."""
    y = net(x)
    assert isinstance(y, np.ndarray)
    return y


def relative_error(found: np.ndarray, reference: np.ndarray) -> float:
    """max |found - reference| / max |reference|."""
    assert found.shape == reference.shape
    return float(np.max(np.abs(found - reference)) / np.max(np.abs(reference)))


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with what it holds."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def parameters(settings: Sequence[str]) -> list[str]:
    """`-D` options."""
    return [word for setting in settings for word in ("-D", setting)]
