"""Photos become tensors as docs/cli.md says, whatever file they come in; bad ones are refused."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from mbc.diag import MbcError
from mbc.runtime.abi import IoSpec
from mbc.runtime.images import _plain, read_image
from mbc.runtime.inputs import read_photo
from mbc.runtime.preprocessing import PRESETS, Preprocessing, parse

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
RAW = PRESETS["raw"]


def save(folder: Path, image: Image.Image, name: str = "a.png", **options: object) -> Path:
    path = folder / name
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def code_of(call: object, *arguments: object) -> str:
    assert callable(call)
    with pytest.raises(MbcError) as caught:
        call(*arguments)
    return caught.value.diagnostics[0].code


# ---- values ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain", PIXELS / 127.5 - 1),
        ("unit", PIXELS / 255),
        ("raw", PIXELS),
    ],
)
def test_presets(tmp_path: Path, name: str, expected: np.ndarray) -> None:
    tensor = read_image(save(tmp_path, Image.fromarray(PIXELS)), 6, 8, 3, PRESETS[name])
    assert tensor.dtype == np.float32
    assert tensor.shape == (1, 6, 8, 3)
    np.testing.assert_allclose(tensor[0], expected, rtol=1e-6, atol=1e-6)


def test_the_default_is_that_of_the_executable() -> None:
    """Bit for bit `byte / 127.5f - 1.0f`, as main.c computes it."""
    every = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    expected = every.astype(np.float32) / np.float32(127.5) - np.float32(1)
    plain = Preprocessing()
    values = every.astype(np.float32) / np.float32(plain.range)
    assert np.array_equal(plain.normalise(values)[0], expected)


def test_as_many_numbers_as_channels() -> None:
    assert code_of(PRESETS["torch"].normalise, np.zeros((2, 2, 1), np.float32)) == "E0106"


# ---- geometry --------------------------------------------------------------------------------


def test_the_centre_is_cut_out_of_the_scaled_photo(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(200, dtype=np.uint8)[:, np.newaxis], (1, 100))
    path = save(tmp_path, Image.fromarray(ramp))
    plain = read_image(path, 56, 56, 1, RAW)[0, :, :, 0]
    assert plain.mean() == pytest.approx(99.5, abs=0.5)
    assert plain[-1, 0] - plain[0, 0] == pytest.approx(100 * 224 / 256 * 55 / 56, abs=1.5)
    near = read_image(path, 56, 56, 1, parse("raw resize=short:112"))[0, :, :, 0]
    assert near[-1, 0] - near[0, 0] == pytest.approx(50 * 55 / 56, abs=1.5)
    flat = read_image(path, 56, 56, 1, parse("raw resize=stretch"))[0, :, :, 0]
    assert flat[-1, 0] - flat[0, 0] == pytest.approx(200 * 55 / 56, abs=2.5)


def test_a_crop_needs_enough_of_a_photo(tmp_path: Path) -> None:
    path = save(tmp_path, Image.fromarray(PIXELS))
    assert code_of(read_image, path, 32, 32, 3, parse("resize=short:31")) == "E0106"
    assert read_image(path, 32, 32, 3, parse("resize=short:32")).shape == (1, 32, 32, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = {
        1: PIXELS,
        2: PIXELS[:, ::-1],
        3: PIXELS[::-1, ::-1],
        4: PIXELS[::-1],
        5: PIXELS.transpose(1, 0, 2),
        6: PIXELS.transpose(1, 0, 2)[:, ::-1],
        7: PIXELS.transpose(1, 0, 2)[::-1, ::-1],
        8: PIXELS.transpose(1, 0, 2)[::-1],
    }[orientation]
    path = save(tmp_path, Image.fromarray(PIXELS), exif=exif)
    height, width, _ = turned.shape
    found = read_image(path, height, width, 3, RAW)
    assert np.array_equal(found[0], turned)


# ---- kinds of images -------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "ppm", "bmp", "tiff", "webp", "gif"])
def test_formats(tmp_path: Path, suffix: str) -> None:
    grey = np.repeat(PIXELS[:, :, :1], 3, axis=2)
    options = {"lossless": True} if suffix == "webp" else {}
    path = save(tmp_path, Image.fromarray(grey), f"a.{suffix}", **options)
    assert np.array_equal(read_image(path, 6, 8, 3, RAW)[0], grey)


def test_a_jpeg_is_near(tmp_path: Path) -> None:
    flat = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    path = save(tmp_path, Image.fromarray(flat), "a.jpg")
    np.testing.assert_allclose(read_image(path, 16, 16, 3, RAW)[0], flat, atol=3)


def test_grey_and_colour_become_each_other(tmp_path: Path) -> None:
    grey = save(tmp_path, Image.fromarray(PIXELS[:, :, 0]))
    assert np.array_equal(read_image(grey, 6, 8, 3, RAW)[0], np.repeat(PIXELS[:, :, :1], 3, 2))
    colour = save(tmp_path, Image.fromarray(PIXELS), "b.png")
    luma = PIXELS @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(read_image(colour, 6, 8, 1, RAW)[0, :, :, 0], luma, atol=1)


def test_transparency_shows_white(tmp_path: Path) -> None:
    clear = np.dstack([PIXELS, np.zeros((6, 8), np.uint8)])
    clear[:3, :, 3] = 255
    shown = read_image(save(tmp_path, Image.fromarray(clear)), 6, 8, 3, RAW)[0]
    assert np.array_equal(shown[:3], PIXELS[:3])
    assert (shown[3:] == 255).all()


def test_palettes_with_and_without_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (8, 6), 1)
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((0, 0), 0)
    plain = read_image(save(tmp_path, image), 6, 8, 3, RAW)[0]
    assert plain[0, 0].tolist() == [10, 20, 30]
    assert plain[5, 7].tolist() == [40, 50, 60]
    clear = read_image(save(tmp_path, image, "b.png", transparency=0), 6, 8, 3, RAW)[0]
    assert clear[0, 0].tolist() == [255, 255, 255]
    assert clear[5, 7].tolist() == [40, 50, 60]


def test_other_depths(tmp_path: Path) -> None:
    deep = Image.fromarray((PIXELS[:, :, 0].astype(np.uint16) * 257).view(np.uint16))
    assert np.array_equal(read_image(save(tmp_path, deep), 6, 8, 1, RAW)[0], PIXELS[:, :, :1])
    bits = Image.fromarray(PIXELS[:, :, 0] > 127)
    assert set(np.unique(read_image(save(tmp_path, bits, "1.png"), 6, 8, 1, RAW))) == {0, 255}
    ink = Image.fromarray(PIXELS).convert("CMYK")
    found = read_image(save(tmp_path, ink, "c.tiff"), 6, 8, 3, RAW)[0]
    np.testing.assert_allclose(found, PIXELS, atol=2)
    floats = Image.fromarray(PIXELS[:, :, 0].astype(np.float32))
    assert code_of(read_image, save(tmp_path, floats, "f.tiff"), 6, 8) == "E0705"


@pytest.mark.parametrize("mode", ["I", "I;16", "I;16L", "I;16B", "I;16N"])
def test_sixteen_bits_in_any_order(mode: str) -> None:
    """Pillow has a mode for each way in which files have them."""
    assert (np.asarray(_plain(Image.new(mode, (2, 2), 257 * 40))) == 40).all()


# ---- hostile files ---------------------------------------------------------------------------


def png_header(width: int, height: int) -> bytes:
    """A few bytes that claim to be an image of that size."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    blocks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(blocks)


