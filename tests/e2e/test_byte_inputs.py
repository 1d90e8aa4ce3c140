"""Networks that take bytes, on the command line and from Python."""

import json
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

import mbc as package
from mbc.diag import MbcError
from mbc.driver.net import CompiledNet
from mbc.frontends.options import Layout
from mbc.ir.text.module import write_dump
from mbc.runtime.inputs import read_photo
from mbc.runtime.preprocessing import PRESETS
from mbc.runtime.shared_runner import load
from tests.byte_networks import IMAGENET, network, numbers
from tests.e2e.support import CAT, EMULATORS, EXAMPLES, done, mbc
from tests.onnx_models import Drawing, by_onnxruntime

PHOTO = EXAMPLES / "images" / "cat.png"
BYTES = ("--input-dtype", "u8")
IMAGENET_BYTES = (*BYTES, "--normalize", "imagenet")

NET = """
from mbc.frontends.dsl import Net, Tensor, network

@network
def net(nn: Net, *, pad: int = 0) -> Tensor:
    x = nn.input(9, 11, 3)
    x = nn.relu(nn.conv(x, 5, 3, stride=2, padding=pad, name="stem"))
    return nn.dense(nn.global_avg_pool(nn.pointwise(x, 7)), 4)
"""

TWO = """
from mbc.frontends.dsl import Net, Tensor, network

@network
def two(nn: Net, *, channels: int = 3) -> Tensor:
    photo = nn.input(6, 5, channels, name="photo")
    depth = nn.input(6, 5, 1, name="depth")
    return nn.concat(nn.conv(photo, 2, 3), nn.conv(depth, 2, 3))
"""


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """In the current folder net.py, and one image as x.npy, x.raw and x.ppm."""
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NET)
    return write_photo(9, 11)


def write_photo(height: int, width: int) -> np.ndarray:
    image = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)
    np.save("x.npy", image)
    image.tofile("x.raw")
    Image.fromarray(image[0]).save("x.ppm")
    return image


def measure(pad: int, preset: str = "torch") -> None:
    """Write net.q, measured on photos."""
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 256, (9, 11, 3), np.uint8)
        Path("photos").mkdir(exist_ok=True)
        Image.fromarray(noise).save(f"photos/{number}.png")
    how = f"{preset} resize=fit"
    done(
        "quantize", "net.py", "-D", f"pad={pad}", "--images", "photos", "--preprocess", how,
        "-o", "net.q",
    )  # fmt: skip


def answers(program: str, target: str = "native") -> list[np.ndarray]:
    """What an executable makes of each of the files."""
    found = []
    for name in ("x.npy", "x.raw", "x.ppm"):
        words = (*EMULATORS.get(target, ()), program, "--input", name, "--output", "y.npy")
        subprocess.run(words, check=True)
        found.append(np.load("y.npy"))
    return found


@pytest.mark.parametrize("pad", [0, 1])
def test_programs_of_floats(photo: np.ndarray, pad: int) -> None:
    wanted = of_floats(photo, pad)
    words = ("net.py", "-D", f"pad={pad}", *IMAGENET_BYTES, "--target", "arm64", "-o", "out")
    outcome = done("compile", *words, "--emit", "exe,lib,header")
    meaning = "(element / 255 - 0.485,0.456,0.406) / 0.229,0.224,0.225"
    assert f"input: bytes, {meaning} (--normalize imagenet)" in outcome.err
    done("verify", "out")
    for found in answers("out/net", "arm64"):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    header = Path("out/net.h").read_text()
    made = f"bytes, of which it makes\n *             {meaning}\n"
    assert f"input: uint8_t [1, 9, 11, 3], {made}" in header
    assert "#define NET_INPUT_INPUT_TYPE MBC_U8\n" in header
    assert "  const uint8_t *input;\n" in header
    (listed,) = json.loads(Path("out/manifest.json").read_text())["inputs"]
    assert (listed["dtype"], listed["normalize"]["std"]) == ("u8", [0.229, 0.224, 0.225])


@pytest.mark.parametrize("pad", [0, 1])
def test_programs_of_codes(photo: np.ndarray, pad: int) -> None:
    measure(pad)
    words = ("net.py", "-D", f"pad={pad}", "--quantize", "net.q", *BYTES)
    outcome = done("compile", *words, "--target", "arm64", "-o", "out", "--emit", "exe")
    assert "0.225 (as net.q was measured)" in outcome.err
    done("verify", "out")
    run = done("run", *words, "--input", "x.npy", "--output", "y.npy", "--backend", "oracle")
    assert run.status == 0
    wanted = np.load("y.npy")
    for found in answers("out/net", "arm64"):
        assert np.array_equal(found, wanted)
    np.testing.assert_allclose(wanted, of_floats(photo, pad), rtol=0.1, atol=0.1)


