"""`mbc passes`: the passes, and the pipelines that they make up."""

from __future__ import annotations

import argparse

from mbc.cli import console
from mbc.cli.usage import Parser
from mbc.passes.pipelines import GOALS, PASSES
from mbc.passmgr.passes import Pass, Pipeline
from mbc.passmgr.pipeline import options_of, spec_of


def configure(parser: Parser) -> None:
    """Declare no options."""


def run(args: argparse.Namespace) -> int:
    """Print a table of passes, then one line a level."""
    console.table(("pass", "options", "meaning"), [_row(p) for p in PASSES])
    console.result("")
    for goal, levels in GOALS.items():
        option = "" if goal == "speed" else f" --optimize={goal}"
        for level, pipeline in levels.items():
            console.result(f"-O{level}{option}: {describe(pipeline)}")
    return 0


def _row(pass_class: type[Pass]) -> tuple[str, ...]:
    meaning = (pass_class.__doc__ or "").strip().partition("\n\n")[0]
    options = "; ".join(map(str, options_of(pass_class)))
    return (pass_class.name, options, " ".join(meaning.split()))


def describe(pipeline: Pipeline) -> str:
    """Stages with their passes: `import, canonicalize(fold-constants …), …, lower, emit`."""
    stages = [
        stage.name + (f"({' '.join(map(spec_of, stage.passes))})" if stage.passes else "")
        for stage in pipeline.stages
    ]
    return ", ".join([*stages, "lower", "emit"])
