"""Trained networks read PyTorch's own files and give PyTorch's answers, here and on a board."""

from pathlib import Path

import numpy as np
import pytest

import mbc as api
from tests.e2e.support import CAT, EXAMPLES, done, mbc, run_executable
from tests.everyday import part_of
from tests.trained import MOBILENET_V2, NETWORKS, TOLERANCE, Trained, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.mark.parametrize(
    "network",
    part_of(((each,) for each in NETWORKS), MOBILENET_V2.__eq__, lambda network: network.page),
)
def test_the_answer_here(network: Trained) -> None:
    net = api.compile(network.source, weights=network.weights, weights_from=network.library)
    found = net(network.photo())
    assert isinstance(found, np.ndarray)
    assert network.error(found) < TOLERANCE


@pytest.mark.slow
def test_the_answer_on_a_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands of `make demo`: the executable knows the names of the classes."""
    monkeypatch.chdir(tmp_path)
    network = MOBILENET_V2
    words = ["--preprocess", "torch", "--labels", "imagenet", "--emit", "exe", "--no-check"]
    done("compile", network.source, *network.options, "--target", "arm64", *words, "-o", "out")
    done("preprocess", EXAMPLES / "images" / "cat.png", "--for", "out", "-o", "cat.npy")
    np.save("recorded.npy", network.photo())
    program = Path("out/mobilenet_v2")
    run_executable(program, "arm64", "--input", "recorded.npy", "--output", "y.npy")
    assert network.error(np.load("y.npy")) < TOLERANCE
    text = run_executable(program, "arm64", "--input", "cat.npy", "--top", "3")
    ranks = [line.split(" ", 3) for line in text.decode().splitlines()]
    assert [(rank, index, label) for rank, index, _, label in ranks] == [
        ("1", "285", "Egyptian cat"),
        ("2", "282", "tiger cat"),
        ("3", "281", "tabby"),
    ]
    assert sum(float(share) for _, _, share, _ in ranks) > 0.9


def test_weights_of_another_library_are_refused() -> None:
    words = ("run", MOBILENET_V2.source, "--weights", MOBILENET_V2.weights, "--input", CAT)
    assert mbc(*words, "--weights-from", "efficientnet-pytorch").code == "E0416"
    assert mbc(*words, "--weights-from", "timm").code == "E0404"
