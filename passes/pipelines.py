"""Which passes run, in which order: pipelines as data, one for each goal and optimisation level.

-O3 equals -O2 today; it is where passes will go that cost more compile time than most users want.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Literal, get_args

from mbc.passes.choose_schedules import ChooseSchedules
from mbc.passes.eliminate_concat import EliminateConcat
from mbc.passes.eliminate_dead_nodes import EliminateDeadNodes
from mbc.passes.eliminate_split import EliminateSplit
from mbc.passes.fold_affine import FoldAffine
from mbc.passes.fold_batch_norm import FoldBatchNorm
from mbc.passes.fold_constants import FoldConstants
from mbc.passes.fold_pad import FoldPad
from mbc.passes.fuse_activation import FuseActivation
from mbc.passes.fuse_channel_scale import FuseChannelScale
from mbc.passes.fuse_depthwise_mean import FuseDepthwiseMean
from mbc.passes.fuse_depthwise_pointwise import FuseDepthwisePointwise
from mbc.passes.fuse_inverted_residual import FuseInvertedResidual
from mbc.passes.fuse_residual_add import FuseResidualAdd
from mbc.passes.fuse_rows import FuseRows
from mbc.passes.fuse_universal_bottleneck import FuseUniversalBottleneck
from mbc.passes.materialize_views import MaterializeViews
from mbc.passes.plan_memory import PlanMemory, Threads
from mbc.passes.quantise import Quantise
from mbc.passes.raise_channel_shuffle import RaiseChannelShuffle
from mbc.passes.remap_channel_shuffle import RemapChannelShuffle
from mbc.passes.use_strassen import UseStrassen
from mbc.passmgr.passes import Pass, Pipeline, Stage
from mbc.passmgr.pipeline import single_stage

PASSES: tuple[type[Pass], ...] = (
    Quantise,
    FoldConstants,
    EliminateDeadNodes,
    FoldPad,
    RaiseChannelShuffle,
    EliminateConcat,
    EliminateSplit,
    RemapChannelShuffle,
    FoldBatchNorm,
    FoldAffine,
    FuseActivation,
    FuseResidualAdd,
    UseStrassen,
    FuseUniversalBottleneck,
    FuseInvertedResidual,
    FuseDepthwisePointwise,
    FuseDepthwiseMean,
    FuseChannelScale,
    FuseRows,
    MaterializeViews,
    ChooseSchedules,
    PlanMemory,
)
"""Every pass, in the order in which `mbc passes` lists them."""

IMPORT = Stage("import", ())
PLANS: tuple[Pass, ...] = (PlanMemory(threads="many"), PlanMemory())
"""The plan for one thread comes last: it is the one that the text of a graph shows."""

PLAN = Stage("plan", (MaterializeViews(), ChooseSchedules(), *PLANS))
CANONICALIZE = Stage(
    "canonicalize", (FoldConstants(), EliminateDeadNodes(), FoldPad(), RaiseChannelShuffle())
)

MERGE: tuple[Pass, ...] = (
    EliminateConcat(),
    EliminateSplit(),
    RemapChannelShuffle(),
    FoldBatchNorm(),
    FoldAffine(),
    FuseActivation(),
    FuseResidualAdd(),
)
FUSE: tuple[Pass, ...] = (
    FuseUniversalBottleneck(),
    FuseInvertedResidual(),
    FuseDepthwisePointwise(),
)
FUSE_GATES: tuple[Pass, ...] = (FuseDepthwiseMean(), FuseChannelScale())
"""For speed: they keep fuse-rows from streaming the wide tensor before a gate."""

O0 = Pipeline((IMPORT, Stage("canonicalize", ()), Stage("fuse", ()), PLAN))
O1 = Pipeline(
    (IMPORT, CANONICALIZE, Stage("fuse", (FoldBatchNorm(), FoldAffine(), FuseActivation())), PLAN)
)
# Whether fusing pays depends on what the convolutions would take by themselves.
O2 = Pipeline(
    (
        IMPORT,
        CANONICALIZE,
        Stage("fuse", (*MERGE, UseStrassen(), *FUSE, *FUSE_GATES)),
        Stage("plan", (MaterializeViews(), FuseRows(mode="auto"), ChooseSchedules(), *PLANS)),
    )
)
O3 = O2
O2_MEMORY = Pipeline(
    (IMPORT, CANONICALIZE, Stage("fuse", (*MERGE, *FUSE, MaterializeViews(), FuseRows())), PLAN)
)

LEVELS: tuple[Pipeline, ...] = (O0, O1, O2, O3)
"""The pipeline of each optimisation level, -O0 to -O3."""

Goal = Literal["speed", "memory"]
GOALS: Mapping[Goal, Mapping[int, Pipeline]] = {
    "speed": dict(enumerate(LEVELS)),
    "memory": {2: O2_MEMORY, 3: O2_MEMORY},
}
"""The pipelines for what --optimize asks, by level; levels without fusion have but one goal."""

DEFAULT_LEVEL = 2

FuseMode = Literal["auto", "always", "never"]
FUSE_MODES: tuple[FuseMode, ...] = get_args(FuseMode)
"""What --fuse takes: kernels are fused where the cost model says that it pays, wherever the backend
can, or nowhere."""


def with_fuse_mode(pipeline: Pipeline, mode: FuseMode) -> Pipeline:
    """Set the mode of all passes that decide by the cost model; stages without any stay the same
    objects."""
    return Pipeline(tuple(_in_mode(stage, mode) for stage in pipeline.stages))


def _in_mode(stage: Stage, mode: FuseMode) -> Stage:
    passes = tuple(
        replace(step, mode=mode) if isinstance(step, FUSING) else step for step in stage.passes
    )
    return stage if passes == stage.passes else replace(stage, passes=passes)


FUSING = (
    FuseUniversalBottleneck,
    FuseInvertedResidual,
    FuseDepthwisePointwise,
    FuseDepthwiseMean,
    FuseChannelScale,
    FuseRows,
)


def without_strassen(pipeline: Pipeline) -> Pipeline:
    """Switch Strassen's method off, also in networks that come with it: in the pass that decides on
    it, or else by one at the end of the first stage that makes a choice."""
    off = UseStrassen(enabled=False)
    stages = tuple(_with_instead(stage, off) for stage in pipeline.stages)
    if any(off in stage.passes for stage in stages):
        return Pipeline(stages)
    return Pipeline(
        tuple(
            replace(stage, passes=(*stage.passes, off)) if stage.name == "fuse" else stage
            for stage in stages
        )
    )


def _with_instead(stage: Stage, step: Pass) -> Stage:
    """Replace all passes of a kind in a stage."""
    same = type(step)
    return replace(stage, passes=tuple(step if isinstance(p, same) else p for p in stage.passes))


QUANTISE = Stage("quantise", (Quantise(),))
"""What comes before everything else in a network that is quantised."""


def with_quantisation(pipeline: Pipeline) -> Pipeline:
    """Quantise first, after the import."""
    first, *others = pipeline.stages
    return Pipeline((first, QUANTISE, *others))


def with_plans(pipeline: Pipeline, threads: Collection[Threads]) -> Pipeline:
    """Make the last stage plan memory for these threads alone; drop it if nobody reads a plan."""
    stages = (_planning(stage, threads) for stage in pipeline.stages if stage.name == PLAN.name)
    others = (stage for stage in pipeline.stages if stage.name != PLAN.name)
    return Pipeline((*others, *stages) if threads else tuple(others))


def _planning(stage: Stage, threads: Collection[Threads]) -> Stage:
    kept = (p for p in stage.passes if not isinstance(p, PlanMemory) or p.threads in threads)
    return replace(stage, passes=tuple(kept))


def planned(passes: Sequence[Pass]) -> Pipeline:
    """Return a pipeline of passes and the stage of memory plans, which takes those at their end."""
    count = sum(1 for _ in takewhile(lambda each: isinstance(each, PlanMemory), reversed(passes)))
    stage = replace(PLAN, passes=PLANS) if count else PLAN
    return Pipeline((*single_stage(passes[: len(passes) - count]).stages, stage))
