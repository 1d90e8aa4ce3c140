"""`.onnx` files on the command line, and the commands of docs/import.md."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import mbc as mbc_api
from tests import tflite_models
from tests.e2e.support import EXAMPLES, ROOT, done, mbc
from tests.library_layers import state_dict
from tests.onnx_codes import quantised
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


def small_lite() -> bytes:
    d = tflite_models.Drawing({"x:0": (1, 8, 8, 3)})
    x = d.conv("x:0", 8, 3, 3, act=tflite_models.RELU, StrideW=2, StrideH=2)
    x = d.op("MEAN", x, d.constant([1, 2]), options="ReducerOptions")
    return d.model(d.op("FULLY_CONNECTED", x, d.weight(5, 8), d.weight(5)))


def small_codes(folder: Path) -> bytes:
    d = Drawing(opset=17, inputs={"x": (1, 3, 8, 8)})
    y = d.op("Relu", d.conv("x", 8, 3, 3, strides=[2, 2]))
    samples = [np.random.default_rng(3).standard_normal((1, 3, 8, 8)).astype(np.float32)]
    return quantised(d.model(y).SerializeToString(), samples, folder, per_channel=True)


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(EXAMPLES / "images" / "cat.png", "cat.png")
    state_dict("torchvision", "mobilenet_v2", Path("mobilenet_v2-b0353104.pth"))
    state_dict("timm", "mobilenet_v1", Path("mobilenetv1_100.pth"))
    Path("face_detection.tflite").write_bytes(small_lite())
    Path("int8.onnx").write_bytes(small_codes(tmp_path))
    for line in "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)).splitlines():
        program, *words = shlex.split(line)
        assert program == "mbc"
        done(*words)
    assert {path.name for path in (tmp_path / "text").iterdir()} == {
        "net.mbc",
        "constants.safetensors",
    }
    assert Path("codes/int8.q").exists()


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
        (["compile", "net.mbc", "--input-layout", "nchw"], "E0103"),
        (["opt", "net.mbc", "--outputs", "y"], "E0103"),
        (["compile", "net.onnx", "--inputs", "x.1,x.1"], "E0101"),
        (["compile", "net.onnx", "--outputs", "x.1,"], "E0101"),
        (["compile", "net.onnx", "--outputs", "relu2"], "E0808"),
        (["preprocess", "p.png", "--size", "8", "--inputs", "x", "-o", "x.npy"], "E0101"),
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


@pytest.fixture
def lite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model of TensorFlow Lite in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lite.tflite").write_bytes(small_lite())
    return tmp_path / "lite.tflite"


def test_a_model_of_tensorflow_lite(lite: Path) -> None:
    x = np.random.default_rng(2).standard_normal((1, 8, 8, 3)).astype(np.float32)
    np.save("x.npy", x)
    assert done("import", lite, "--check").out.startswith(f"{lite}  4 nodes")
    done("run", lite, "--input", "x.npy", "--output", "y.npy")
    (expected,) = tflite_models.by_litert(lite.read_bytes(), {"x:0": x})
    np.testing.assert_allclose(np.load("y.npy"), expected, atol=1e-5)
    done("import", lite, "-o", "lite.mbc")
    assert done("opt", lite).out == Path("lite.mbc").read_text("utf-8")
    part = done("opt", lite, "--outputs", "mean1", "--input-layout", "nchw").out
    assert "graph @lite(%x_0: f32[1,3,8,8])" in part
    assert "dense" not in part


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["compile", "lite.tflite", "--batch", "2"], "E0103"),
        (["compile", "lite.tflite", "--shape", "x=1x8x8x3"], "E0103"),
        (["compile", "lite.tflite", "--external-data", "."], "E0103"),
        (["import", "lite.tflite", "--outputs", "nothing"], "E0808"),
        (["import", "lite.tflite", "--inputs", "nothing"], "E0808"),
        (["import", "absent.tflite"], "E0701"),
    ],
    ids=" ".join,
)
def test_mistakes_with_tensorflow_lite(words: list[str], code: str, lite: Path) -> None:
    outcome = mbc(*words)
    assert (outcome.code, outcome.status) == (code, 1)


def test_options_name_the_formats_that_have_them(lite: Path) -> None:
    Path("net.py").write_text("")
    assert "--shape is for models in ONNX; " in mbc("report", lite, "--shape", "x=1").err
    for option in ("--inputs", "--outputs"):
        err = mbc("report", "net.py", option, "nchw").err
        assert f"{option} is for models in ONNX and TensorFlow Lite; net.py is none" in err
    err = mbc("report", "net.py", "--input-layout", "nchw").err
    assert "models in ONNX, TensorFlow Lite and PyTorch; net.py is none" in err


def test_what_is_supported_of_tensorflow_lite_is_listed() -> None:
    out = done("ops", "--tflite").out
    assert re.search(r"^CONV_2D +Convolution, grouped", out, re.MULTILINE)
    assert re.search(r"^SHAPE +Folded", out, re.MULTILINE)


def test_what_is_supported_is_listed() -> None:
    out = done("ops", "--onnx").out
    assert re.search(r"^Conv +Convolution in 1 to 3 dimensions", out, re.MULTILINE)
    assert re.search(r"^Shape +Folded", out, re.MULTILINE)


def test_a_part_of_a_model(model: Path) -> None:
    cut = ("--shape", "x.1=1x3x8x8", "--inputs", "relu1", "--outputs", "flatten3")
    text = done("opt", model, *cut).out
    assert "graph @net(%relu1: f32[1,3,3,8])" in text
    assert "global_avg_pool" in text
    assert "dense" not in text
    done("export", model, *cut, "-o", "part.onnx")
    assert done("import", "part.onnx", "--check").out.startswith("part.onnx  1 node")


def test_from_python(model: Path) -> None:
    net = mbc_api.compile(
        model, shapes={"x.1": (1, 3, 8, 8)}, outputs=["relu1"], input_layout="nchw"
    )
    assert net.outputs[0].shape == (1, 3, 3, 8)
    features = net(np.ones((1, 3, 8, 8), np.float32))
    assert isinstance(features, np.ndarray)
    assert features.min() == 0


def test_channels_first_all_the_way(model: Path) -> None:
    """A photo means the same to the executable, to `mbc run` and to `mbc preprocess`."""
    options = ("--shape", "x.1=1x3x8x8", "--input-layout", "nchw")
    pixels = np.random.default_rng(4).integers(0, 256, (8, 8, 3), np.uint8)
    Path("cat.ppm").write_bytes(b"P6 8 8 255\n" + pixels.tobytes())
    done("compile", model, *options, "--emit", "exe,header", "-o", "out")
    assert "input   x_1: float [1, 3, 8, 8] NCHW\n" in Path("out/net.h").read_text()
    done("preprocess", "cat.ppm", "--for", "out", "-o", "x.npy")
    x = np.load("x.npy")
    np.testing.assert_allclose(x[0], pixels.transpose(2, 0, 1) / 127.5 - 1, atol=1e-6)
    (expected,) = by_onnxruntime(model.read_bytes(), {"x.1": x})
    for photo in ("cat.ppm", "x.npy"):
        done("run", model, *options, "--input", photo, "--output", "here.npy")
        subprocess.run(["out/net", "--input", photo, "--output", "there.npy"], check=True)
        np.testing.assert_allclose(np.load("here.npy"), expected, atol=1e-5)
        np.testing.assert_allclose(np.load("there.npy"), expected, atol=1e-5)
    done("export", model, *options, "-o", "planar.onnx")
    (again,) = by_onnxruntime(Path("planar.onnx").read_bytes(), {"x_1": x})
    np.testing.assert_allclose(again, expected, atol=1e-5)


def test_what_is_supported_of_pytorch_is_listed() -> None:
    out = done("ops", "--torch").out
    assert re.search(r"^aten.conv2d +Convolution in two dimensions", out, re.MULTILINE)
    assert re.search(r"^aten.arange +Folded", out, re.MULTILINE)


@pytest.mark.parametrize("name", ["net.pt", "net.pth"])
def test_other_files_of_pytorch_are_refused_with_what_to_do(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    outcome = mbc("report", tmp_path / name)
    assert outcome.code == "E0102"
    assert "torch.export.save" in outcome.err
    assert f"--weights {name}" in outcome.err
