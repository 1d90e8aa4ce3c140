"""Commands on quantised ONNX models, which compute on their own codes."""

import re
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from tests.e2e.support import done, mbc
from tests.numeric.test_onnx_codes import gated, inputs
from tests.numeric.test_onnx_quantised_networks import mixed
from tests.onnx_codes import quantised
from tests.onnx_models import Drawing


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    d = Drawing(opset=17)
    made = d.model(gated(d)).SerializeToString()
    content = quantised(made, inputs(4, 1, 8, 6, 6), tmp_path, per_channel=True)
    monkeypatch.chdir(tmp_path)
    (x,) = inputs(1, 1, 8, 6, 6)
    np.save("x.npy", np.ascontiguousarray(x.transpose(0, 2, 3, 1)))
    Path("net.onnx").write_bytes(content)
    return Path("net.onnx")


def answer(*words: str | Path) -> np.ndarray:
    done("run", *words, "--input", "x.npy", "--output", "y.npy")
    found: np.ndarray = np.load("y.npy")
    return found


def test_text_and_scales_give_the_same_bits(model: Path) -> None:
    found = done("import", model, "-o", "text/net.mbc")
    command = "mbc compile text/net.mbc --quantize text/net.q"
    assert f"its scales are in text/net.q: {command}" in found.err
    lines = Path("text/net.q").read_text().splitlines()
    assert lines[0] == "# Scales of net for 8-bit codes (mbc import)."
    assert any(line.startswith("[elements]") for line in lines)
    own = answer(model)
    np.testing.assert_array_equal(answer("text/net.mbc", "--quantize", "text/net.q"), own)
    for words in (["-O0"], ["--backend", "oracle"]):
        np.testing.assert_array_equal(answer(model, *words), own)
    plain = answer(model, "--float")
    assert not np.array_equal(plain, own)
    np.testing.assert_array_equal(answer("text/net.mbc"), plain)


def test_what_is_compiled_is_on_codes(model: Path) -> None:
    done("compile", model, "--dump-ir=ir", "--stop-after", "quantise")
    (text,) = Path("ir").glob("*quantise*.mbc")
    assert "requantize" in text.read_text()
    found = done("compile", model, "-o", "out", "--emit", "ir").err
    assert "on its codes of 8 bits" in found


def test_float_models_have_no_scales(model: Path) -> None:
    done("import", model, "--float", "-o", "text/net.mbc")
    assert not Path("text/net.q").exists()


def test_ranges_are_for_float_models(model: Path) -> None:
    found = mbc("quantize", model, "--random", "-o", "net.q")
    assert (found.code, "--float takes it in float32" in found.err) == ("E0558", True)
    done("quantize", model, "--float", "--random", "--samples", "2", "-o", "net.q")
    found = mbc("run", model, "--quantize", "net.q", "--input", "x.npy")
    assert (found.code, "--quantize is for others" in found.err) == ("E0106", True)
    answer(model, "--float", "--quantize", "net.q")
    found = mbc("run", "net.onnx", "--float", "--quantize", "other.q", "--input", "x.npy")
    assert found.code == "E0701"


def test_scales_of_another_model(model: Path) -> None:
    done("import", model, "-o", "text/net.mbc")
    text = Path("text/net.mbc").read_text()
    Path("text/other.mbc").write_text(text.replace("max_pool", "avg_pool"))
    found = mbc("run", "text/other.mbc", "--quantize", "text/net.q", "--input", "x.npy")
    assert found.code == "E0556"
    assert "text/net.q was made of net, which has other layers than other" in found.err


def test_compare(model: Path) -> None:
    found = done("compare", model, "--with", "onnxruntime", "--input", "x.npy")
    rows = [line.split() for line in found.out.splitlines()]
    steps = [row[-2:] for row in rows if row[-1] in ("step", "steps")]
    assert len(steps) >= 8
    assert all(int(most) <= 3 for most, _ in steps)
    assert any(line.startswith("codes of matmul") for line in found.out.splitlines())
    assert "every code is at most 3 steps off" in found.out
    found = done("compare", model, "--with", "oracle")
    assert "every code is at most 0 steps off" in found.out


def test_compare_what_is_further_off(model: Path) -> None:
    d = Drawing(opset=17)
    made = d.model(mixed(d)).SerializeToString()
    content = quantised(made, inputs(4, 1, 8, 6, 6), Path(), per_channel=True)
    model.write_bytes(content)
    found = mbc("compare", model, "--with", "onnxruntime", "--input", "x.npy", "--steps", "0")
    assert found.status == 1
    last = found.out.splitlines()[-1]
    assert re.match(
        r"first above 0 steps: averagepool4 \(avg_pool\), \d+ of 72 equal, \d+ by 1$", last
    )


def test_compare_with_ranges(model: Path) -> None:
    done("quantize", model, "--float", "--random", "--samples", "2", "-o", "net.q")
    words = ("compare", model, "--float", "--quantize", "net.q", "--with")
    found = done(*words, "oracle")
    assert "every code is at most 0 steps off" in found.out
    assert mbc(*words, "onnxruntime").code == "E0106"


def test_other_engines_get_the_model_itself(model: Path) -> None:
    found = done("bench", model, "--vs", "onnxruntime", "--rounds", "1")
    assert "exporting to ONNX" not in found.err
    assert "onnxruntime" in found.out
    cut = ("--inputs", "concat4")
    assert mbc("bench", model, *cut, "--vs", "onnxruntime", "--rounds", "1").code == "E0106"


def test_other_engines_get_a_network_on_codes(model: Path) -> None:
    done("quantize", model, "--float", "--random", "--samples", "2", "-o", "net.q")
    words = ("bench", model, "--float", "--quantize", "net.q", "--rounds", "1", "--vs")
    assert "onnxruntime" in done(*words, "onnxruntime").out
    found = mbc(*words, "mnn")
    assert found.code == "E0611"
    assert "--vs onnxruntime,openvino" in found.err


def test_inputs_that_are_codes(model: Path) -> None:
    """Callers give what they stand for, or bytes; engines get them as they take them."""
    d = Drawing(opset=17)
    steps = [d.constant(0.04, np.float32), d.constant(120, np.uint8)]
    weight = d.op("DequantizeLinear", d.constant(np.ones((4, 8, 1, 1)), np.int8), steps[0])
    y = d.op("Conv", d.op("DequantizeLinear", "x", *steps), weight)
    out = [d.constant(0.1, np.float32), d.constant(7, np.uint8)]
    y = d.op("DequantizeLinear", d.op("QuantizeLinear", y, *out), *out)
    made = d.model(y)
    made.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    model.write_bytes(made.SerializeToString())
    codes = np.random.default_rng(5).integers(0, 256, (1, 6, 6, 8), np.uint8)
    np.save("x.npy", (codes.astype(np.float32) - 120) * np.float32(0.04))
    found = answer(model)
    compared = done("compare", model, "--with", "onnxruntime", "--input", "x.npy").out
    assert "every code is at most 3 steps off" in compared
    done("bench", model, "--vs", "onnxruntime", "--rounds", "1")
    np.save("x.npy", codes)
    np.testing.assert_array_equal(answer(model, "--input-dtype", "u8"), found)
