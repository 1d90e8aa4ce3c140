"""Memory plans of the example networks: judged from the JSON that users get, and by running them in
memory that ends where nobody may read or write."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import copy
from itertools import combinations, permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.llvm.jit import JitNet
from mbc.backends.llvm.lower import LoweredNet, lower
from mbc.driver.instrumentation import Inspection
from mbc.driver.pipeline import compile_graph
from mbc.driver.platforms import resolve
from mbc.driver.producers.llvm import lower_graph
from mbc.driver.producers.producer import Compiled
from mbc.driver.request import Request, Silent
from mbc.frontends.dsl import load_network
from mbc.interp import run as run_oracle
from mbc.memory.facts import Facts
from mbc.passes.pipelines import DEFAULT_LEVEL, GOALS, Goal
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext
from mbc.report.memory import memory_of
from mbc.runtime.pool import Pool
from tests.e2e.support import EXAMPLES, done, mbc, relative_error
from tests.everyday import part_of
from tests.guarded import Guarded
from tests.scatter import Scatter

Params = Mapping[str, int | float | bool]

NETWORKS: list[tuple[str, Params]] = [
    ("mobilenet_v1", {}),
    ("mobilenet_v2", {}),
    *[("shufflenet_v1", {"groups": groups}) for groups in (1, 2, 3, 4, 8)],
    *[("shufflenet_v1", {"groups": groups, "scale": 0.5}) for groups in (1, 3)],
    *[("shufflenet_v2", {"scale": scale}) for scale in (0.5, 1.0, 1.5, 2.0)],
]
IDS = [f"{net}{''.join(f'-{key}={v}' for key, v in p.items())}" for net, p in NETWORKS]
LEADING = [
    *(IDS.index(name) for name in ("mobilenet_v1", "mobilenet_v2", "shufflenet_v1-groups=3")),
    *(IDS.index(name) for name in ("shufflenet_v1-groups=8", "shufflenet_v2-scale=1.0")),
    *(IDS.index(name) for name in ("shufflenet_v1-groups=1-scale=0.5", "shufflenet_v2-scale=0.5")),
]
"""One of each kind, and others with more groups or fewer channels."""
PLANNED = ("arm64", "x86_64")
"""Targets of which everyday runs plan each network for one, in turn."""
GOAL_NAMES: tuple[Goal, ...] = ("speed", "memory")

MOST: dict[tuple[str, Goal], int] = {
    ("mobilenet_v1", "speed"): 1_750_000,
    ("mobilenet_v2", "speed"): 1_000_000,
}
"""What the arena may be at 224x224 on one thread."""

# plans, from their JSON


def memory_json(net: str, params: Params, goal: Goal, target: str) -> dict[str, Any]:
    """The report on a network without weights, which plans do not depend on."""
    graph = load_network(EXAMPLES / f"{net}.py", None).trace(params, 1)
    backend = LlvmBackend(resolve(target, None, None))
    run_pipeline(graph, GOALS[goal][DEFAULT_LEVEL], PassContext(backend))
    report: dict[str, Any] = json.loads(
        json.dumps(memory_of(graph, Facts(backend), 0, 0).to_json())
    )
    return report


Holding = dict[str, Any]


def live(report: dict[str, Any], step: int) -> list[Holding]:
    return [h for h in report["holdings"] if h["first"] <= step <= h["last"]]


def collisions(report: dict[str, Any]) -> Iterator[str]:
    """Holdings that share bytes at a time, other than as an overlap allows."""
    allowed = {(o["step"], o["result"], o["operand"]): o["distance"] for o in report["overlaps"]}
    for a, b in combinations(report["holdings"], 2):
        first, last = max(a["first"], b["first"]), min(a["last"], b["last"])
        apart = a["offset"] + a["bytes"] <= b["offset"] or b["offset"] + b["bytes"] <= a["offset"]
        if first > last or apart:
            continue
        low, high = sorted((a, b), key=lambda h: (int(h["offset"]), -int(h["first"])))
        distance = allowed.get((first, low["values"][0], high["values"][0]))
        once = first == last == low["first"] == high["last"] and low["kind"] == "value"
        if not once or distance is None or high["offset"] - low["offset"] < distance:
            yield f"{a['values']} and {b['values']} in steps {first} to {last}"


def lower_bound(report: dict[str, Any]) -> int:
    return max(bytes_alive(report, step) for step in range(len(report["steps"])))


def bytes_alive(report: dict[str, Any], step: int) -> int:
    """The least that holdings alive at a step take, results and their operands together."""
    sizes = {h["values"][0]: int(h["bytes"]) for h in live(report, step) if h["kind"] == "value"}
    scratch = sum(h["bytes"] for h in live(report, step) if h["kind"] == "scratch")
    overlaps = [o for o in report["overlaps"] if o["step"] == step]
    if not overlaps:
        return int(scratch) + sum(sizes.values())
    result = sizes.pop(overlaps[0]["result"])
    operands = [(sizes.pop(o["operand"]), o["distance"]) for o in overlaps]
    spans = []
    for order in permutations(operands):
        end = 0
        for size, distance in order:
            end = max(end, distance) + size
        spans.append(max(result, end))
    return int(scratch) + sum(sizes.values()) + min(spans)


@pytest.mark.parametrize(
    ("case", "goal", "target"),
    part_of(
        product(range(len(NETWORKS)), GOAL_NAMES, PLANNED),
        lambda case, goal, target: (
            target == PLANNED[(case + (goal == "speed")) % len(PLANNED)]
            and (case in LEADING or goal == GOAL_NAMES[case % 2])
        ),
        lambda case, goal, target: f"{IDS[case]}-{goal}-{target}",
    ),
)
def test_plans_are_right_and_near_the_lower_bound(case: int, goal: Goal, target: str) -> None:
    net, params = NETWORKS[case]
    report = memory_json(net, params, goal, target)
    assert list(collisions(report)) == []
    assert all(h["offset"] % 64 == 0 for h in report["holdings"])
    assert report["arena_bytes"] == max(h["offset"] + h["bytes"] for h in report["holdings"])
    bound = lower_bound(report)
    assert bound == report["bound_bytes"] == report["steps"][report["peak"]]["live_bytes"]
    assert report["arena_bytes"] <= 1.05 * bound
    if not params and (net, goal) in MOST:
        assert report["arena_bytes"] <= MOST[net, goal]


@pytest.mark.parametrize(
    "case", part_of(zip(range(len(IDS))), LEADING.__contains__, IDS.__getitem__)
)
def test_optimizing_for_memory_needs_no_more(case: int) -> None:
    net, params = NETWORKS[case]
    speed, memory = (memory_json(net, params, goal, "arm64") for goal in GOAL_NAMES)
    assert memory["arena_bytes"] <= speed["arena_bytes"]


def test_the_judge_notices_what_collides() -> None:
    report = memory_json("mobilenet_v2", {"resolution": 96}, "memory", "arm64")
    for overlap in report["overlaps"]:
        wrong = json.loads(json.dumps(report))
        names = overlap["result"], overlap["operand"]
        result, operand = (
            next(h for h in wrong["holdings"] if h["kind"] == "value" and name in h["values"])
            for name in names
        )
        operand["offset"] = result["offset"] + overlap["distance"] - 64
        assert list(collisions(wrong))


# the command


def test_the_report_of_the_command(tmp_path: Path) -> None:
    words = ("report", EXAMPLES / "mobilenet_v2.py", "-D", "resolution=96", "--target", "arm64")
    options = ("--optimize", "memory", "--memory")
    data = json.loads(done(*words, *options, "--json", "--plot", tmp_path / "arena.png").out)
    assert data["network"] == "mobilenet_v2"
    assert data["target"] == "arm64"
    assert list(collisions(data)) == []
    assert lower_bound(data) == data["bound_bytes"]
    assert (tmp_path / "arena.png").read_bytes().startswith(b"\x89PNG")
    text = done(*words, *options).out
    assert f"arena {data['arena_bytes']:,} bytes on one thread" in text
    assert text.count("\n") > len(data["holdings"])
    plain = json.loads(done(*words, *options[:-1], "--json").out)
    assert plain["arena_bytes"] == data["arena_bytes"]


def test_mistakes_with_the_report() -> None:
    network = EXAMPLES / "mobilenet_v2.py"
    for words in (["--plot", "arena.png"], ["--memory", "--stop-after", "fuse"]):
        outcome = mbc("report", network, "-D", "resolution=96", *words)
        assert (outcome.status, outcome.code) == (1, "E0106")
    outcome = mbc("report", network, "-D", "resolution=96", "--memory", "--plot", "/no/such/a.png")
    assert (outcome.status, outcome.code) == (1, "E0703")


# runs


class GuardedNet(JitNet):
    """A network whose arena, weights and tensors all lie in memory of their own."""

    def __init__(self, lowered: LoweredNet, pool: Pool | None = None, *, low: bool) -> None:
        super().__init__(lowered, pool)
        self._guard(low)

    def _guard(self, low: bool) -> None:
        self._low = low
        sizes = len(self._weights), self._arena_bytes
        self._keep = [Guarded(size, low=low) for size in sizes]
        self._keep[0].bytes[:] = self._weights
        self._weights, arena = (guarded.bytes for guarded in self._keep)
        self._arenas = [arena]
        arena[:] = 255  # NaN as floats: nothing may be taken for granted

    def mirrored(self) -> GuardedNet:
        """The same code in memory that begins where nobody may read, or ends there."""
        other = copy(self)
        other._guard(not self._low)
        return other

    def guarded(self, x: np.ndarray) -> np.ndarray:
        """The output for the one input."""
        (output,) = self.spec.outputs
        given, made = Guarded(x.nbytes, low=self._low), Guarded(4 * output.count, low=self._low)
        tensors = [given.array(x.shape), made.array(output.shape)]
        tensors[0][:] = x
        self.time_once(tensors)
        self.time_once(tensors)
        return tensors[1].copy()


def compiled(net: str, params: Params, goal: Goal) -> Compiled:
    request = Request(EXAMPLES / f"{net}.py", params=params, optimize=goal)
    return compile_graph(request, Inspection(), Silent(), lambda text: None)


def is_everyday(case: int, goal: Goal) -> bool:
    """One of each kind and the widest, for a goal each in turn."""
    return case in LEADING and goal == GOAL_NAMES[LEADING.index(case) % 2]


def case_name(case: int, goal: Goal) -> str:
    return f"{IDS[case]}-{goal}"


def check_run(net: str, params: Params, goal: Goal) -> None:
    made = compiled(net, {"softmax": False, **params}, goal)
    (value,) = made.source.graph.inputs
    x = np.random.default_rng(0).standard_normal(value.type.shape, np.float32)
    (expected,) = run_oracle(made.source.graph, {value.name: x}).values()
    guarded = GuardedNet(lower_graph(made, Silent()), low=False)
    for placed in (guarded, guarded.mirrored()):
        assert relative_error(placed.guarded(x), expected) < 1e-4


@pytest.mark.parametrize(
    ("case", "goal"), part_of(product(range(len(NETWORKS)), GOAL_NAMES), is_everyday, case_name)
)
def test_networks_run_in_exactly_their_memory(case: int, goal: Goal) -> None:
    net, params = NETWORKS[case]
    check_run(net, {**params, "resolution": 96}, goal)


@pytest.mark.parametrize(
    ("net", "goal", "shared"),
    part_of(
        product(("mobilenet_v1", "mobilenet_v2"), GOAL_NAMES, (True, False)),
        lambda net, goal, shared: (net == "mobilenet_v2") != (goal == "memory" and shared),
    ),
)
def test_threads_do_not_meet(net: str, goal: Goal, shared: bool) -> None:
    """They have a plan of their own, or work one after the other where results overlap."""
    made = compiled(net, {"softmax": False, "resolution": 96}, goal)
    if not shared:
        made.graph.threads_plan = None
    lowered = lower(made.graph, made.target)
    ordered = any(kernel.ordered for kernel in lowered.kernels)
    assert not (shared and ordered)
    assert shared or ordered or net == "mobilenet_v1", "no result lies over what its kernel reads"
    (value,) = made.graph.inputs
    x = np.random.default_rng(0).standard_normal(value.type.shape, np.float32)
    (expected,) = JitNet(lowered)({value.name: x}).values()
    crowd = GuardedNet(lowered, Scatter(3), low=False)
    for _ in range(5):
        np.testing.assert_array_equal(crowd.guarded(x), expected)


def at_size(net: str, goal: Goal) -> bool:
    """The one with most views; programs of MobileNets are run at this size too."""
    return goal == "memory" and net == "shufflenet_v1"


PAPERS = ("mobilenet_v1", "mobilenet_v2", "shufflenet_v1", "shufflenet_v2")


@pytest.mark.slow
@pytest.mark.parametrize(("net", "goal"), part_of(product(PAPERS, GOAL_NAMES), at_size))
def test_so_they_do_at_the_papers_size(net: str, goal: Goal) -> None:
    check_run(net, {}, goal)
