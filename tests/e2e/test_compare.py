"""`mbc compare`: the first layer in which two evaluations differ."""

from pathlib import Path

import numpy as np
import pytest

from mbc.driver.compare import nearest_order
from tests.e2e.support import CAT, TINY, done, mbc
from tests.onnx_models import Drawing

OTHER = TINY.replace(
    'nn.depthwise(x, 3, padding="same")', "nn.depthwise(x, 3, padding=(2, 0, 1, 1))"
)
"""With other padding in one layer."""


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
    Path("other.py").write_text(OTHER)
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


BYTES = ("--input-dtype", "u8")
MEASURED = "input: bytes, (element / 255 - 0.485,0.456,0.406) / 0.229,0.224,0.225"


def test_both_take_bytes(page: Path) -> None:
    np.save("x.npy", np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), np.uint8))
    words = (*BYTES, "--normalize", "imagenet", "--input", "x.npy")
    found = done("compare", page, "--with", "oracle", *words)
    assert layers(found.out)[:4] == [
        "input.dequantize",
        "input.centred",
        "input.normalised",
        "stem.conv",
    ]
    assert found.out.endswith("every error is at most 0.0001\n")
    assert MEASURED in found.err
    Path("other.py").write_text(OTHER)
    found = mbc("compare", page, "--with", "other.py", *words)
    assert "first above 0.0001: block.dw (conv2d, " in found.out
    taken = mbc("compare", page, "--with", "oracle", "--input", "x.npy")
    assert (taken.status, taken.code) == (1, "E0710")


def test_bytes_as_they_are_are_other_numbers(page: Path) -> None:
    """What the network makes of them is part of what is compared: nothing here is normalised."""
    done("compile", page, *BYTES, "--normalize", "imagenet", "--dump-ir=ir", "--emit", "ir")
    first = min(Path("ir").glob("*.mbc"))
    same = done("compare", page, *BYTES, "--normalize", "imagenet", "--with", first)
    assert "input.normalised" in layers(same.out)
    outcome = mbc("compare", page, *BYTES, "--normalize", "tf", "--with", first)
    marked = [line.split()[0] for line in outcome.out.splitlines() if line.endswith("<- first")]
    assert (outcome.status, marked) == (1, ["input.centred"])


def test_bytes_on_codes(page: Path) -> None:
    """As the ranges were measured, if nothing else is said; so does a network in float."""
    Path("photos").mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 24, 3), np.uint8)
        Path(f"photos/{number}.ppm").write_bytes(b"P6 24 20 255\n" + pixels.tobytes())
    preprocess = ("--preprocess", "torch", "--resize", "stretch")
    done("quantize", page, "--images", "photos", *preprocess, "-o", "tiny.q")
    words = ("--quantize", "tiny.q", *BYTES)
    found = done("compare", page, *words, "--with", "oracle")
    assert MEASURED in found.err
    assert "every code is at most 0 steps off, " in found.out
    beside = mbc("compare", page, *words, "--with", page, "--tolerance", "1")
    assert beside.err.count(MEASURED) == 2, beside.err
    assert beside.status == 0, beside.out


def test_a_photo_and_bytes_are_normalised_alike(page: Path) -> None:
    words = (*BYTES, "--preprocess", "torch", "--resize", "stretch", "--input", CAT)
    found = done("compare", page, "--with", "oracle", *words)
    assert "(as --preprocess says)" in found.err
    found = done("compare", page, "--with", "oracle", *BYTES, "--preprocess", "tf")
    assert "input: bytes, (element / 255 - 0.5) / 0.5 (as --preprocess says)" in found.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--normalize", "imagenet"), "--normalize needs --input-dtype u8"),
        ((*BYTES, "--with", "onnxruntime"), "onnxruntime runs whole ONNX models"),
        ((*BYTES, "--normalize", "tf", "--mean", "1"), "--mean does nothing: --normalize says"),
        ((*BYTES, "--normalize", "tf", "--preprocess", "tf"), "--preprocess does nothing: no"),
        (("--input-dtype", "x=f16"), "takes u8 or NAME=u8, found 'x=f16'"),
    ],
    ids=str,
)
def test_bytes_that_nobody_takes(words: tuple[str, ...], message: str, page: Path) -> None:
    outcome = mbc("compare", page, "--with", "oracle", *words)
    assert outcome.code == "E0106"
    assert message in outcome.err


def test_onnxruntime_takes_no_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    d = Drawing(inputs={"x": (1, 8, 8, 8)})
    (tmp_path / "net.onnx").write_bytes(d.model(d.conv("x", 8, 8, 3)).SerializeToString())
    outcome = mbc("compare", "net.onnx", "--with", "onnxruntime", *BYTES)
    assert outcome.code == "E0106"
    assert "onnxruntime knows nothing of --input-dtype" in outcome.err


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
