"""A page on 8-bit codes on each kind of machine: everything that its kernels store, bit for bit.

The network is quantised by seeded samples, and goes through the passes for a machine. Then every
value between its inputs and outputs becomes an output too, codes as the numbers for which they
stand, so that kernels are those of the network and none of what they store goes unseen. What is
computed in float, and what reads that, is compared by tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.llvm.jit import JitNet
from mbc.backends.llvm.lower import LoweredNet, lower
from mbc.diag import MbcError
from mbc.driver.emulation import choose_runner
from mbc.driver.platforms import resolve
from mbc.frontends.dsl import load_network
from mbc.frontends.weights import initialise
from mbc.interp import run
from mbc.ir.elements import Q8
from mbc.ir.graph import Graph, Node
from mbc.ir.views import ChannelView, Value
from mbc.ops import Dequantize
from mbc.passes.choose_schedules import ChooseSchedules
from mbc.passes.pipelines import O2, PLANS
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext, Pipeline, Stage
from mbc.targets.target import Target
from tests.backends.emulated import MACHINES, Machine, build, output_of
from tests.backends.standing_in import runnable, without_extension
from tests.example_networks import EXAMPLE_NETWORKS, PAGES, SMALL, Page
from tests.pages.ways import TOLERANCE
from tests.quantised_networks import Quantised, quantised_graph

NETWORKS = (*(Page(e.name, e.parameters, (SMALL,)) for e in EXAMPLE_NETWORKS), *PAGES)
"""Those of the papers too: they run in float at full size elsewhere."""
SAMPLES = 2
AFTERWARDS = Pipeline((Stage("plan", (ChooseSchedules(), *PLANS)),))


@dataclass(frozen=True)
class Way:
    """A kind of machine, and how it multiplies codes."""

    target: Target
    machine: Machine | None = None
    """Who emulates it; None for this machine."""
    weight_bits: int = 8

    @property
    def here(self) -> bool:
        """Whether this machine runs it: as it is, or emulated."""
        try:
            plain = without_extension(self.target)  # for which something may stand in
            return self.machine is not None or choose_runner(plain).native
        except MbcError:
            return False


def _here(target: str, weight_bits: int = 8, mattr: str | None = None) -> Way:
    """Code for a target in this process."""
    return Way(replace(resolve(target, None, mattr), name="native"), None, weight_bits)


def _emulated(machine: Machine) -> Way:
    return Way(machine.target, machine)


def _cortex_a76(*features: str, run_as: str = "") -> Way:
    plain = MACHINES["arm64"]
    target = replace(plain.target, cpu="cortex-a76", features=features)
    return _emulated(replace(plain, target=target, cpu=run_as))


WAYS = {
    "native": _here("native"),
    "avx512": _here("x86_64-v4"),
    "avxvnni": _here("x86_64", mattr="+avxvnni"),
    "avx2": _here("x86_64"),
    "avx2-7": _here("x86_64", 7),
    "sse": _here("x86_64-v2"),
    "arm64": _emulated(MACHINES["arm64"]),
    "dotprod": _cortex_a76(),
    "i8mm": _cortex_a76("+i8mm", run_as="max"),
    "armv7": _emulated(MACHINES["armv7"]),
    "riscv64": _emulated(MACHINES["riscv64"]),
}
"""Kinds of machines; that with weights of 7 bits has another unit for these."""


@lru_cache(maxsize=2)  # weights of 8 bits and of 7
def quantised(page: Page, weight_bits: int, *, small: bool) -> Quantised:
    """The page with seeded weights, quantised; softmax stays where it has one."""
    settings = page.settings(small=small)
    settings.pop("softmax", None)
    graph = load_network(page.file).trace(settings)
    initialise(graph, 0)
    return quantised_graph(graph, weight_bits=weight_bits, samples=SAMPLES)


def after_passes(network: Quantised, target: Target) -> Graph:
    """The network for a machine, with all that it stores as outputs behind its own."""
    graph, context = network.copy(), PassContext(LlvmBackend(target))
    run_pipeline(graph, O2, context, [])
    shown = list(graph.outputs)
    seen = {view.value for view in shown if view.is_plain}
    stored = [value for node in graph.topo() for value in node.results if value not in seen]
    for value in stored:
        codes = isinstance(value.type.element, Q8)
        shown.append(ChannelView.of(graph.add(Dequantize(), [value]).result if codes else value))
    extra = [f"stored_{number}" for number in range(len(stored))]
    graph.set_outputs(shown, [*graph.output_names, *extra])
    run_pipeline(graph, AFTERWARDS, context, [])
    return graph


def _is_exact(node: Node, inexact: Collection[Value]) -> bool:
    """Whether a node has the same bits everywhere: from or to codes, of what has them too."""
    operands = [view.type.element for view in node.views]
    results = [value.type.element for value in node.results]
    on_codes = any(isinstance(element, Q8) for element in (*operands, *results))
    return on_codes and not any(value in inexact for view in node.views for value in view.values)


def inexact_values(graph: Graph) -> set[Value]:
    """Results that are computed in float, and all that follows from them."""
    found: set[Value] = set()
    for node in graph.topo():
        if not _is_exact(node, found):
            found.update(node.results)
    return found


@dataclass(frozen=True)
class Compared:
    """What came of a network on a machine."""

    outputs: int
    """How many there were to compare, of them the most that kernels store."""
    wrong: tuple[str, ...]
    """Those that differ: in a bit, or where floats are computed by more than the tolerance."""

    def __str__(self) -> str:
        return f"{len(self.wrong)} of {self.outputs}!" if self.wrong else str(self.outputs)


def compare(
    graph: Graph, found: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray]
) -> Compared:
    """Compare the outputs of a graph. Codes that depend on floats may differ by a step."""
    inexact, wrong = inexact_values(graph), []
    for name, view in zip(graph.output_names, graph.outputs, strict=True):
        far = np.max(np.abs(found[name].astype(np.float64) - wanted[name]), initial=0.0)
        if not far <= (_allowed(graph, view, wanted[name]) if {*view.values} & inexact else 0.0):
            wrong.append(name)
    return Compared(len(graph.outputs), tuple(wrong))


def _allowed(graph: Graph, view: ChannelView, wanted: np.ndarray) -> float:
    """The largest difference where floats are computed: a step of codes, or relative."""
    makers = [graph.producer(value) for value in view.values]
    read = [v.type.element for node in makers if node for v in node.views]
    steps = [element.scale for element in read if isinstance(element, Q8)]
    return max(steps, default=TOLERANCE * float(np.max(np.abs(wanted), initial=0.0)))


Alter = Callable[[LoweredNet], LoweredNet]


def checked(
    page: Page, way: Way, folder: Path, *, small: bool, alter: Alter = lambda lowered: lowered
) -> Compared:
    """Compute the page on a machine, and compare with the oracle. `alter` is for tests of this."""
    network = quantised(page, way.weight_bits, small=small)
    graph = after_passes(network, way.target)
    wanted = run(graph, network.inputs)
    unlike = compare(graph, {**wanted, **network.outputs}, wanted).wrong
    found = _computed(alter(lower(graph, way.target)), network.inputs, way, folder)
    compared = compare(graph, found, wanted)
    return replace(compared, wrong=(*unlike, *compared.wrong))


def _computed(
    lowered: LoweredNet, inputs: Mapping[str, np.ndarray], way: Way, folder: Path
) -> dict[str, np.ndarray]:
    """What a machine makes of inputs, by output."""
    if way.machine is None:
        return JitNet(runnable(lowered))(inputs)
    program = build([lowered], [lowered], folder, way.machine)
    data = b"".join(array.tobytes() for array in inputs.values())
    numbers, outputs = output_of(program, way.machine, data), lowered.spec.outputs
    ends = np.cumsum([output.count for output in outputs])
    parts = np.split(numbers, ends)
    assert parts.pop().size == 0
    return {o.name: part.reshape(o.shape) for o, part in zip(outputs, parts, strict=True)}
