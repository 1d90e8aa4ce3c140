"""The papers' networks as executables: right on the board's CPU, and the test can tell.

The arm64 executables run under qemu as a Cortex-A53, which refuses every instruction that such a
board would refuse.
"""

from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile
from safetensors.numpy import load_file, save_file

import mbc as api
from mbc.frontends.dsl import load_network
from mbc.frontends.weights import initialise
from tests.e2e.support import (
    CAT,
    EXAMPLES,
    done,
    parameters,
    relative_error,
    run_executable,
    single,
)
from tests.everyday import part_of
from tests.example_networks import EXAMPLE_NETWORKS, Example

NETWORKS = [
    ("mobilenet_v1", ()),
    ("mobilenet_v2", ()),
    *(("shufflenet_v1", (f"groups={groups}",)) for groups in (1, 2, 3, 4, 8)),
    ("shufflenet_v2", ()),
]
MACHINES = {"arm64": "EM_AARCH64", "x86_64": "EM_X86_64", "riscv64": "EM_RISCV"}
TOLERANCE = 1e-4  # relative, of the logits

pytestmark = pytest.mark.slow


def build(network: Path, target: str, folder: Path, *options: str | Path) -> Path:
    """The network's executable, compiled for a target."""
    done(
        "compile",
        network,
        "--target",
        target,
        "-o",
        folder,
        "--emit",
        "exe",
        "--no-check",
        *options,
    )
    return folder / network.stem


def logits(program: Path, target: str, x: np.ndarray, folder: Path) -> np.ndarray:
    """What an executable makes of a tensor."""
    np.save(folder / "x.npy", x)
    files = ("--input", folder / "x.npy", "--output", folder / "y.npy")
    run_executable(program, target, *files)
    y: np.ndarray = np.load(folder / "y.npy")
    return y


def is_static(program: Path, machine: str) -> bool:
    """Whether an ELF file is for the machine and asks for no loader and no library."""
    with program.open("rb") as file:
        elf = ELFFile(file)
        kinds = {segment["p_type"] for segment in elf.iter_segments()}
        return elf["e_machine"] == machine and not kinds & {"PT_INTERP", "PT_DYNAMIC"}


def is_everyday(target: str, name: str, settings: tuple[str, ...]) -> bool:
    """One of each kind: a ShuffleNet for the board, where other tests run MobileNets at this size,
    and the others for this machine."""
    if settings not in ((), ("groups=3",)):
        return False
    return target == ("arm64" if name == "shufflenet_v1" else "x86_64")


@pytest.mark.parametrize(
    "example",
    part_of(
        ((example,) for example in EXAMPLE_NETWORKS),
        lambda example: False,
        lambda example: f"riscv64-{example}",
    ),
)
def test_small_images_do_too(example: Example, tmp_path: Path) -> None:
    own = (f"{key}={value}" for key, value in example.parameters)
    settings = ("resolution=64", "softmax=false", *own)
    network = EXAMPLES / f"{example.name}.py"
    program = build(network, "riscv64", tmp_path / "out", *parameters(settings))
    assert is_static(program, MACHINES["riscv64"])
    x = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
    params = dict(setting.split("=") for setting in settings)
    oracle = api.compile(network, params=params, level=0, backend="oracle")
    found = logits(program, "riscv64", x, tmp_path)
    assert relative_error(found, single(oracle, x)) <= TOLERANCE


@pytest.mark.parametrize(
    ("target", "name", "settings"),
    part_of(
        ((target, *network) for target in MACHINES for network in NETWORKS),
        is_everyday,
        lambda target, name, settings: "-".join((target, name, *settings)),
    ),
)
def test_executables_agree_with_the_oracle(
    target: str, name: str, settings: tuple[str, ...], tmp_path: Path
) -> None:
    network, settings = EXAMPLES / f"{name}.py", (*settings, "softmax=false")
    program = build(network, target, tmp_path / "out", *parameters(settings))
    assert is_static(program, MACHINES[target])
    x = np.random.default_rng(0).uniform(-1, 1, (1, 224, 224, 3)).astype(np.float32)
    params = dict(setting.split("=") for setting in settings)
    oracle = api.compile(network, params=params, level=0, backend="oracle")
    found = logits(program, target, x, tmp_path)
    assert relative_error(found, single(oracle, x)) <= TOLERANCE


def weights_of(network: Path, path: Path, scale: float) -> None:
    """The seeded weights as a file, one early layer's scaled."""
    graph = load_network(network).trace({"resolution": 64})
    initialise(graph, 0)
    arrays = {name: constant.array.copy() for name, constant in graph.constants().items()}
    arrays["blocks.0.pw.weight"] *= np.float32(scale)
    save_file(arrays, path)


def test_a_small_fault_would_be_seen(tmp_path: Path) -> None:
    """One per cent in one early layer is far above the tolerance."""
    network = EXAMPLES / "mobilenet_v1.py"
    x = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
    outputs = []
    for scale in (1.0, 1.01):
        weights = tmp_path / f"{scale}.safetensors"
        weights_of(network, weights, scale)
        options = parameters(("softmax=false", "resolution=64"))
        program = build(network, "x86_64", tmp_path / str(scale), "--weights", weights, *options)
        outputs.append(logits(program, "x86_64", x, tmp_path))
    right, wrong = outputs
    assert relative_error(wrong, right) > 1e-3
    assert len(load_file(tmp_path / "1.0.safetensors")) > 100


@pytest.mark.parametrize("target", part_of([("arm64",), ("x86_64",)], "arm64".__eq__))
def test_a_photo_gives_the_same_ranking_everywhere(target: str, tmp_path: Path) -> None:
    network = EXAMPLES / "mobilenet_v1.py"
    program = build(network, target, tmp_path / "out")
    on_board = run_executable(program, target, "--input", CAT, "--top", "5").split()
    here = done("run", network, "--input", EXAMPLES / "images" / "cat.png", "--top", "5").out
    assert [float(word) for word in on_board] == pytest.approx(
        [float(word) for word in here.split()], rel=1e-3
    )
