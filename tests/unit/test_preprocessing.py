"""Photos are prepared as torchvision and TF-Slim do it, bit for bit, and the value that says how
prints and is read back."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mbc.runtime.images import read_image, shown
from mbc.runtime.preprocessing import FILTERS, ORDERS, PRESETS, Preprocessing, parse
from tests.e2e.support import EXAMPLES

F = np.float32
SIZES = [
    (640, 480), (640, 427), (500, 375), (375, 500), (1024, 683), (333, 500),
    (451, 300), (224, 224), (300, 300), (1, 1), (97, 61), (256, 257), (227, 226),
]  # fmt: skip


def photo(size: tuple[int, int]) -> Image.Image:
    """Noise with edges, smooth in places; by whole numbers, so that it is the same everywhere."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    channels = [
        (x * x * 3 + y * 7) % 251,
        (x * y + 31 * y) % 256,
        (x // 9 * 40 + y // 5 * 17) % 256,
    ]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def prepared(
    image: Image.Image, how: Preprocessing, net: tuple[int, int] = (224, 224)
) -> np.ndarray:
    return how.normalise(shown(image, net, how))


def torchvision(image: Image.Image, size: int, crop: int) -> np.ndarray:
    """Resize(size), CenterCrop(crop), ToTensor, Normalize, on Pillow's images."""
    width, height = image.size
    short, long = min(width, height), max(width, height)
    new_short, new_long = size, int(size * long / short)
    if (width, height) != (
        new := (new_short, new_long) if width <= height else (new_long, new_short)
    ):
        image = image.resize(new, Image.Resampling.BILINEAR)
    width, height = image.size
    top, left = round((height - crop) / 2.0), round((width - crop) / 2.0)
    values = np.asarray(image.crop((left, top, left + crop, top + crop))).astype(F) / F(255)
    values -= np.array([0.485, 0.456, 0.406], F)
    values /= np.array([0.229, 0.224, 0.225], F)
    return values[np.newaxis]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("short", "net"), [(256, 224), (219, 192), (146, 128), (342, 299)])
def test_torch_is_torchvisions(size: tuple[int, int], short: int, net: int) -> None:
    image = photo(size)
    found = prepared(image, PRESETS["torch"], (net, net))
    assert found.dtype == F
    assert np.array_equal(found, torchvision(image, short, net))
    assert np.array_equal(prepared(image, parse(f"torch resize=short:{short}"), (net, net)), found)


def slim(image: Image.Image, height: int, width: int) -> np.ndarray:
    """preprocess_for_eval(image, height, width, central_fraction=0.875), one number at a time."""
    pixels = np.asarray(image)
    h, w, _ = pixels.shape
    top, left = int((h - h * 0.875) / 2), int((w - w * 0.875) / 2)
    values = pixels.astype(F) * F(1 / 255)
    values = values[top : top + h - 2 * top, left : left + w - 2 * left]
    h, w, _ = values.shape
    y_scale, x_scale = F(h) / F(height), F(w) / F(width)
    result = np.empty((1, height, width, 3), F)
    for i in range(height):
        y = F(i) * y_scale
        y0 = math.floor(y)
        y1, dy = min(y0 + 1, h - 1), y - F(y0)
        for j in range(width):
            x = F(j) * x_scale
            x0 = math.floor(x)
            x1, dx = min(x0 + 1, w - 1), x - F(x0)
            upper = values[y0, x0] + (values[y0, x1] - values[y0, x0]) * dx
            lower = values[y1, x0] + (values[y1, x1] - values[y1, x0]) * dx
            result[0, i, j] = upper + (lower - upper) * dy
    return (result - F(0.5)) * F(2)


@pytest.mark.parametrize("size", [(97, 61), (33, 50), (16, 16), (1, 1), (640, 427)], ids=str)
def test_tf_is_slims(size: tuple[int, int]) -> None:
    image = photo(size)
    assert np.array_equal(prepared(image, PRESETS["tf"], (20, 17)), slim(image, 17, 20))


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()[:16]


def test_recorded_values() -> None:
    """Of every preset over the sizes, and of filters and orders over one."""
    found = {
        f"{name} {width}x{height}": digest(prepared(photo((width, height)), how))
        for name, how in PRESETS.items()
        for width, height in SIZES
    }
    for text in ("torch filter=bicubic", "tf filter=bilinear", "torch order=bgr", "resize=stretch"):
        found[text] = digest(prepared(photo((640, 427)), parse(text)))
    path = Path(__file__).with_name("preprocessing.json")
    assert found == json.loads(path.read_text())


