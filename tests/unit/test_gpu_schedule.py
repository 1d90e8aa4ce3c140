"""Schedules of GPU kernels: pure, and within what the GPU has."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mbc.backends.tvm.gpu.schedule import (
    CUDA,
    FACTS,
    OPENCL,
    Product,
    ceildiv,
    flat_threads,
    limits,
    product_blocks,
    row_threads,
    strips_for,
    teams_for,
    tiles_for,
)
from mbc.targets.gpu import GPU_TARGETS, Gpu

GPUS = [*(Gpu("cuda", arch) for arch in CUDA), *(Gpu("opencl", arch) for arch in OPENCL)]

extents = st.integers(1, 300) | st.sampled_from([1, 49, 196, 784, 3136, 12544, 50176])
products = st.builds(
    Product,
    rows=extents,
    depth=extents,
    columns=extents,
    groups=st.integers(1, 8),
    fetch=st.sampled_from([1, 2, 4, 9, 36]),
    computed=st.booleans(),
)


@pytest.mark.parametrize("gpu", GPUS, ids=lambda gpu: gpu.arch or "opencl")
def test_tiles_fit(gpu: Gpu) -> None:
    @settings(max_examples=10, deadline=None)
    @given(product=products)
    def check(product: Product) -> None:
        tiles, facts = tiles_for(product, gpu), limits(gpu)
        for tile in (*tiles[:20], *tiles[-20:]):
            assert tile.threads <= facts.threads
            assert 4 * tile.shared_floats <= facts.shared_bytes
            assert tile.stage_a or not product.computed
            assert tile.steps(product.depth) * tile.slices * tile.depth >= product.depth
            rows = product_blocks(product, tile) * tile.block_rows * tile.block_columns
            assert rows >= product.rows * product.columns * product.groups
        assert tiles_for.__wrapped__(product, gpu) == tiles

    check()


@given(
    st.sampled_from(GPUS), st.integers(1, 1100), st.integers(1, 120), st.integers(1, 120), extents
)
def test_blocks_of_other_kernels_fit(
    gpu: Gpu, vectors: int, height: int, width: int, images: int
) -> None:
    most = limits(gpu).threads
    for strip in strips_for(vectors, (height, width), images, gpu):
        assert strip.across * strip.down <= most
    for team in teams_for(vectors, height * width, gpu):
        assert team.across * team.down <= most
    rows = [threads.count for threads in row_threads(vectors, gpu)]
    for threads in (*rows, flat_threads(vectors, gpu)):
        assert 1 <= threads <= most
        assert threads & (threads - 1) == 0


def test_more_work_needs_no_fewer_blocks() -> None:
    gpu = Gpu("cuda", "sm_90")
    small, large = Product(49, 64, 64), Product(12544, 64, 64)
    blocks = [product_blocks(product, tiles_for(product, gpu)[0]) for product in (large, small)]
    assert blocks[0] > blocks[1]
    assert ceildiv(7, 2) == 4


def test_every_architecture_has_facts_of_its_own() -> None:
    for target in GPU_TARGETS:
        assert {*target.arches, target.default} == FACTS[target.api].keys()
