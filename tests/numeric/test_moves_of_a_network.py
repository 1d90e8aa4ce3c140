"""A network that moves elements along any axis, from one to five of them, at every level."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mbc
from mbc.accuracy import difference

NETWORK = """
from mbc.frontends.dsl import Net, Tensor, network


@network
def net(nn: Net) -> dict[str, Tensor]:
    x = nn.input(6, 8, 8)
    x = nn.relu(nn.batch_norm(nn.conv(nn.pad(x, (0, 1, 0, 1)), 16, 3, stride=2)))
    y = nn.max_pool(nn.pad(x, 1), 3, stride=1)
    y = nn.concat(nn.slice(y, 1, 0, 2), nn.slice(y, 1, 2), axis=1)
    y = nn.pointwise(nn.relu6(nn.depthwise(nn.pad(y, 1, 0.5))), 16)
    x = x + y
    up = nn.depth_to_space(nn.pointwise(x, 32), 2, mode="crd")
    deep = nn.space_to_depth(up, 2)
    five = nn.transpose(nn.reshape(deep, (2, 3, 2, 2, 32)), (0, 1, 3, 2, 4))
    first, second = nn.split(five, parts=2, axis=2)
    five = nn.concat(second, first, axis=2)
    one = nn.slice(nn.reshape(five, (768,)), 0, 5, 700, 3)
    head, tail = nn.split(nn.pad(one, ((2, 3),), 1.0), sizes=(100, 137))
    return {"map": up, "five": nn.relu(five), "one": nn.concat(tail, head)}
"""

X = np.random.default_rng(0).standard_normal((2, 6, 8, 8)).astype(np.float32)
RANKS = {"map": (2, 6, 8, 8), "five": (2, 3, 2, 2, 32), "one": (237,)}


@pytest.mark.parametrize("optimize", ["speed", "memory"])
def test_it_computes_what_the_oracle_does(optimize: str, tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(NETWORK)
    oracle = mbc.compile(file, batch=2, seed=1, backend="oracle").run({"input": X})
    assert {name: y.shape for name, y in oracle.items()} == RANKS
    for level in (0, 2) if optimize == "speed" else (2,):
        made = mbc.compile(file, batch=2, seed=1, level=level, optimize=optimize)
        found = made.run({"input": X})
        for name, y in oracle.items():
            assert difference(found[name], y).error <= 1e-5
