"""Networks that were once wrong are right, however they are compiled."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.everyday import part_of
from tests.fuzzing.configuration import native_targets
from tests.fuzzing.emulated import EVERYDAY_TARGETS, TARGETS, Trial, try_together
from tests.fuzzing.kept import KEPT, kept, ways
from tests.fuzzing.native import try_natively


@pytest.mark.parametrize("name", KEPT)
def test_kept_networks_are_right(name: str, fuzz: bool) -> None:
    graph, how = kept(name)
    for way in ways(how, native_targets() if fuzz else ["native"]):
        try_natively(graph, way)


@pytest.mark.slow
@pytest.mark.parametrize("target", part_of(((t,) for t in TARGETS), EVERYDAY_TARGETS.__contains__))
def test_kept_networks_are_right_elsewhere(target: str, tmp_path: Path) -> None:
    trials = []
    for name in KEPT:
        graph, how = kept(name)
        trials += [Trial(graph, way) for way in [*ways(how, [target])][1:]]
    try_together(trials, tmp_path)