@pytest.mark.parametrize("side", [9_500, 20_000, 100_000])
def test_a_decompression_bomb_is_refused(tmp_path: Path, side: int) -> None:
    """Also those that Pillow only warns about."""
    (tmp_path / "a.png").write_bytes(png_header(side, side))
    assert code_of(read_image, tmp_path / "a.png", 32, 32) == "E0708"


def test_a_thread_of_an_image_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, Image.new("RGB", (30_000, 1)))
    assert code_of(read_image, path, 224, 224) == "E0708"


def test_no_program_is_started_for_a_picture(tmp_path: Path) -> None:
    """Pillow hands PostScript to Ghostscript."""
    path = save(tmp_path, Image.fromarray(PIXELS), "a.eps")
    assert code_of(read_image, path, 6, 8) == "E0705"


@pytest.mark.parametrize("suffix", ["png", "jpg", "ppm", "bmp", "tiff", "webp", "gif"])
def test_damaged_files_are_refused_or_read(tmp_path: Path, suffix: str) -> None:
    stream = io.BytesIO()
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 40, 3), np.uint8))
    image.save(stream, {"jpg": "JPEG", "tiff": "TIFF", "ppm": "PPM"}.get(suffix, suffix))
    whole = stream.getvalue()
    random = np.random.default_rng(2)
    path = tmp_path / f"a.{suffix}"
    for round in range(60):
        damaged = bytearray(whole[: int(random.integers(0, len(whole)))] if round % 2 else whole)
        for place in random.integers(0, max(len(damaged), 1), 4):
            damaged[place : place + 1] = bytes([random.integers(0, 256)])
        path.write_bytes(damaged)
        assert outcome(path) in ("read", "E0705", "E0708")


def outcome(path: Path) -> str:
    try:
        read_image(path, 32, 32)
    except MbcError as problem:
        return problem.diagnostics[0].code
    return "read"


def test_a_cut_image_is_not_filled_up(tmp_path: Path) -> None:
    path = save(tmp_path, Image.effect_noise((64, 64), 50), "a.jpg")
    path.write_bytes(path.read_bytes()[:-200])
    assert code_of(read_image, path, 64, 64) == "E0705"


def test_memory_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    path = save(tmp_path, Image.fromarray(PIXELS))
    monkeypatch.setattr(ImageOps, "exif_transpose", full)
    assert code_of(read_image, path, 6, 8) == "E0708"


# ---- what stands beside photos ---------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2, 6, 8, 3), (1, 6, 8, 4), (1, 10), (6, 8, 3)])
def test_shapes_that_no_photo_has(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = save(tmp_path, Image.fromarray(PIXELS))
    assert code_of(read_photo, path, IoSpec("input", shape), Preprocessing()) == "E0706"


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()
