"""Networks whose training has driven filters to 1e-39: what is said, and what they compute."""

from pathlib import Path

import numpy as np
import pytest

import mbc as api
from mbc.frontends.dsl import load_network
from mbc.frontends.weights import initialise, save_weights
from tests.e2e.support import TINY, done, relative_error, single


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A network and its weights: three filters of the stem and all of `block.pw` are dead."""
    folder = tmp_path_factory.mktemp("dead")
    network, weights = folder / "tiny.py", folder / "tiny.safetensors"
    network.write_text(TINY)
    graph = load_network(network).trace({}, batch=1)
    initialise(graph, seed=0)
    constants = graph.constants()
    first, *_, last = (c for c in constants.values() if c.type.rank == 4)
    first.data = np.where(np.arange(8) < 3, np.float32(1e-39), first.array)
    last.data = np.where(np.arange(16) % 2, np.float32(-2e-40), last.array)
    save_weights(graph, weights)
    return network, weights


def test_one_line_or_one_a_layer(files: tuple[Path, Path]) -> None:
    network, weights = files
    words = ("compile", network, "--weights", weights, "--stop-after", "fuse")
    told = done(*words).err
    assert "weights: 145 of 2 layers are subnormal (below 1.2e-38): packed as 0" in told
    lines = [line for line in done(*words, "--remarks").err.splitlines() if "subnormal" in line]
    assert len(lines) == 2
    assert "tiny.py:" in lines[0]
    assert "81 of 224 weights of stem.conv are subnormal: packed as 0" in lines[0]
    assert "subnormal" not in done("compile", network, "--stop-after", "fuse", "--remarks").err


@pytest.mark.parametrize("level", [0, 2])
def test_the_answer_is_the_oracle_s(files: tuple[Path, Path], level: int) -> None:
    network, weights = files
    x = np.random.default_rng(0).standard_normal((1, 16, 16, 3), np.float32)
    x[:, :4] *= np.float32(1e-39)
    before = np.float32(1e-39) * np.ones(4, np.float32)
    found, wanted = (
        single(api.compile(network, weights=weights, level=level, backend=backend), x)
        for backend in ("llvm", "oracle")
    )
    assert relative_error(found, wanted) <= 1e-5
    assert (np.float32(1e-39) * np.ones(4, np.float32) == before).all()
    assert before.all(), "Python computes with subnormal numbers as before"
