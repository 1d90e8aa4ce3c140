"""Seeded mistakes in the memory model, the planner, and what runs its plans."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

PLAN = "tests/unit/test_plan_memory.py"
PIPELINE = "tests/unit/test_pipeline.py"
BOUND = "tests/unit/test_memory_bound.py"
ROWS = "tests/unit/test_fuse_rows.py"
REPORT = "tests/unit/test_report_memory.py"
OUTPUTS = "tests/unit/test_report.py"
GOLDEN = "tests/golden/test_golden.py"
RUNS = "tests/e2e/test_memory.py::test_networks_run_in_exactly_their_memory[mobilenet_v2-speed]"
THREADS = "tests/e2e/test_memory.py::test_threads_do_not_meet"

_needs = partial(Mutant, file="mbc/memory/needs.py", tests=PLAN)
_bound = partial(Mutant, file="mbc/memory/bound.py", tests=BOUND)
_facts = partial(Mutant, file="mbc/memory/facts.py", tests=PLAN)
_neighbours = partial(Mutant, file="mbc/memory/neighbours.py", tests=GOLDEN)
_placing = partial(Mutant, file="mbc/memory/allocate.py", tests=PLAN)
_streaming = partial(Mutant, file="passes/row_streaming.py", tests=ROWS)

MUTANTS = (
    Mutant(
        "an edit leaves the plan for several threads",
        "mbc/passmgr/manager.py",
        old="            graph.threads_plan = None\n",
        new="            pass\n",
        tests=PIPELINE,
    ),
    Mutant(
        "a plan for one thread leaves none for several",
        "mbc/passmgr/manager.py",
        old="is threads_plan and _structure(graph) != structure:",
        new="is threads_plan:",
        tests=PIPELINE,
    ),
    _needs(
        "a value's last reader is forgotten",
        old="        value: time\n",
        new="        value: time - 1\n",
    ),
    _needs(
        "what an output reads may go after the last node that reads it",
        old="{value: len(order) for",
        new="{value: 0 for",
        tests=GOLDEN,
    ),
    _needs(
        "a result may lie over operands that live on",
        old="buffer is None or buffer.last != time",
        new="buffer is None",
    ),
    _needs(
        "of two roles that read a value the lesser distance counts",
        old="buffer, operand, max(known)",
        new="buffer, operand, min(known)",
    ),
    _needs(
        "roles for which the backend allows no overlap are passed over",
        old="if len(known) == len(roles) and",
        new="if known and",
    ),
    _needs(
        "in place, though the node reads the operand in two roles",
        old="len(roles) == 1 and room",
        new="room",
    ),
    _needs(
        "in place of an operand that is smaller",
        old="room >= size and ",
        new="",
    ),
    _needs(
        "neighbours are given up when the first of them is read last",
        old="last = max(self.last_use",
        new="last = min(self.last_use",
    ),
    _needs(
        "neighbours begin where the one before them does",
        old="Place(form.bytes * start, pitch)",
        new="Place(0, pitch)",
    ),
    _needs(
        "scratch is planned for the next node",
        old="Buffer({}, time, time, size, node)",
        new="Buffer({}, time + 1, time + 1, size, node)",
    ),
    _needs(
        "a view that reads one of two neighbours reads all of their buffer",
        old="view.values == whole and",
        new="bool(whole) and",
    ),
    Mutant(
        "buffers end anywhere",
        "mbc/alignment.py",
        tests=PLAN,
        old="return -(-size // multiple) * multiple",
        new="return size",
    ),
    _facts(
        "results begin anywhere before their operands",
        old="None if found is None else round_up(found)",
        new="found",
    ),
    _facts(
        "several threads overlap results with operands",
        old="        if not self.alone:\n            return None\n",
        new="",
    ),
    _neighbours(
        "a value may have two neighbours on its left",
        old="is not left:",
        new="is None:",
    ),
    _bound(
        "the union of result and operand ends where the operand's bytes add up to",
        old="max(end, overlap.distance) + overlap",
        new="end + overlap",
    ),
    _bound(
        "the worst order of two operands counts",
        old="- min(spans)",
        new="- max(spans)",
    ),
    _bound(
        "the result is forgotten",
        old="return max(result, end)",
        new="return end",
    ),
    _placing(
        "results lie after their operands instead of before",
        old="self._distances.get((number, other), ",
        new="self._distances.get((other, number), ",
    ),
    _needs(
        "buffers that meet at one node are thought apart",
        old="self.first <= other.last and",
        new="self.first < other.last and",
    ),
    _placing(
        "just before an operand is where others are",
        old="if start >= 0 and all(",
        new="if start >= 0 or all(",
    ),
    _streaming(
        "the search takes what costs most time",
        old="found.append((peak, added, step))",
        new="found.append((peak, -added, step))",
    ),
    _streaming(
        "the default level streams what costs time",
        old="if step is None or (self._free and not self._is_free(step, added)):",
        new="if step is None:",
    ),
    _streaming(
        "a step that replaces others leaves them in place",
        old="or not set(step.parts) <= set(new.parts)",
        new="or step.is_new",
    ),
    Mutant(
        "scratch lies at the start of the arena, wherever it was planned",
        "backends/llvm/lower.py",
        "return node.scratch or 0",
        "return 0",
        RUNS,
    ),
    Mutant(
        "threads do the tasks of kernels that must work in order",
        "backends/llvm/addresses.py",
        "return max(one.place.offset, other.place.offset) < min(ends)",
        "return False",
        THREADS,
    ),
    Mutant(
        "an output that is returned twice is written in place twice",
        "mbc/ops/outputs.py",
        " and view.value not in written",
        "",
        OUTPUTS,
    ),
    Mutant(
        "an output in the arena is written in the caller's memory",
        "mbc/ops/outputs.py",
        "and view.value.place is None",
        "",
        OUTPUTS,
    ),
    Mutant(
        "equal weights are stored again",
        "backends/weights.py",
        "if data not in self._offsets:",
        "if True:",
        "tests/unit/test_weights_blob.py",
    ),
    Mutant(
        "weights follow each other unaligned",
        "backends/weights.py",
        "self._size += round_up(len(data), self._alignment)",
        "self._size += len(data)",
        "tests/unit/test_weights_blob.py",
    ),
    Mutant(
        "the report's peak is the first step",
        "mbc/report/memory.py",
        "peak = live.index(bound) if live else 0",
        "peak = 0",
        REPORT,
    ),
)
