"""`mbc export`."""

import sys
from pathlib import Path

import onnx
import pytest

from tests.e2e.support import done, mbc


def test_an_onnx_file(tiny: Path, tmp_path: Path) -> None:
    outcome = done(
        "export", tiny, "--format", "onnx", "-D", "width=16", "-o", tmp_path / "n/a.onnx"
    )
    path = tmp_path / "n" / "a.onnx"
    assert outcome.out == f"{path}  {path.stat().st_size:,} bytes\n"
    assert "seed 0" in outcome.err
    model = onnx.load(path)
    assert [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == [1, 3, 16, 16]
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    done("export", tiny, "--as-written")
    written = onnx.load(tmp_path / "build" / f"{tiny.stem}.onnx")
    assert "BatchNormalization" in {node.op_type for node in written.graph.node}


def test_ir_text(tiny: Path, tmp_path: Path) -> None:
    """Of the last stage too: views and fused bodies are written out."""
    done("compile", tiny, "--emit", "ir", "-o", tmp_path / "ir")
    done("export", tmp_path / "ir" / f"{tiny.stem}.mbc", "-o", tmp_path / "a.onnx")
    assert (tmp_path / "a.onnx").exists()


def test_after_a_pass(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    done("export", tiny, "--after", "plan-memory", "--target", "rpi4", "-o", path)
    onnx.checker.check_model(onnx.load(path))
    assert mbc("export", tiny, "--after", "nothing", "-o", path).code == "E0510"
    assert mbc("export", tiny, "--after", "plan-memory", "--as-written").code == "E0106"
    assert mbc("export", tiny, "--target", "rpi4").code == "E0106"


def test_on_codes(tiny: Path, tmp_path: Path) -> None:
    ranges, path = tmp_path / "tiny.q", tmp_path / "a.onnx"
    done("quantize", tiny, "--random", "--samples", "2", "-o", ranges)
    done("export", tiny, "--quantize", ranges, "-o", path)
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert {"Conv", "QuantizeLinear", "DequantizeLinear"} <= kinds
    outcome = mbc("export", tiny, "--quantize", ranges, "--as-written", "-o", path)
    assert (outcome.status, outcome.code) == (1, "E0106")
    after = ("--after", "plan-memory", "--target", "rpi4")
    done("export", tiny, "--quantize", ranges, *after, "-o", path)
    onnx.checker.check_model(onnx.load(path))


def test_without_the_package(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    outcome = mbc("export", tiny, "-o", tmp_path / "a.onnx")
    assert (outcome.status, outcome.code) == (1, "E0610")
    assert "pip install 'mbc[onnx]'" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == [tiny.name]


def test_mistakes(tiny: Path, tmp_path: Path) -> None:
    assert mbc("export", tiny, "--format", "tflite").status == 2
    assert mbc("export", tiny, "-o", tmp_path).code == "E0703"
    assert mbc("export", tmp_path / "none.py").code == "E0701"
