"""What Strassen's method may spoil: half the channels of a pixel's partners in the same image, as
docs/performance-kernels.md says."""

from __future__ import annotations

import numpy as np
import pytest

from mbc.backends.llvm.jit import JitNet
from mbc.backends.llvm.lower import lower
from mbc.ops import Conv2d
from tests.backends.kernel_check import Net, host_targets, place_without_overlap
from tests.schedules import by_strassen

CHANNELS = 32
TARGETS = host_targets()


def spoilt(net: JitNet, image: np.ndarray, pixel: int, value: float) -> dict[int, set[int]]:
    """Which halves (0, 1) of the channels of which pixels are not finite where one element of each
    half of a pixel's channels is this value."""
    x = image.copy()
    x[0, pixel, 0, [3, -3]] = value
    (y,) = net({"x": x}).values()
    halves = np.split(np.isfinite(y[0, :, 0]), 2, axis=1)
    found = {p: {h for h in (0, 1) if not halves[h][p].all()} for p in range(len(y[0]))}
    return {p: halves for p, halves in found.items() if halves}


@pytest.mark.parametrize("isa", TARGETS)
@pytest.mark.parametrize("pixels", [8, 9])
def test_an_undefined_pixel_spoils_its_partners(pixels: int, isa: str) -> None:
    net = Net()
    x = net.input(1, pixels, 1, CHANNELS)
    weight = net.constant(1, 1, CHANNELS, CHANNELS)
    graph = net.outputs(by_strassen(net.graph.add(Conv2d(), [x, weight])).result)
    place_without_overlap(graph, TARGETS[isa])
    lowered = lower(graph, TARGETS[isa])
    assert "_strassen_" in lowered.ir
    jit, below = JitNet(lowered), pixels // 2
    image = net.rng.standard_normal((1, pixels, 1, CHANNELS), np.float32)
    assert spoilt(jit, image, 0, 1.0) == {}
    for pixel in range(pixels):
        dumped = pixels % 2 == 1 and pixel == 0  # what the middle one has from its pair with it
        lower_partner = {pixel + below: {1}} if pixel + below < pixels and not dumped else {}
        upper_partner = {pixel - below: {0}} if pixel >= below else {}
        for value in (np.nan, np.inf):
            expected = {pixel: {0, 1}, **lower_partner, **upper_partner}
            assert spoilt(jit, image, pixel, value) == expected
