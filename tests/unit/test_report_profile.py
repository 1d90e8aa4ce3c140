"""The profile's figures, from times that are made up."""

from io import BytesIO
from itertools import pairwise

import pytest
from PIL import Image

from mbc.ops.cost import Layer
from mbc.report.chart import HEIGHT, RED, RIGHT, WIDTH
from mbc.report.profile import KernelTime, LayerTime, Limits, Profile, layer_times
from mbc.report.roofline_plot import COLOURS, draw_roofline

LIMITS = Limits(threads=2, peaks={"FMA": 50.0}, memory_gbs=20.0)
BOTH = Limits(threads=2, peaks={"int8": 200.0, "FMA": 50.0}, memory_gbs=20.0)


def layer(name: str, macs: int, bytes: int) -> Layer:
    return Layer(
        name, (name,), "conv2d", (1, 4, 4, 8), macs, 0, bytes, round(2 * macs / bytes, 3), ""
    )


CONV = layer("conv", macs=30_000_000, bytes=1_000_000)  # 60 FLOP per byte
FC = layer("fc", macs=1_000_000, bytes=4_000_000)
POOL = layer("%2", macs=0, bytes=200_000)


def profile() -> Profile:
    times = (KernelTime(1.0, 0.75, 0.0625, 0.125), KernelTime(0.25, 0.2), KernelTime(0.01, 0.01))
    layers = layer_times(((CONV, "FMA"), (FC, "FMA"), (POOL, None)), times, LIMITS)
    return Profile("net", {"batch": 1}, "native", 31_000_000, 7, 1.24, 1.55, 1.26, LIMITS, layers)


def test_a_layer_that_computes() -> None:
    time = profile().layers[0]
    assert (time.ms, time.ms_min) == (1.0, 0.75)
    assert (time.imbalance_ms, time.pool_ms) == (0.0625, 0.125)
    assert time.gflops == pytest.approx(60.0)
    assert time.peak_fraction == pytest.approx(0.6), "of both cores"
    assert time.gbs == pytest.approx(1.0)
    assert time.bound == "compute"
    assert time.roof_fraction == pytest.approx(0.6)


def test_a_layer_that_waits_for_memory() -> None:
    time = profile().layers[1]
    assert time.gflops == pytest.approx(8.0)
    assert time.gbs == pytest.approx(16.0)
    assert time.bound == "memory"
    assert time.roof_fraction == pytest.approx(0.8)
    assert profile().layers[2].bound == "memory"


def test_the_ridge_parts_them() -> None:
    assert LIMITS.gflops("FMA") == 100.0
    assert LIMITS.ridge("FMA") == pytest.approx(5.0)
    for flops, bound in ((4.9, "memory"), (5.1, "compute")):
        one = layer("x", macs=round(flops * 5e5), bytes=1_000_000)
        assert LayerTime.of(one, "FMA", KernelTime(1.0, 1.0), LIMITS).bound == bound


def test_the_whole() -> None:
    data = profile().to_json()
    assert data["gflops"] == pytest.approx(50.0), "62 M operations in the fastest round"
    assert data["peak_fraction"] == pytest.approx(0.5)
    assert (data["imbalance_ms"], data["pool_ms"]) == (0.0625, 0.125)
    assert (data["threads"], data["rounds"], data["peak_gflops"]) == (2, 7, 50.0)
    assert [row["name"] for row in data["layers"]] == ["conv", "fc", "%2"]


def on_codes() -> Profile:
    """Where one layer is computed by floats."""
    times = (KernelTime(0.25, 0.25), KernelTime(0.25, 0.25), KernelTime(0.01, 0.01))
    layers = layer_times(((CONV, "int8"), (FC, "FMA"), (POOL, None)), times, BOTH)
    return Profile("net", {}, "native", 31_000_000, 7, 0.5, 0.5, 0.51, BOTH, layers)


def test_a_peak_belongs_to_a_layer() -> None:
    found = on_codes()
    conv, fc, pool = found.layers
    assert (conv.peak, fc.peak, pool.peak) == ("int8", "FMA", None)
    assert conv.peak_fraction == pytest.approx(240 / 400)
    assert fc.peak_fraction == pytest.approx(8 / 100)
    assert pool.peak_fraction == 0
    assert BOTH.kind == "int8"
    assert BOTH.ridge("FMA") == pytest.approx(BOTH.ridge("int8") / 4)


def test_the_peak_of_the_whole_is_reached_where_each_layer_reaches_its_own() -> None:
    found = on_codes()
    assert found.shares == pytest.approx({"int8": 30 / 31, "FMA": 1 / 31})
    assert found.peak_gflops == pytest.approx(31 / (30 / 400 + 1 / 100))
    data = found.to_json()
    assert data["peaks"] == {"int8": 200.0, "FMA": 50.0}
    assert (data["peak"], data["peak_gflops"]) == ("int8", 200.0)
    assert data["peak_fraction"] == pytest.approx(124 / found.peak_gflops, abs=1e-4)


def test_the_picture_has_a_roof_for_each_peak() -> None:
    one, both = (Image.open(BytesIO(draw_roofline(p, "net"))) for p in (profile(), on_codes()))

    def level(image: Image.Image) -> int:
        """Red lines that reach the right edge of the chart."""
        column = [image.getpixel((WIDTH - RIGHT - 2, y)) == RED for y in range(HEIGHT)]
        return sum(here and not before for before, here in pairwise(column))

    assert (level(one), level(both)) == (1, 2)


def test_the_picture() -> None:
    image = Image.open(BytesIO(draw_roofline(profile(), "net")))
    assert (image.size, image.mode) == ((WIDTH, HEIGHT), "RGB")
    found = image.getcolors(maxcolors=1 << 16)
    assert found is not None
    colours = {colour: count for count, colour in found}
    assert colours[RED] > 500, "the lines"
    discs = (
        sum(count for colour, count in colours.items() if near(colour, COLOURS[bound]))
        for bound in ("compute", "memory")
    )
    compute, memory = discs
    assert compute > 3 * memory > 300, "areas are shares of the time: 1.0 and 0.25 ms"


def near(colour: object, base: tuple[int, int, int]) -> bool:
    """Whether it is `base` laid over white, as discs are filled."""
    filled = tuple(round(255 + (c - 255) * 150 / 255) for c in base)
    assert isinstance(colour, tuple)
    return all(abs(a - b) <= 2 for a, b in zip(colour, filled, strict=True))


def test_a_network_without_multiply_adds_has_a_picture() -> None:
    layers = layer_times(((POOL, None),), (KernelTime(0.01, 0.01),), LIMITS)
    empty = Profile("net", {}, "native", 0, 1, 0.01, 0.01, 0.01, LIMITS, layers)
    assert draw_roofline(empty, "net").startswith(b"\x89PNG")