def of_floats(photo: np.ndarray, pad: int) -> np.ndarray:
    real = package.compile("net.py", params={"pad": pad}, backend="oracle")
    return one_of(real, numbers(network("padded"), photo, IMAGENET))


def one_of(net: CompiledNet, x: np.ndarray) -> np.ndarray:
    """The only output."""
    found = net(x)
    assert isinstance(found, np.ndarray)
    return found


def test_shared_libraries(photo: np.ndarray) -> None:
    done("compile", "net.py", *BYTES, "-o", "out", "--emit", "so,exe")
    assert "libnet.so" in done("verify", "out").out
    assert load(Path("out/libnet.so"), "net").normalize[0] == b""
    done("compile", "net.py", *IMAGENET_BYTES, "-o", "other", "--emit", "so", "--no-check")
    text = load(Path("other/libnet.so"), "net").normalize[0]
    assert text == str(IMAGENET).encode()
    text = subprocess.run(["out/net", "--help"], capture_output=True, text=True, check=True).stdout
    assert "input  input: uint8 (1, 9, 11, 3)" in text
    assert ".raw: the bytes of a uint8 tensor" in text


@pytest.mark.parametrize(
    ("name", "data", "code", "why"),
    [
        ("a.raw", b"\0" * 296, "E0710", "truncated: 296 of 297 bytes of the tensor"),
        ("a.raw", b"\0" * 298, "E0710", "oversize: more data follows the tensor"),
        ("a.npy", np.zeros((1, 9, 11, 3), np.float32), "E0710", "dtype '<f4', the net"),
        ("a.npy", np.zeros((9, 11, 3), np.uint8), "E0710", "shape (9, 11, 3), input input"),
        ("a.raw", None, "E0701", "No such file"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit(
    photo: np.ndarray, name: str, data: bytes | np.ndarray | None, code: str, why: str
) -> None:
    if isinstance(data, np.ndarray):
        np.save(name, data)
    elif data is not None:
        Path(name).write_bytes(data)
    outcome = mbc("run", "net.py", *BYTES, "--input", name)
    assert (outcome.status, outcome.code) == (1, code)
    assert why in outcome.err
    done("compile", "net.py", *BYTES, "-o", "out", "--emit", "exe", "--no-check")
    words = ["out/net", "--input", name]
    told = subprocess.run(words, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert told.stderr.startswith(f"error[{code}]: {name}: ")
    assert why in told.stderr


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--mean", "0.5", "--normalize", "tf"), "--mean does nothing: --normalize says"),
        (("--preprocess", "tf", "--normalize", "tf"), "--preprocess does nothing: no input is a"),
        (("--resize", "20"), "--resize does nothing: no input is a photo"),
    ],
    ids=str,
)
@pytest.mark.parametrize("file", ["x.npy", "x.raw"])
def test_options_of_photos_that_do_nothing(
    photo: np.ndarray, words: tuple[str, ...], why: str, file: str
) -> None:
    outcome = mbc("run", "net.py", *BYTES, *words, "--input", file)
    assert (outcome.status, outcome.code) == (1, "E0106")
    assert why in outcome.err


def test_options_of_photos_that_say_what_bytes_become(photo: np.ndarray) -> None:
    words = ("net.py", *BYTES, "--input", "x.raw", "--top", "4")
    wanted = done("run", *words, "--normalize", "0.4/0.2").out
    assert done("run", *words, "--mean", "0.4", "--std", "0.2").out == wanted
    assert done("run", *words, "--preprocess", "raw range=255 mean=0.4 std=0.2").out == wanted
    assert done("run", *words).out != wanted


@pytest.mark.parametrize("preset", ["torch", "tf", "plain"])
def test_photos_are_normalised_once(tiny: Path, preset: str) -> None:
    words = ("--input", PHOTO, "--preprocess", preset, "--output", "y.npy")
    done("run", tiny, *words)
    wanted = np.load("y.npy")
    done("run", tiny, *words, *BYTES)
    near = 1e-5 if preset != "tf" else 0.02  # whose filter gives numbers between bytes
    np.testing.assert_allclose(np.load("y.npy"), wanted, rtol=0, atol=near)


def test_preprocess_writes_bytes(tiny: Path) -> None:
    done("compile", tiny, *BYTES, "--preprocess", "torch", "-o", "out", "--emit", "exe")
    outcome = done("preprocess", PHOTO, "--for", "out", "-o", "x.npy")
    assert "wrote x.npy: uint8 [1, 16, 16, 3], resize=short" in outcome.err
    assert "the network normalises it" in outcome.err
    x = np.load("x.npy")
    assert x.dtype == np.uint8
    outcome = mbc("preprocess", PHOTO, "--for", "out", "-o", "y.npy", "--std", "0.5")
    assert (outcome.status, outcome.code) == (1, "E0106")
    assert "--std does nothing: the network takes bytes" in outcome.err
    real = package.compile(tiny)
    spec = real.inputs[0]
    done("run", tiny, *BYTES, "--normalize", "imagenet", "--input", "x.npy", "--output", "y.npy")
    wanted = one_of(real, read_photo(PHOTO, spec, PRESETS["torch"]))
    np.testing.assert_allclose(np.load("y.npy"), wanted, rtol=0, atol=1e-5)
    ppm = subprocess.run(["out/tiny", "--input", str(CAT)], capture_output=True, text=True)
    assert "error[E0706]" in ppm.stderr


def test_what_is_known_of_bytes(photo: np.ndarray) -> None:
    """--normalize, else --preprocess, else what the ranges were measured on, else nothing."""
    measure(0, "tf")
    codes = ("--quantize", "net.q")
    for words, made in (
        ((), "0 to 255 as they are (no --normalize given)"),
        (codes, "(element / 255 - 0.5) / 0.5 (as net.q was measured)"),
        ((*codes, "--preprocess", "unit"), "(element / 255 - 0) / 1 (as --preprocess says)"),
        (("--preprocess", "unit", "--normalize", "0.1/2,3,4"), "(element / 255 - 0.1) / 2,3,4"),
    ):  # fmt: skip
        outcome = done("compile", "net.py", *BYTES, *words, "-o", "out", "--emit", "header")
        assert f"input: bytes, {made}" in outcome.err
    recorded = json.loads(Path("out/manifest.json").read_text())["preprocess"]
    assert (recorded["mean"], recorded["std"]) == ([0.1], [2, 3, 4])
    done("compile", "net.py", *BYTES, "-o", "out", "--emit", "header")
    assert "1.0 * (element - 0)" in Path("out/net.h").read_text()


def test_the_file_of_ranges_may_be_broken(photo: np.ndarray) -> None:
    measure(0)
    path = Path("net.q")
    path.write_text(path.read_text().replace("resize=", "size="))
    outcome = mbc("compile", "net.py", *BYTES, "--quantize", "net.q", "-o", "out")
    assert (outcome.status, outcome.code) == (1, "E0555")


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("--normalize", "imagenet"), "E0106", "--normalize needs --input-dtype u8"),
        ((*BYTES, "--normalize", "imagnet"), "E0106", "found 'imagnet'"),
        ((*BYTES, "--normalize", "1,2/1"), "E0106", "the mean has 2 numbers"),
        ((*BYTES, "--normalize", "0/1,1,0"), "E0106", "range and std must be above zero"),
        ((*BYTES, "--normalize", "nan/1"), "E0106", "all numbers finite"),
        ((*BYTES, "--normalize", "/1"), "E0106", "found '/1'"),
        (("--input-dtype", "s8"), "E0106", "takes u8 or NAME=u8, found 's8'"),
        (("--input-dtype", "x=u8"), "E0710", "there is no input 'x'"),
        ((*BYTES, "--backend", "tvm"), "E0106", "is for --backend llvm"),
        ((*BYTES, "--target", "opencl"), "E0106", "is for --backend llvm"),
    ],
    ids=str,
)
def test_mistakes(photo: np.ndarray, words: tuple[str, ...], code: str, why: str) -> None:
    before = sorted(Path().iterdir())
    outcome = mbc("compile", "net.py", *words, "-o", "out")
    assert (outcome.status, outcome.code) == (1, code)
    assert why in outcome.err
    assert sorted(Path().iterdir()) == before


