"""`mbc quantize` and `--quantize`, on the command line and in Python."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mbc as api
from examples.digits.data import CALIBRATION, FOLDER, held_out_digits, weights_file
from mbc.diag import MbcError
from mbc.driver.platforms import resolve, this_host
from mbc.targets.conformance import Contract, problems
from tests.e2e.support import mbc

NET = FOLDER / "shufflenet_v1.py"
SOURCE = (NET, "--weights", weights_file("shufflenet_v1"), "-D", "softmax=false")
SAMPLES = ("--inputs", CALIBRATION, "--samples", "20")


@pytest.fixture(scope="module")
def ranges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ranges") / "net.q"
    outcome = mbc("quantize", *SOURCE, *SAMPLES, "-o", path)
    assert outcome.status == 0, outcome.err
    (path.parent / "out.txt").write_text(outcome.out)
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", held_out_digits().inputs()[:1])
    return tmp_path


def test_it_tells_what_is_lost(ranges: Path) -> None:
    lines = (ranges.parent / "out.txt").read_text().splitlines()
    header, first, *others = lines
    assert header.split("  ")[0] == "layer"
    assert header.endswith("dB alone  dB in all")
    alone = [float(line.split()[-2]) for line in (first, *others) if len(line.split()) == 4]
    assert alone == sorted(alone)
    assert len(alone) > 10
    assert any(re.fullmatch(r"output: 3\d\.\d dB of signal to noise", line) for line in lines)
    assert "the same winner as in float: 100.0% of 20 samples" in lines
    assert "right: 100.0% in float, 100.0% on codes" in lines
    assert "samples = 20" in ranges.read_text()


def test_both_backends_compute_on_codes(ranges: Path, folder: Path) -> None:
    answers = []
    for backend in ("llvm", "oracle"):
        words = ("--quantize", ranges, "--backend", backend, "--input", "x.npy")
        outcome = mbc("run", *SOURCE, *words, "--output", "y.npy")
        assert outcome.status == 0, outcome.err
        answers.append(np.load("y.npy"))
    np.testing.assert_array_equal(*answers)
    mbc("run", *SOURCE, "--input", "x.npy", "--output", "y.npy")
    assert 0 < np.abs(np.load("y.npy") - answers[0]).max() < 0.3


def test_what_is_compiled_is_verified_on_codes(ranges: Path, folder: Path) -> None:
    outcome = mbc("compile", *SOURCE, "--quantize", ranges, "-o", "out", "--emit", "exe")
    assert outcome.status == 0, outcome.err
    outcome = mbc("verify", "out")
    assert outcome.status == 0, outcome.err
    assert re.search(r"output +0\n", outcome.out)


@pytest.mark.parametrize("cpu", ["alderlake", "sapphirerapids", "znver5"])
def test_code_by_dot_products_of_avx_vnni(ranges: Path, folder: Path, cpu: str) -> None:
    """For CPUs without AVX-512, and with, where the shorter encoding is taken."""
    words = ("--target", "x86_64", "--mcpu", cpu, "--quantize", ranges)
    outcome = mbc("compile", *SOURCE, *words, "-o", "out", "--emit", "obj,exe")
    assert outcome.status == 0, outcome.err
    manifest = json.loads(Path("out/manifest.json").read_text())
    assert (manifest["target"], manifest["cpu"], manifest["features"]) == ("x86_64", cpu, [])
    code = Path("out/shufflenet_v1.o")
    bare = Contract(resolve("x86_64", cpu, "-avxvnni"), f"shufflenet_v1_{manifest['build']}")
    needs = [line for line in problems(code, "object", bare) if "symbols" not in line]
    assert needs
    assert all(re.match(r"'\{vex\} vpdpbusd .*' at 0x.* needs avxvnni,", line) for line in needs)
    if cpu == "alderlake" and "avxvnni" not in this_host().features:
        done = subprocess.run(["out/shufflenet_v1"], capture_output=True, text=True)
        lacks = f"this CPU lacks avxvnni, which code for x86_64 ({cpu}) may use"
        assert f"error[E0728]: {lacks}; compile with --target x86_64" in done.stderr
        outcome = mbc("verify", "out", "--emulate")
        assert "qemu has no AVX-VNNI, which code for alderlake may use" in outcome.err


def test_weights_of_avx_vnni_are_bytes(ranges: Path, folder: Path) -> None:
    sizes = []
    for mattr in ("-avxvnni", "+avxvnni"):
        words = ("--target", "x86_64", "--mcpu", "haswell", f"--mattr={mattr}")
        output = ("-o", "out", "--emit", "obj", "--no-check")
        outcome = mbc("compile", *SOURCE, *words, "--quantize", ranges, *output)
        assert outcome.status == 0, outcome.err
        sizes.append(json.loads(Path("out/manifest.json").read_text())["weights_bytes"])
    assert sizes[1] < 0.75 * sizes[0]


@pytest.mark.parametrize("command", ["report", "profile", "bench"])
def test_other_commands(ranges: Path, folder: Path, command: str) -> None:
    rounds = () if command == "report" else ("--rounds", "1")
    outcome = mbc(command, *SOURCE, "--quantize", ranges, *rounds)
    assert outcome.status == 0, outcome.err


def test_the_stage_comes_first(ranges: Path, folder: Path) -> None:
    words = ("--quantize", ranges, "--stop-after", "quantise", "--dump-ir=ir")
    outcome = mbc("compile", *SOURCE, *words)
    assert outcome.status == 0, outcome.err
    assert sorted(path.name for path in Path("ir").glob("*.mbc")) == [
        "00-import.mbc",
        "01-quantise.mbc",
    ]
    outcome = mbc("opt", "ir/00-import.mbc", "-p", "quantise", "--quantize", ranges)
    assert outcome.status == 0, outcome.err
    assert outcome.out.split("\n", 1)[1] == Path("ir/01-quantise.mbc").read_text().split("\n", 1)[1]


def test_photos_in_folders_of_classes(folder: Path) -> None:
    digits = held_out_digits()
    for i in range(6):
        pixels = (digits.inputs()[i, :, :, 0] + 1) * 127.5
        path = folder / "photos" / str(digits.labels[i]) / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.round().astype(np.uint8)).save(path)
    words = ("--images", "photos", "--keep-float", "fc", "--method", "mse", "--bias-correction")
    outcome = mbc("quantize", *SOURCE, *words, "-o", "net.q", "--weight-bits", "7")
    assert outcome.status == 0, outcome.err
    assert "right: 100.0% in float, 100.0% on codes" in outcome.out
    text = Path("net.q").read_text()
    for line in (
        'keep_float = ["fc"]',
        "weight_bits = 7",
        'method = "mse"',
        'source = "images"',
        'preprocessing = "resize=fit filter=bilinear range=127.5 mean=1 std=1 order=rgb"',
        "[corrections]  # added to the biases",
    ):
        assert line in text
    outcome = mbc("run", *SOURCE, "--quantize", "net.q", "--input", "x.npy")
    assert outcome.status == 0, outcome.err


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        ((), "E0557", "measures a network on samples of one kind"),
        (("--random", *SAMPLES), "E0557", "samples of one kind"),
        ((*SAMPLES, "--keep-float", "blocks.7"), "E0557", "there is no layer blocks.7"),
        (("--images", "nowhere"), "E0701", "cannot read nowhere: it is no folder"),
        (("--images", "."), "E0554", ". has no photos"),
        (("--inputs", "zeros.npz"), "E0554", "input is 0 in all samples"),
        (("--inputs", "nan.npz"), "E0554", "input has values that are not finite"),
        (("--inputs", "shape.npz"), "E0710", "expected [samples, 32, 32, 1]"),
        (("--inputs", "words.npz"), "E0710", "no numbers"),
        (("--inputs", "none.npz"), "E0710", "has no array input (it has a, b)"),
        (("--inputs", "broken.npz"), "E0704", "broken.npz is damaged"),
        (("--inputs", "missing.npz"), "E0701", "cannot read missing.npz"),
        ((*SAMPLES, "--mean", "0.5"), "E0106", "--mean does nothing: there are no photos"),
    ],
)
def test_what_measures_nothing(folder: Path, words: tuple[str, ...], code: str, text: str) -> None:
    np.savez("zeros.npz", input=np.zeros((2, 32, 32, 1), "f4"))
    np.savez("nan.npz", input=np.full((2, 32, 32, 1), np.nan, "f4"))
    np.savez("shape.npz", input=np.zeros((2, 32, 33, 1), "f4"))
    np.savez("words.npz", input=np.full((2, 32, 32, 1), "a"))
    np.savez("none.npz", a=np.zeros(1), b=np.zeros(1))
    Path("broken.npz").write_bytes(b"PK\x03\x04 and no more")
    outcome = mbc("quantize", *SOURCE, *words, "-o", "net.q")
    assert outcome.status == 1
    assert code in outcome.err
    assert text in outcome.err
    assert not Path("net.q").exists()


def test_a_file_for_another_network(ranges: Path, folder: Path) -> None:
    other = (FOLDER / "mobilenet_v1.py", "--weights", weights_file("mobilenet_v1"))
    outcome = mbc("run", *other, "--quantize", ranges, "--input", "x.npy")
    assert "E0556" in outcome.err
    outcome = mbc("run", NET, "-D", "softmax=false", "--quantize", ranges, "--input", "x.npy")
    assert "was measured with other weights" in outcome.err
    outcome = mbc("quantize", FOLDER / "nothing.py", "--random", "-o", "net.q")
    assert outcome.status == 1


def test_random_numbers_must_be_asked_for(folder: Path) -> None:
    outcome = mbc("quantize", *SOURCE, "--random", "--samples", "2", "-o", "net.q")
    assert outcome.status == 0, outcome.err
    assert 'source = "random"' in Path("net.q").read_text()


def test_from_python(ranges: Path, folder: Path) -> None:
    given: dict[str, Any] = {"weights": weights_file("shufflenet_v1"), "params": {"softmax": False}}
    found = api.quantize(NET, "net.q", inputs=CALIBRATION, samples=20, **given)
    assert Path("net.q").read_text() == ranges.read_text()
    assert found.outputs["output"] > 30
    x = held_out_digits().inputs()[:1]
    ours = api.compile(NET, quantize="net.q", **given)(x)
    oracle = api.compile(NET, quantize="net.q", backend="oracle", **given)(x)
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(oracle))
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"method": "kl"}, "method is minmax or mse, found 'kl'"),
        ({"weight_bits": 4}, "weight bits are 8 or 7, found 4"),
        ({"preprocess": "sepia"}, "preprocess takes plain"),
    )
    for changes, text in wrong:
        with pytest.raises(MbcError, match=f"E0106: {re.escape(text)}"):
            api.quantize(NET, "net.q", inputs=CALIBRATION, **given, **changes)


def test_codes_cannot_be_measured(folder: Path) -> None:
    text = "graph @g(%x: q8(0.5,3)[1,4]) {\n  %0 = dequantize(%x) : f32[1,4]\n  return %0\n}\n"
    Path("net.mbc").write_text(text)
    outcome = mbc("quantize", "net.mbc", "--random", "-o", "net.q")
    assert "E0558" in outcome.err


def test_reports_tell_how_much_is_on_codes(ranges: Path, folder: Path) -> None:
    """Of layers in float nothing, fused ones or not."""
    words = (*SOURCE, "--quantize", str(ranges), "--json")
    for fuse in ("always", "never"):
        data = json.loads(mbc("report", *words, "--fuse", fuse).out)
        assert data["integer_macs"] == data["macs"] > 0
    assert json.loads(mbc("report", *SOURCE, "--json").out)["integer_macs"] == 0
    text = mbc("report", *SOURCE, "--quantize", str(ranges)).out
    assert f"multiply-adds ({data['macs']:,} on 8-bit codes)" in text
