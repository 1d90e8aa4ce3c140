"""Random networks of all that the DSL accepts, each compiled in one of many ways and run, here and
under emulation: bit for bit what the network as written gives where no sum rounds, else as close as
float32 allows.

`--hypothesis-seed=N` draws the same networks again. What fails is printed with how it was compiled;
as a file in tests/fuzzing/kept it stays a test.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from tests.everyday import part_of
from tests.fuzzing.emulated import EVERYDAY_TARGETS, TARGETS
from tests.fuzzing.hunt import hunt_emulated, hunt_natively

SHARDS, EVERYDAY, EACH = 12, 30, 500
EMULATED_SHARDS, EMULATED_EVERYDAY, EMULATED_EACH = 24, 6, 25
KINDS = {
    *("pointwise", "patch_conv", "window", "stream", "global_pool", "softmax", "elementwise"),
    *("channel_copy", "element_copy"),
    *("inverted_residual", "dw_pw", "rows"),
}
"""Of kernels: families and fusions that so many networks must meet. Strassen's method is seldom
drawn, for it takes large layers: one shard of a dozen had none."""


def shards(count: int) -> list[object]:
    """Their numbers; all but the first belong to `--fuzz`."""
    rest = [pytest.param(shard, marks=pytest.mark.thorough) for shard in range(1, count)]
    return [0, *rest]


@pytest.fixture(scope="module")
def base_seed(pytestconfig: pytest.Config) -> int:
    """What `--hypothesis-seed` says, or any number; shards count on from it."""
    given = pytestconfig.getoption("--hypothesis-seed")
    if given is not None:
        return int(given)
    fixed = settings.default is not None and settings.default.derandomize
    return 0 if fixed else random.randrange(10**6)


@contextmanager
def telling(base_seed: int) -> Iterator[None]:
    """How to draw the same networks again, with what fails."""
    try:
        yield
    except BaseException as problem:
        problem.add_note(f"drawn with --hypothesis-seed={base_seed}")
        raise


@pytest.mark.parametrize("shard", shards(SHARDS))
def test_networks_compute_what_they_say(shard: int, base_seed: int, fuzz: bool) -> None:
    with telling(base_seed):
        found = hunt_natively(EACH if fuzz else EVERYDAY, SHARDS * base_seed + shard)
    missed = KINDS - found.keys()
    assert not (fuzz and missed), f"no network has {missed}: {found}"


@pytest.mark.slow
@pytest.mark.parametrize("shard", shards(EMULATED_SHARDS))
@pytest.mark.parametrize("target", part_of(((t,) for t in TARGETS), EVERYDAY_TARGETS.__contains__))
def test_networks_compute_the_same_elsewhere(
    target: str, shard: int, base_seed: int, fuzz: bool, tmp_path: Path
) -> None:
    count = EMULATED_EACH if fuzz else EMULATED_EVERYDAY
    with telling(base_seed):
        found = hunt_emulated(target, count, EMULATED_SHARDS * base_seed + shard, tmp_path)
    assert found.total() >= count
