"""`.onnx` files on the command line, and the commands of docs/import.md."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.support import ROOT, done, mbc
from tests.onnx_models import Drawing, by_onnxruntime

PAGE = (ROOT / "docs" / "import.md").read_text("utf-8")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model with a symbolic batch, in the current folder."""
    monkeypatch.chdir(tmp_path)
    d = Drawing(inputs={"x.1": ("batch", 3, 8, 8)})
    x = d.op("GlobalAveragePool", d.op("Relu", d.conv("x.1", 8, 3, 3, strides=[2, 2])))
    d.op("Gemm", d.op("Flatten", x), d.weight(8, 5), d.weight(5))
    (tmp_path / "net.onnx").write_bytes(d.model("gemm4").SerializeToString())
    return tmp_path / "net.onnx"


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines():
        program, *words = shlex.split(line)
        assert program == "mbc"
        done(*words)
    assert {path.name for path in (tmp_path / "text").iterdir()} == {
        "net.mbc",
        "constants.safetensors",
    }


def test_it_runs(model: Path) -> None:
    x = np.random.default_rng(2).standard_normal((1, 3, 8, 8)).astype(np.float32)
    np.save("x.npy", x.transpose(0, 2, 3, 1))
    done("run", model, "--shape", "x.1=1x3x8x8", "--input", "x.npy", "--output", "y.npy")
    (expected,) = by_onnxruntime(model.read_bytes(), {"x.1": x})
    np.testing.assert_allclose(np.load("y.npy"), expected, atol=1e-5)


def test_text_of_a_model_is_the_model(model: Path) -> None:
    done("import", model, "--shape", "x.1=1x3x8x8", "-o", "net.mbc")
    text = done("opt", model, "--shape", "x.1=1x3x8x8").out
    assert text == Path("net.mbc").read_text("utf-8")
    assert "graph @net(%x_1: f32[1,8,8,3])" in text
    done("export", "net.mbc", "-o", "again.onnx")
    assert done("import", "again.onnx", "--check").out.startswith("again.onnx  4 nodes")
    assert not Path("build").exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["compile", "net.onnx"], "E0804"),
        (["compile", "net.onnx", "--batch", "2"], "E0103"),
        (["compile", "net.onnx", "--shape", "x.1=1x3"], "E0804"),
        (["compile", "net.onnx", "--shape", "x.1=1x3x8x0"], "E0101"),
        (["compile", "net.onnx", "--shape", "1x3x8x8"], "E0101"),
        (["compile", "net.onnx", "--shape", "x.1=1", "--shape", "x.1=1"], "E0101"),
        (["compile", "net.mbc", "--shape", "x.1=1"], "E0103"),
        (["import", "net.mbc"], "E0102"),
        (["import", "net.onnx", "--check", "-o", "net.mbc"], "E0106"),
        (["import", "absent.onnx"], "E0701"),
    ],
    ids=" ".join,
)
def test_mistakes(words: list[str], code: str, model: Path) -> None:
    outcome = mbc(*words)
    assert outcome.code == code
    assert outcome.status == (2 if code == "E0101" else 1)


def test_what_is_supported_is_listed() -> None:
    out = done("ops", "--onnx").out
    assert re.search(r"^Conv +Convolution in two dimensions", out, re.MULTILINE)
    assert re.search(r"^Shape +Folded", out, re.MULTILINE)
