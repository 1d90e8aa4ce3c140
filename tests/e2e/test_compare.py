"""`mbc compare`: the first layer in which two evaluations differ."""

from pathlib import Path

import numpy as np
import pytest

from mbc.driver.compare import nearest_order
from tests.e2e.support import TINY, done, mbc
from tests.onnx_models import Drawing


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.py").write_text(TINY)
    return Path("tiny.py")


def layers(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines()[1:-1]]


def test_with_the_oracle(page: Path) -> None:
    found = done("compare", page, "--with", "oracle")
    assert layers(found.out) == [
        "stem.conv",
        "stem.conv.bn",
        "stem.conv.relu",
        "block.dw",
        "block.dw.bn",
        "block.dw.relu",
        "block.pw",
        "block.pw.bn",
        "block.pw.relu",
        "global_avg_pool",
        "fc",
        "output",
    ]
    assert found.out.endswith("every error is at most 0.0001\n")
    assert mbc("compare", page, "--with", "oracle", "--tolerance", "1e-12").status == 1


def test_the_first_layer_that_differs(page: Path) -> None:
    other = TINY.replace(
        'nn.depthwise(x, 3, padding="same")', "nn.depthwise(x, 3, padding=(2, 0, 1, 1))"
    )
    Path("other.py").write_text(other)
    np.save("x.npy", np.random.default_rng(0).standard_normal((1, 16, 16, 3)).astype(np.float32))
    found = mbc("compare", page, "--with", "other.py", "--input", "x.npy")
    assert found.status == 1
    marked = [line.split()[0] for line in found.out.splitlines() if line.endswith("<- first")]
    assert marked == ["block.dw"]
    last = found.out.splitlines()[-1]
    assert last.startswith("first above 0.0001: block.dw (conv2d, ")
    assert "tiny.py:" in last
    assert "at pixel (" in last


def test_a_layer_of_another_shape(page: Path) -> None:
    Path("other.py").write_text(TINY.replace("2 * width", "3 * width"))
    found = mbc("compare", page, "--with", "other.py")
    assert found.status == 1
    assert [line.split()[:4] for line in found.out.splitlines() if line.endswith("<- first")] == [
        ["block.pw", "conv2d", "[1,8,8,16]", "shape"]
    ]
    assert found.out.endswith("), the other is [1,8,8,24]\n")


def test_text_after_passes_has_the_same_names(page: Path) -> None:
    done("compile", page, "--dump-ir=ir", "--emit", "ir", "-o", "out")
    last = max(Path("ir").glob("*.mbc"))
    found = done("compare", page, "--with", last)
    assert layers(found.out)[-2:] == ["fc", "output"]
    assert "layers left out" in found.err


def test_with_onnxruntime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    d = Drawing(inputs={"x.1": ("batch", 8, 8, 8)})
    x = d.op("Relu", d.conv("x.1", 8, 8, 3, pads=[1, 1, 1, 1]))
    pooled = d.op("GlobalAveragePool", x)
    flat = d.op("Flatten", d.op("MaxPool", d.op("Mul", x, pooled), kernel_shape=[2, 2]))
    y = d.op("Gemm", flat, d.weight(392, 5), d.weight(5))
    (tmp_path / "net.onnx").write_bytes(d.model(y).SerializeToString())
    found = done("compare", "net.onnx", "--shape", "x.1=1x8x8x8", "--with", "onnxruntime")
    names = layers(found.out)
    assert len(names) >= 6, found.out
    assert names[0].startswith("conv")
    assert found.out.endswith("every error is at most 0.0001\n")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--with", "onnxruntime"], "E0106"),
        (["--with", "absent.py"], "E0701"),
        (["--with", "oracle", "--input", "x.npy", "--input", "x.npy"], "E0101"),
        (["--with", "oracle", "--tolerance", "-1"], "E0101"),
        (["--with", "two.py"], "E0729"),
        ([], "E0101"),
    ],
)
def test_mistakes(words: list[str], code: str, page: Path) -> None:
    Path("two.py").write_text(
        "from mbc.frontends.dsl import *\n\n\n@network\ndef two(nn: Net) -> dict[str, Tensor]:\n"
        "    x = nn.relu(nn.input(16, 16, 3))\n"
        "    return {'a': x, 'b': nn.sigmoid(x)}\n"
    )
    outcome = mbc("compare", page, *words)
    assert outcome.code == code, outcome.err


def test_orders_of_axes() -> None:
    ours = np.random.default_rng(0).standard_normal((1, 4, 4, 4))
    theirs = ours.transpose(0, 3, 1, 2)
    assert np.array_equal(nearest_order(theirs, ours), ours)
    assert np.array_equal(nearest_order(ours, ours), ours)
    vector = ours[:, 0, 0]
    assert np.array_equal(nearest_order(vector[:, :, np.newaxis, np.newaxis], vector), vector)
    assert nearest_order(np.zeros((1, 5)), vector).shape == (1, 5)
