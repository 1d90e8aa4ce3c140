"""Optimisation levels, goals and memory plans: which passes each has."""

import pytest

from mbc.driver.pipeline import LATER_STAGES
from mbc.passes.pipelines import (
    DEFAULT_LEVEL,
    FUSE_MODES,
    GOALS,
    LEVELS,
    O0,
    O2,
    PASSES,
    FuseMode,
    planned,
    with_fuse_mode,
    with_plans,
    with_quantisation,
)
from mbc.passes.plan_memory import Threads
from mbc.passmgr.passes import Pipeline
from mbc.passmgr.pipeline import parse_passes, spec_of, stop_after


def test_every_pass_runs_at_the_default_level() -> None:
    pipelines = [with_quantisation(goal[DEFAULT_LEVEL]) for goal in GOALS.values()]
    passes = [p for pipeline in pipelines for _, p in pipeline.all_passes()]
    assert {type(instance) for instance in passes} == set(PASSES)


@pytest.mark.parametrize("mode", FUSE_MODES)
def test_all_that_decides_by_costs_has_the_mode_that_is_asked_for(mode: FuseMode) -> None:
    passes = [step for _, step in with_fuse_mode(O2, mode).all_passes()]
    modes = [vars(step)["mode"] for step in passes if hasattr(step, "mode")]
    assert modes == [mode] * 6


def test_what_is_optimized_for_memory_is_optimized_for_speed_first() -> None:
    for level, pipeline in GOALS["memory"].items():
        names = [instance.name for _, instance in pipeline.all_passes()]
        rows = names.index("fuse-rows")
        # it needs views that the planner can place, as there are at the beginning of the last stage
        del names[rows - 1 : rows + 1]
        names.insert(names.index("choose-schedules"), "fuse-rows")
        # Strassen's method takes more weights
        names.insert(names.index("fuse-universal-bottleneck"), "use-strassen")
        # what streams by rows must not find the convolutions around a gate fused otherwise
        end = names.index("fuse-depthwise-pointwise") + 1
        names[end:end] = ["fuse-depthwise-mean", "fuse-channel-scale"]
        assert names == [instance.name for _, instance in GOALS["speed"][level].all_passes()]


def test_all_levels_have_the_same_stages() -> None:
    stages = ["import", "canonicalize", "fuse", "plan"]
    assert (len(LEVELS), GOALS["speed"], set(GOALS["memory"])) == (
        4,
        dict(enumerate(LEVELS)),
        {2, 3},
    )
    levels = [level for goal in GOALS.values() for level in goal.values()]
    assert all([stage.name for stage in level.stages] == stages for level in levels)
    assert [instance.name for _, instance in O0.all_passes()] == [
        "materialize-views",
        "choose-schedules",
        "plan-memory",
        "plan-memory",
    ]


ONE: tuple[Threads, ...] = ("one",)


def planning(pipeline: Pipeline) -> list[str]:
    return [spec_of(p) for stage, p in pipeline.all_passes() if stage == "plan"]


def test_memory_is_planned_for_those_who_read_the_plan() -> None:
    first = ["materialize-views", "fuse-rows{mode=auto}", "choose-schedules"]
    both = ["plan-memory{threads=many}", "plan-memory"]
    assert planning(O2) == [*first, *both]
    assert with_plans(O2, ("one", "many")) == O2
    assert planning(with_plans(O2, ONE)) == [*first, "plan-memory"]
    assert [stage.name for stage in with_plans(O2, ()).stages] == ["import", "canonicalize", "fuse"]


@pytest.mark.parametrize(
    ("named", "passes"),
    [
        ("", ["materialize-views", "choose-schedules", "plan-memory{threads=many}", "plan-memory"]),
        ("plan-memory", ["plan-memory{threads=many}", "plan-memory"]),
        ("plan-memory{threads=many}", ["plan-memory{threads=many}", "plan-memory"]),
        ("plan-memory,plan-memory{threads=many}", ["plan-memory{threads=many}", "plan-memory"]),
    ],
)
def test_named_passes_end_with_both_plans(named: str, passes: list[str]) -> None:
    pipeline = planned(parse_passes(f"fold-constants,{named}".rstrip(","), PASSES))
    assert planning(pipeline) == passes
    assert [spec_of(p) for _, p in pipeline.all_passes()] == ["fold-constants", *passes]


@pytest.mark.parametrize("stage", ["lower", "emit"])
def test_the_stages_after_the_passes_take_all_of_them(stage: str) -> None:
    assert stop_after(O2, stage, LATER_STAGES) == O2
