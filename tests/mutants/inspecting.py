"""Seeded mistakes in what `mbc inspect` tells."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

VIEWS = "tests/e2e/test_inspect_views.py"
DATA = "tests/e2e/test_inspect.py"

_story = partial(Mutant, file="mbc/inspect/story.py", tests=VIEWS)
_find = partial(Mutant, file="mbc/inspect/find.py", tests=VIEWS)
_changes = partial(Mutant, file="mbc/inspect/changes.py", tests=VIEWS)
_around = partial(Mutant, file="mbc/inspect/around.py", tests=VIEWS)
_overview = partial(Mutant, file="mbc/inspect/overview.py", tests=VIEWS)
_limits = partial(Mutant, file="mbc/inspect/limits.py", tests=DATA)
_stages = partial(Mutant, file="mbc/inspect/stages.py", tests=DATA)

MUTANTS = (
    _story(
        "remarks under a later name of a value are not its own",
        old="known |= {each for",
        new="known & {each for",
    ),
    _story(
        "remarks that only mention a value are left out",
        old="return any(value_symbol(each) in words for each in known)",
        new="return False",
    ),
    _story(
        "the place of scratch is that of the result",
        old='if h.kind == "value" and symbol',
        new='if h.kind == "scratch" and symbol',
    ),
    _find(
        "of several runs of a pass the first is shown",
        old="return found[-1]",
        new="return found[0]",
    ),
    _find(
        "a value that was merged into another is not found",
        old="return exact or [node for node in graph.nodes if name in node.origins]",
        new="return exact",
    ),
    _changes(
        "a line that changed is one that is gone and one that is new",
        old="found = NAMED.match(line) or END.match(line)",
        new="found = None",
    ),
    _changes(
        "lines before a change are left out",
        old="range(i - context, i + context + 1)",
        new="range(i, i + context + 1)",
    ),
    _around(
        "producers count as consumers",
        old="found = {name: -distance for",
        new="found = {name: distance for",
    ),
    _overview(
        "the kernels that take least are the slowest",
        old="key=lambda ending: -(ending.share or 0.0)",
        new="key=lambda ending: ending.share or 0.0",
    ),
    _limits(
        "a clock that is given is not used",
        old="at = mhz or (",
        new="at = (",
    ),
    _stages(
        "graphs of passes that changed nothing are recorded too",
        old="        if result.changed:\n            self._record(graph)",
        new="        self._record(graph)",
    ),
)