def test_filters_and_order() -> None:
    image = photo((97, 61))
    cubic = np.asarray(image.resize((40, 30), Image.Resampling.BICUBIC))
    found = prepared(image, parse("raw resize=stretch filter=bicubic"), (40, 30))
    assert np.array_equal(found[0], cubic)
    found = prepared(
        image, parse("raw resize=stretch filter=bicubic order=bgr mean=1,2,3"), (40, 30)
    )
    assert np.array_equal(found[0], cubic[..., ::-1] - np.array([1, 2, 3], F))
    assert found.flags.c_contiguous


def test_fit_leaves_what_fits() -> None:
    image = photo((40, 30))
    assert np.array_equal(prepared(image, PRESETS["raw"], (40, 30))[0], np.asarray(image))
    scaled = prepared(image, parse("raw resize=short"), (40, 30))
    assert not np.array_equal(scaled[0], np.asarray(image))


@pytest.mark.parametrize("net", [(160, 128), (128, 160), (3, 1), (1, 5), (17, 400)], ids=str)
@pytest.mark.parametrize("size", [(640, 480), (48, 640), (5, 5), (1, 9)], ids=str)
def test_networks_that_are_not_square(net: tuple[int, int], size: tuple[int, int]) -> None:
    """One side has 256/224 of the network's, and the other is at least the network's."""
    whole = PRESETS["torch"].scaled(size, net)
    assert any(whole[i] == round(net[i] * 256 / 224) for i in (0, 1))
    assert all(whole[i] >= net[i] for i in (0, 1))
    if max(size) / min(size) < 20:
        assert prepared(photo(size), PRESETS["torch"], net).shape == (1, net[1], net[0], 3)


def test_the_example_photo() -> None:
    path = EXAMPLES / "images" / "cat.png"
    with Image.open(path) as image:
        expected = torchvision(image.convert("RGB"), 256, 224)
    assert np.array_equal(read_image(path, 224, 224, 3, PRESETS["torch"]), expected)


# ---- the value -----------------------------------------------------------------------------------

NUMBERS = st.floats(-300, 300, width=32)
ABOVE_ZERO = st.floats(1e-6, 300)
RESIZE = st.one_of(
    st.tuples(st.sampled_from(["fit", "short", "stretch"]), st.none()),
    st.tuples(st.just("short"), st.integers(1, 5000).map(float)),
    st.tuples(st.just("central"), st.floats(0.01, 1)),
)


def few(numbers: st.SearchStrategy[float]) -> st.SearchStrategy[tuple[float, ...]]:
    return st.one_of(st.tuples(numbers), st.tuples(numbers, numbers, numbers))


@given(
    RESIZE, st.sampled_from(FILTERS), ABOVE_ZERO, few(NUMBERS), few(ABOVE_ZERO),
    st.sampled_from(ORDERS),
)  # fmt: skip
def test_it_is_read_back(
    resize: tuple[str, float | None],
    filter: str,
    range: float,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    order: str,
) -> None:
    how = Preprocessing(*resize, filter, range, mean, std, order)
    assert parse(str(how)) == how
    assert Preprocessing.from_dict(json.loads(json.dumps(how.to_dict()))) == how


def test_how_it_prints() -> None:
    assert str(PRESETS["torch"]) == (
        "resize=short filter=bilinear range=255 mean=0.485,0.456,0.406 std=0.229,0.224,0.225 "
        "order=rgb"
    )
    assert str(PRESETS["tf"]).startswith("resize=central:0.875 filter=sampled range=255 mean=0.5 ")
    assert parse("") == parse("plain") == Preprocessing()


@pytest.mark.parametrize(
    "text",
    [
        "caffe", "filter=bilinear torch", "torch tf", "torch filter=lanczos", "resize=short:0",
        "resize=short:1.5", "resize=short:nan", "resize=central", "resize=central:1.5",
        "resize=fit:3", "resize=long", "order=gbr", "range=0", "std=0,1,1", "mean=1,2", "mean=inf",
        "mean=", "order=rgb order=bgr", "amount=3", "resize=short:99999999", "range",
    ],
)  # fmt: skip
def test_what_means_nothing(text: str) -> None:
    with pytest.raises(ValueError, match=r"takes|is|number|finite|convert|float"):
        parse(text)


def test_mean_and_std_are_of_values_up_to_one() -> None:
    raw = PRESETS["raw"].with_numbers((0.5,), None)
    assert (raw.range, raw.mean, raw.std) == (255, (0.5,), (1 / 255,))
    assert PRESETS["torch"].with_numbers(None, None) is PRESETS["torch"]
    both = PRESETS["plain"].with_numbers((0.0,), (1.0,))
    assert (both.range, both.mean, both.std) == (255, (0.0,), (1.0,))
