"""Photos on the command line: what `mbc run` and `mbc preprocess` make of them, and labels."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mbc.runtime.images import read_image
from mbc.runtime.preprocessing import PRESETS, Preprocessing, c_config, parse
from tests.e2e.support import CAT, EXAMPLES, done, mbc

PHOTO = EXAMPLES / "images" / "cat.png"

TWO_INPUTS = """
from mbc.frontends.dsl import Net, Tensor, network

@network
def two(nn: Net, *, resolution: int = 16) -> Tensor:
    a = nn.input(resolution, resolution, 3, name="photo")
    b = nn.input(resolution, resolution, 1, name="depth")
    return nn.concat(a, b)
"""


def test_preprocess_writes_what_run_would_read(tiny: Path) -> None:
    done("preprocess", PHOTO, "--for", tiny, "-o", "x.npy")
    x = np.load("x.npy")
    assert np.array_equal(x, read_image(PHOTO, 16, 16))
    direct = done("run", tiny, "--input", PHOTO, "--top", "3").out
    assert done("run", tiny, "--input", "x.npy", "--top", "3").out == direct


def test_every_way_to_tell_the_shape(tiny: Path) -> None:
    small = ("-D", "resolution=8")
    done("compile", tiny, *small, "-o", "out", "--emit", "ir")
    ways = [("--for", tiny, *small), ("--for", "out"), ("--for", "out/manifest.json")]
    for way in [*ways, ("--for", "out/tiny.mbc"), ("--size", "8"), ("--size", "8x8x3")]:
        done("preprocess", PHOTO, *way, "-o", "x.npy")
        assert np.array_equal(np.load("x.npy"), read_image(PHOTO, 8, 8)), way
    done("preprocess", PHOTO, "--size", "8x12", "-o", "x.npy")
    assert np.load("x.npy").shape == (1, 8, 12, 3)
    done("preprocess", PHOTO, "--size", "8x12x1", "-o", "x.npy")
    assert np.load("x.npy").shape == (1, 8, 12, 1)


def test_one_input_of_several(tiny: Path) -> None:
    tiny.write_text(TWO_INPUTS)
    outcome = mbc("preprocess", PHOTO, "--for", tiny, "-o", "x.npy")
    assert (outcome.status, outcome.code) == (1, "E0710")
    assert "photo [1, 16, 16, 3], depth [1, 16, 16, 1]" in outcome.err
    done("preprocess", PHOTO, "--for", tiny, "--input", "depth", "-o", "x.npy")
    assert np.load("x.npy").shape == (1, 16, 16, 1)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_options_reach_the_tensor(tiny: Path, preset: str) -> None:
    done("preprocess", CAT, "--size", "224", "--preprocess", preset, "-o", "x.npy")
    assert np.array_equal(np.load("x.npy"), read_image(CAT, 224, 224, 3, PRESETS[preset]))


def test_parts_of_a_preprocessing(tiny: Path) -> None:
    text = "torch resize=stretch filter=bicubic order=bgr"
    done("preprocess", CAT, "--size", "96", "--preprocess", text, "-o", "x.npy")
    assert np.array_equal(np.load("x.npy"), read_image(CAT, 96, 96, 3, parse(text)))


def test_what_is_recorded_is_what_is_done(tiny: Path) -> None:
    """The manifest has it, `mbc preprocess` takes it from there, executables refuse a .ppm."""
    how = parse("torch filter=bicubic")
    done("compile", tiny, "--preprocess", "torch filter=bicubic", "-o", "out")
    manifest = json.loads(Path("out/manifest.json").read_text())
    assert Preprocessing.from_dict(manifest["preprocess"]) == how
    for way in ("out", "out/manifest.json"):
        outcome = done("preprocess", PHOTO, "--for", way, "-o", "x.npy")
        assert f"float32 [1, 16, 16, 3], {how}" in outcome.err
        assert np.array_equal(np.load("x.npy"), read_image(PHOTO, 16, 16, 3, how))
    done("preprocess", PHOTO, "--for", "out", "--preprocess", "raw", "-o", "x.npy")
    assert np.array_equal(np.load("x.npy"), read_image(PHOTO, 16, 16, 3, PRESETS["raw"]))
    with Image.open(PHOTO) as image:
        image.convert("RGB").resize((16, 16)).save("x.ppm")
    ended = subprocess.run(["out/tiny", "--input", "x.ppm"], capture_output=True, text=True)
    assert ended.returncode != 0
    assert (
        f"E0706: x.ppm: photos for this network are prepared with {how};"
        in ended.stderr.replace("error[E0706]", "E0706")
    )
    help = subprocess.run(["out/tiny", "--help"], capture_output=True, text=True).stdout
    assert str(how) in help
    assert ".ppm" not in help
    done("verify", "out")


def test_nothing_is_recorded_unless_it_is_said(tiny: Path) -> None:
    done("compile", tiny, "-o", "out", "--emit", "ir")
    assert json.loads(Path("out/manifest.json").read_text())["preprocess"] is None
    done("preprocess", PHOTO, "--for", "out", "-o", "x.npy")
    assert np.array_equal(np.load("x.npy"), read_image(PHOTO, 16, 16))
    assert c_config(None) == c_config(PRESETS["plain"]) == ""
    outcome = mbc("compile", tiny, "--stop-after", "fuse", "--preprocess", "tf")
    assert (outcome.code, "--preprocess has no effect" in outcome.err) == ("E0106", True)


@pytest.mark.parametrize("damage", [3, {}, {"resize": "short"}, "torch", {"resize": "far"}])
def test_a_record_that_is_none(tiny: Path, damage: object) -> None:
    done("compile", tiny, "-o", "out", "--emit", "ir")
    path = Path("out/manifest.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "preprocess": damage}))
    assert mbc("preprocess", PHOTO, "--for", "out", "-o", "x.npy").code == "E0713"


def test_mean_std_and_resize(tiny: Path) -> None:
    plain = ("preprocess", CAT, "--size", "112", "-o", "x.npy", "--preprocess", "unit")
    done(*plain)
    unit = np.load("x.npy")
    done(*plain, "--mean", "0.25", "--std", "0.5,0.25,1")
    np.testing.assert_allclose(np.load("x.npy"), (unit - 0.25) / [0.5, 0.25, 1], atol=1e-6)
    for resize in ("128", "stretch", "112"):
        done(*plain, "--resize", resize)
        assert np.array_equal(np.load("x.npy"), unit) == (resize == "128")
    before = done("run", tiny, "--input", CAT, "--top", "1").out
    assert done("run", tiny, "--input", CAT, "--top", "1", "--mean=-9").out != before


def test_labels_stand_behind_the_ranks(tiny: Path) -> None:
    Path("labels.txt").write_text("".join(f"class {i}\n" for i in range(10)))
    plain = done("run", tiny, "--input", PHOTO, "--top", "3").out.splitlines()
    named = done("run", tiny, "--input", PHOTO, "--top", "3", "--labels", "labels.txt").out
    assert named.splitlines() == [f"{line} class {line.split()[1]}" for line in plain]
    summary = done("run", tiny, "--input", PHOTO, "--labels", "labels.txt").out
    assert summary.splitlines()[1:4] == named.splitlines()


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (["run", "tiny.py", "--input", PHOTO, "--labels", "nine.txt"], 1, "E0709"),
        (["run", "tiny.py", "--input", PHOTO, "--labels", "none.txt"], 1, "E0701"),
        (["run", "tiny.py", "--input", "x.npy", "--preprocess", "raw"], 1, "E0106"),
        (["run", "tiny.py", "--input", PHOTO, "--std", "0"], 2, "E0101"),
        (["run", "tiny.py", "--input", PHOTO, "--mean", "1,2"], 2, "E0101"),
        (["run", "tiny.py", "--input", PHOTO, "--mean", "nan"], 2, "E0101"),
        (["run", "tiny.py", "--input", PHOTO, "--resize", "0"], 2, "E0101"),
        (["run", "tiny.py", "--input", PHOTO, "--resize", "15"], 1, "E0106"),
        (["run", "tiny.py", "--input", PHOTO, "--preprocess", "caffe"], 2, "E0101"),
        (["run", "tiny.py", "--input", PHOTO, "--preprocess", "torch filter=lanczos"], 2, "E0101"),
        (["preprocess", PHOTO, "--size", "0", "-o", "y.npy"], 2, "E0101"),
        (["preprocess", PHOTO, "--size", "8x8x3x1", "-o", "y.npy"], 2, "E0101"),
        (["preprocess", PHOTO, "--size", "8x8x2", "-o", "y.npy"], 1, "E0706"),
        (["preprocess", PHOTO, "--size", "8", "-o", "y.png"], 2, "E0101"),
        (["preprocess", PHOTO, "--size", "8", "--batch", "1", "-o", "y.npy"], 2, "E0101"),
        (["preprocess", PHOTO, "-o", "y.npy"], 2, "E0101"),
        (["preprocess", PHOTO, "--size", "8"], 2, "E0101"),
        (["preprocess", PHOTO, "--for", "tiny.py", "--size", "8", "-o", "y.npy"], 2, "E0101"),
        (["preprocess", PHOTO, "--for", "tiny.py", "--input", "y", "-o", "y.npy"], 1, "E0710"),
        (["preprocess", PHOTO, "--for", ".", "-o", "y.npy"], 1, "E0701"),
        (["preprocess", PHOTO, "--for", "nine.txt", "-o", "y.npy"], 1, "E0102"),
        (["preprocess", "x.npy", "--size", "8", "-o", "y.npy"], 1, "E0705"),
        (["preprocess", PHOTO, "--size", "8", "-o", "no/y.npy"], 1, "E0703"),
    ],
)
def test_refused(tiny: Path, words: list[str], status: int, code: str) -> None:
    np.save("x.npy", np.zeros((1, 16, 16, 3), np.float32))
    Path("nine.txt").write_text("a\n" * 9)
    before = {path.name for path in Path().iterdir()}
    outcome = mbc(*words)
    assert (outcome.status, outcome.code) == (status, code), outcome.err
    assert {path.name for path in Path().iterdir()} == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        json.dumps({"inputs": 3}),
        json.dumps({"inputs": [{"name": "x", "shape": [1, "a"], "dtype": "f32"}]}),
        json.dumps({"inputs": [{"name": "x", "shape": [1, 0], "dtype": "f32"}]}),
        json.dumps({"inputs": [{"name": "x", "shape": [1, 2], "dtype": "f99"}]}),
        "\xff",
        "[" * 100_000,
    ],
)
def test_a_manifest_that_is_none(tiny: Path, text: str) -> None:
    Path("manifest.json").write_text(text, "latin-1")
    assert mbc("preprocess", PHOTO, "--for", ".", "-o", "y.npy").code == "E0713"
