"""Optimisation levels, goals and memory plans: which passes each has."""

import pytest

from mbc.passes.pipelines import DEFAULT_LEVEL, GOALS, LEVELS, O0, O2, PASSES, planned, with_plans
from mbc.passes.plan_memory import Threads
from mbc.passmgr.passes import Pipeline
from mbc.passmgr.pipeline import parse_passes, spec_of


def test_every_pass_runs_at_the_default_level() -> None:
    passes = [p for goal in GOALS.values() for _, p in goal[DEFAULT_LEVEL].all_passes()]
    assert {type(instance) for instance in passes} == set(PASSES)


def test_what_is_optimized_for_memory_is_optimized_for_speed_first() -> None:
    for level, pipeline in GOALS["memory"].items():
        names = [instance.name for _, instance in pipeline.all_passes()]
        rows = names.index("fuse-rows")
        # it needs views that the planner can place; Strassen's method takes more weights
        del names[rows - 1 : rows + 1]
        names.insert(names.index("fuse-inverted-residual"), "use-strassen")
        assert names == [instance.name for _, instance in GOALS["speed"][level].all_passes()]


def test_all_levels_have_the_same_stages() -> None:
    stages = ["import", "canonicalize", "fuse", "plan"]
    assert all([stage.name for stage in level.stages] == stages for level in LEVELS)
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
    both = ["plan-memory{threads=many}", "plan-memory"]
    assert planning(O2) == ["materialize-views", "choose-schedules", *both]
    assert with_plans(O2, ("one", "many")) == O2
    assert planning(with_plans(O2, ONE)) == ["materialize-views", "choose-schedules", "plan-memory"]
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
