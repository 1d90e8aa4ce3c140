"""Quantised networks on the command line: the oracle and LLVM's kernels give the same bits, other
backends refuse them."""

from pathlib import Path

import numpy as np
import pytest

from mbc.frontends.weights import save_weights
from mbc.interp import run
from mbc.ir.text import load_module, parse
from tests.e2e.support import mbc
from tests.quantised_graphs import bind, codes

FOLDER = Path(__file__).resolve().parents[1] / "quantised"


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """In the current folder net.mbc, its weights and x.npy; what it answers."""
    monkeypatch.chdir(tmp_path)
    text = (FOLDER / "shufflenet_v2_unit.mbc").read_text()
    graph = bind(parse(text))
    x = codes(1, graph.inputs[0].type)
    Path("net.mbc").write_text(text)
    save_weights(graph, Path("net.safetensors"))
    np.save("x.npy", x)
    return run(graph, {"x": x})["y"]


def test_the_oracle_evaluates_it(network: np.ndarray) -> None:
    words = ("--weights", "net.safetensors", "--backend", "oracle", "--input", "x.npy")
    outcome = mbc("run", "net.mbc", *words, "--output", "y.npy", "--check-passes")
    assert outcome.status == 0, outcome.err
    assert "checked remap-channel-shuffle: relative error 0 " in outcome.err
    found = np.load("y.npy")
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, network)


def test_kernels_give_the_same_bits(network: np.ndarray) -> None:
    words = ("--weights", "net.safetensors", "--input", "x.npy", "--output", "y.npy")
    outcome = mbc("run", "net.mbc", *words)
    assert outcome.status == 0, outcome.err
    np.testing.assert_array_equal(np.load("y.npy"), network)


def test_dumps_hold_integers(network: np.ndarray) -> None:
    words = ("--weights", "net.safetensors", "--stop-after", "fuse", "--dump-ir=ir")
    outcome = mbc("compile", "net.mbc", *words)
    assert outcome.status == 0, outcome.err
    *_, last = sorted(Path("ir").glob("*.mbc"))
    graph = load_module(last)
    found = run(graph, {"x": np.load("x.npy")})["y"]
    np.testing.assert_array_equal(found, network)
    weights = {c.type.element.stored for c in graph.constants().values()}
    assert weights == {"s8", "s32", "f32"}


@pytest.mark.parametrize(
    ("words", "who"),
    [
        (("compile", "net.mbc", "-o", "out", "--target", "opencl"), "TVM for opencl"),
        (("compile", "net.mbc", "-o", "out", "--backend", "tvm"), "TVM"),
    ],
    ids=" ".join,
)
def test_others_refuse_it(network: np.ndarray, words: tuple[str, ...], who: str) -> None:
    before = sorted(Path().iterdir())
    outcome = mbc(*words, "--weights", "net.safetensors")
    assert outcome.status == 1
    assert outcome.err.count("error[") == 1
    assert f"error[E0509]: {who} takes f32 tensors only, found q8(" in outcome.err
    assert "--> net.mbc:" in outcome.err
    assert "^ this has a tensor q8(" in outcome.err
    assert sorted(Path().iterdir()) == before


def test_weights_are_not_drawn(network: np.ndarray) -> None:
    outcome = mbc("run", "net.mbc", "--backend", "oracle", "--input", "x.npy")
    assert (outcome.status, outcome.code) == (1, "E0410")


def test_weights_of_another_type(network: np.ndarray) -> None:
    graph = bind(parse(Path("net.mbc").read_text()))
    bias = graph.constants()["a.dw.bias"]
    bias.data = bias.array.astype(np.float32)
    save_weights(graph, Path("wrong.safetensors"))
    words = ("--weights", "wrong.safetensors", "--backend", "oracle", "--input", "x.npy")
    outcome = mbc("run", "net.mbc", *words)
    assert outcome.code == "E0407"
    assert "a.dw.bias is f32, not i32" in outcome.err


def test_an_input_of_another_type(network: np.ndarray) -> None:
    np.save("x.npy", np.load("x.npy").astype(np.int32))
    words = ("--weights", "net.safetensors", "--backend", "oracle", "--input", "x.npy")
    outcome = mbc("run", "net.mbc", *words)
    assert outcome.code == "E0710"
    assert "dtype '<i4', the network needs '|u1'" in outcome.err