def test_from_python(photo: np.ndarray) -> None:
    net = package.compile("net.py", batch=2, input_dtype="u8", normalize="imagenet")
    assert (net.inputs[0].dtype, net.inputs[0].shape) == ("u8", (2, 9, 11, 3))
    both = net(np.concatenate([photo, photo[:, ::-1]]))
    assert isinstance(both, np.ndarray)
    np.testing.assert_allclose(both[:1], of_floats(photo, 0), rtol=1e-5, atol=1e-5)
    floats = numbers(network("padded"), np.concatenate([photo, photo]), IMAGENET)
    with pytest.raises(MbcError, match="takes bytes, uint8 of 0 to 255, found float32"):
        net(floats)
    with pytest.raises(MbcError, match="has elements that are no u8"):
        net(np.full((2, 9, 11, 3), 256))
    with pytest.raises(MbcError, match="E0106: --normalize needs"):
        package.compile("net.py", normalize="imagenet")


def test_some_of_several_inputs(photo: np.ndarray) -> None:
    Path("two.py").write_text(TWO)
    net = package.compile("two.py", input_dtype="photo=u8", normalize="imagenet")
    assert [spec.dtype for spec in net.inputs] == ["u8", "f32"]
    assert [spec.normalisation is None for spec in net.inputs] == [False, True]
    net = package.compile("two.py", input_dtype="u8", normalize="tf")
    assert [spec.dtype for spec in net.inputs] == ["u8", "u8"]
    outcome = mbc("compile", "two.py", *IMAGENET_BYTES, "-o", "out")
    assert "the mean has 3 numbers, input depth 1 channel(s)" in outcome.err
    outcome = mbc("compile", "two.py", "--input-dtype", "photo=u8,depht=u8", "-o", "out")
    assert "did you mean 'depth'" in outcome.err


