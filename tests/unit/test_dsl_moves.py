"""Layers that move elements along any axis."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Literal

import numpy as np
import pytest

from mbc.diag import MbcError
from mbc.frontends.dsl import Net, Tensor
from mbc.interp import run
from tests.unit.test_dsl import build, code

X = np.arange(2 * 4 * 6 * 8, dtype=np.float32).reshape(2, 4, 6, 8)


def computed(*make: Callable[[Net, Tensor], Tensor]) -> list[np.ndarray]:
    """What layers make of X."""
    nn = build(batch=2)
    x = nn.input(4, 6, 8)
    nn.graph.set_outputs([each(nn, x).value for each in make])
    return list(run(nn.graph, {"input": X}).values())


def labels(nn: Net) -> list[str]:
    return [node.op.label for node in nn.graph.topo()]


def test_slices() -> None:
    found = computed(
        lambda nn, x: nn.slice(x, 1, 1, 3),
        lambda nn, x: nn.slice(x, -2, -5, -1, 2),
        lambda nn, x: nn.slice(x, 0, 1),
        lambda nn, x: nn.slice(x, 3, 2, 7),
        lambda nn, x: nn.slice(x, 3, 0, 7, 3),
        lambda nn, x: nn.slice(x, -1, 0),
    )
    wanted = [X[:, 1:3], X[:, :, -5:-1:2], X[1:], X[..., 2:7], X[..., 0:7:3], X]
    for result, expected in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(result, expected)


def test_a_slice_of_channels_is_a_part_of_a_split() -> None:
    nn = build()
    x = nn.input(4, 6, 8)
    nn.slice(x, 3, 2, 7)
    nn.slice(x, 3, 0, 8, 2)
    nn.slice(x, 2, 0, 5)
    assert labels(nn) == ["split", "slice", "slice"]
    assert [node.results[0].name for node in nn.graph.topo()] == ["slice.0", "slice2", "slice3"]


def test_concatenations_and_splits_along_an_axis() -> None:
    found = computed(
        lambda nn, x: nn.concat(x, nn.slice(x, 1, 0, 2), axis=1),
        lambda nn, x: nn.concat(x, x, axis=-1),
        lambda nn, x: nn.concat(*reversed(nn.split(x, parts=3, axis=2)), axis=2),
        lambda nn, x: nn.split(x, sizes=(1, 3), axis=1)[1],
    )
    turned = np.concatenate([X[:, :, 4:], X[:, :, 2:4], X[:, :, :2]], 2)
    wanted = [np.concatenate([X, X[:, :2]], 1), np.concatenate([X, X], -1), turned, X[:, 1:]]
    for result, expected in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(result, expected)


def test_names_of_parts() -> None:
    nn = build()
    x = nn.input(4, 6, 8)
    with nn.scope("head"):
        nn.concat(*nn.split(x, parts=2, axis=1), axis=1)
    names = [node.result.name for node in nn.graph.topo()]
    assert names == ["head.split.0", "head.split.1", "head.concat"]
    assert labels(nn) == ["slice", "slice", "concat_along"]


def test_pads() -> None:
    found = computed(
        lambda nn, x: nn.pad(x, 1),
        lambda nn, x: nn.pad(x, (1, 0, 2, 3), 1.5),
        lambda nn, x: nn.pad(x, ((0, 1), (0, 0), (2, 0), (3, 4)), -inf),
        lambda nn, x: nn.pad(x, list(np.array([0, 1, 0, 0]))),
    )
    widths = [
        ([(0, 0), (1, 1), (1, 1), (0, 0)], 0.0),
        ([(0, 0), (1, 0), (2, 3), (0, 0)], 1.5),
        ([(0, 1), (0, 0), (2, 0), (3, 4)], -inf),
        ([(0, 0), (0, 1), (0, 0), (0, 0)], 0.0),
    ]
    for result, (pads, value) in zip(found, widths, strict=True):
        np.testing.assert_array_equal(result, np.pad(X, pads, constant_values=value))


def test_blocks_of_pixels() -> None:
    deep, pixels, back, shuffled = computed(
        lambda nn, x: nn.space_to_depth(x, 2),
        lambda nn, x: nn.depth_to_space(x, 2),
        lambda nn, x: nn.depth_to_space(nn.space_to_depth(x, 2), 2),
        lambda nn, x: nn.depth_to_space(x, 2, mode="crd"),
    )
    np.testing.assert_array_equal(deep[:, 1, 2, 16:24], X[:, 3, 4])
    np.testing.assert_array_equal(pixels[:, 3, 4], X[:, 1, 2, 4:6])
    np.testing.assert_array_equal(back, X)
    np.testing.assert_array_equal(shuffled[:, 3, 4], X[:, 1, 2, 2::4])


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (lambda nn, x: nn.slice(x, 4, 0, 1), "E0218"),
        (lambda nn, x: nn.slice(x, -5, 0, 1), "E0218"),
        (lambda nn, x: nn.slice(x, 1, 0, 5), "E0202"),
        (lambda nn, x: nn.slice(x, 1, 2, 2), "E0202"),
        (lambda nn, x: nn.slice(x, 3, 2, 2), "E0202"),
        (lambda nn, x: nn.slice(x, 3, 2, 9), "E0202"),
        (lambda nn, x: nn.slice(x, 1, 0, 4, 0), "E0218"),
        (lambda nn, x: nn.slice(x, 1, 0.5, 4), "E0218"),
        (lambda nn, x: nn.concat(x, nn.slice(x, 2, 0, 1), axis=1), "E0202"),
        (lambda nn, x: nn.concat(x, nn.global_avg_pool(x), axis=1), "E0202"),
        (lambda nn, x: nn.split(x, parts=4, axis=2), "E0218"),
        (lambda nn, x: nn.split(x, sizes=(1, 2), axis=1), "E0218"),
        (lambda nn, x: nn.pad(x, -1), "E0218"),
        (lambda nn, x: nn.pad(x, (1, 2)), "E0218"),
        (lambda nn, x: nn.pad(x, ((1, 2), (0, 0))), "E0218"),
        (lambda nn, x: nn.pad(x, ((1, 2, 3),) * 4), "E0218"),
        (lambda nn, x: nn.pad(x, 1, inf), "E0218"),
        (lambda nn, x: nn.pad(nn.global_avg_pool(x), 1), "E0218"),
        (lambda nn, x: nn.depth_to_space(x, 3), "E0204"),
        (lambda nn, x: nn.depth_to_space(x, 3, mode="crd"), "E0204"),
        (lambda nn, x: nn.depth_to_space(x, 2, mode="DCR"), "E0218"),
        (lambda nn, x: nn.space_to_depth(x, 4), "E0202"),
        (lambda nn, x: nn.space_to_depth(x, 0), "E0218"),
    ],
)
def test_mistakes(layer: Callable[[Net, Tensor], Tensor], expected: str) -> None:
    nn = build()
    with pytest.raises(MbcError) as caught:
        layer(nn, nn.input(4, 6, 8))
    assert code(caught) == expected


def test_gathers() -> None:
    found = computed(
        lambda nn, x: nn.gather(x, 1, (3, 0, 0)),
        lambda nn, x: nn.gather(x, -2, [-1, 2, -6]),
        lambda nn, x: nn.gather(x, 3, range(7, -1, -1)),
    )
    wanted = [X[:, [3, 0, 0]], X[:, :, [5, 2, 0]], X[..., ::-1]]
    for result, expected in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("mode", ["reflect", "edge"])
def test_pads_of_the_own_elements(mode: Literal["reflect", "edge"]) -> None:
    found = computed(
        lambda nn, x: nn.pad(x, 2, mode=mode),
        lambda nn, x: nn.pad(x, (0, 3, 1, 0), mode=mode),
        lambda nn, x: nn.pad(x, ((1, 0), (0, 0), (5, 4), (0, 7)), mode=mode),
    )
    pads = (
        ((0, 0), (2, 2), (2, 2), (0, 0)),
        ((0, 0), (0, 3), (1, 0), (0, 0)),
        ((1, 0), (0, 0), (5, 4), (0, 7)),
    )
    for result, each in zip(found, pads, strict=True):
        np.testing.assert_array_equal(result, np.pad(X, each, mode=mode))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda nn, x: nn.pad(x, 4, mode="reflect"), "axis 1 has 4 elements, too few to reflect 4"),
        (lambda nn, x: nn.pad(x, 1, mode="wrap"), "mode must be 'constant', 'reflect' or 'edge'"),
        (lambda nn, x: nn.gather(x, 1, (0, 4)), "E0202: axis 1 has no such element"),
        (lambda nn, x: nn.gather(x, 1, ()), "gather takes 1 to 4,096 numbers, found 0"),
    ],
)
def test_what_cannot_be_gathered(make: Callable[[Net, Tensor], Tensor], message: str) -> None:
    with pytest.raises(MbcError, match=message):
        computed(make)