@pytest.mark.parametrize("planar", [False, True], ids=["nhwc", "nchw"])
def test_channels_first(photo: np.ndarray, planar: bool) -> None:
    graph = network("padded", planar=planar)
    write_dump(graph, Path(), "net.mbc")
    image = write_photo(7, 9)
    if planar:
        image = np.ascontiguousarray(image.transpose(0, 3, 1, 2))
        np.save("x.npy", image)
        image.tofile("x.raw")
    done("compile", "net.mbc", *IMAGENET_BYTES, "-o", "out", "--emit", "exe,header")
    real = package.compile("net.mbc", backend="oracle")
    wanted = one_of(real, numbers(graph, image, IMAGENET))
    for found in answers("out/net"):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("codes", [False, True])
def test_onnxruntime_makes_the_same_of_bytes(photo: np.ndarray, codes: bool) -> None:
    measure(1)
    words = ("net.py", "-D", "pad=1", *IMAGENET_BYTES, *(("--quantize", "net.q") if codes else ()))
    done("run", *words, "--input", "x.npy", "--output", "y.npy")
    if codes:
        done("run", *words, "--backend", "oracle", "--input", "x.npy", "--output", "z.npy")
        np.testing.assert_array_equal(np.load("y.npy"), np.load("z.npy"))
    for after in ((), ("--after", "fuse-rows")):
        done("export", *words, *after, "-o", "net.onnx")
        model = onnx.load("net.onnx")
        (found,) = by_onnxruntime(model, {"input": photo.transpose(0, 3, 1, 2)})
        near = 1e-6 if codes else 1e-5
        np.testing.assert_allclose(found, np.load("y.npy"), rtol=near, atol=near)


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_a_quantised_model_takes_its_own_codes(photo: np.ndarray, layout: Layout) -> None:
    d = Drawing(opset=17)
    scale, zero = d.constant(1 / 64, np.float32), d.constant(128, np.uint8)
    x = d.op("DequantizeLinear", d.op("QuantizeLinear", "x", scale, zero), scale, zero)
    onnx.save(d.model(d.conv(x, 8, 8)), "q.onnx")
    real = package.compile("q.onnx")
    codes = np.random.default_rng(0).integers(0, 256, real.inputs[0].shape, np.uint8)
    wanted = one_of(real, (codes.astype(np.float32) - 128) / 64)
    given = codes if layout == "nhwc" else codes.transpose(0, 3, 1, 2)
    for how in (None, "0.50196078431/0.25098039216"):
        net = package.compile("q.onnx", input_dtype="u8", normalize=how, input_layout=layout)
        assert np.array_equal(one_of(net, given), wanted)
        scale_, zero_ = net.inputs[0].scale, net.inputs[0].zero_point
        assert (scale_, zero_) == ((1 / 64, 128) if how is None else (1.0, 0))
    outcome = done("compile", "q.onnx", *BYTES, "-o", "out", "--emit", "header")
    assert "x: bytes, the codes of the model, q8(0.015625,128)" in outcome.err


def test_the_image_lies_in_bytes(photo: np.ndarray) -> None:
    outcome = done("report", "net.py", *BYTES, "--json", "--fuse", "never")
    first = json.loads(outcome.out)["layers"][0]
    assert (first["op"], first["bytes"]) == ("dequantize", 5 * 9 * 11 * 3)


def test_a_dump_of_it_is_quantised_likewise(photo: np.ndarray) -> None:
    measure(1)
    words = ("net.py", "-D", "pad=1", *BYTES, "--quantize", "net.q")
    text = done("compile", *words, "--stop-after", "quantise", "--dump-ir").out
    again = done("opt", "ir/00-import.mbc", "-p", "quantise", "--quantize", "net.q").out
    assert [line for line in again.splitlines() if "lookup" in line] == [
        line for line in text.splitlines() if "lookup" in line
    ]
