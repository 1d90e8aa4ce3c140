"""The assembly of the example networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.llvm.codegen import emit_assembly
from mbc.backends.llvm.lower import lower
from mbc.frontends.dsl import load_network
from mbc.frontends.weights import initialise
from mbc.ir.activations import Activation
from mbc.ir.graph import Graph
from mbc.ir.views import Value
from mbc.ops.linear import Conv2d
from mbc.passes.pipelines import O2
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext
from mbc.targets.target import Target
from tests.backends.assembly import Routine, read_assembly
from tests.backends.kernel_check import Net
from tests.e2e.support import EXAMPLES

NETWORKS: Mapping[str, tuple[str, dict[str, str]]] = {
    name: (name, {}) for name in ("mobilenet_v1", "mobilenet_v2", "shufflenet_v2")
} | {f"shufflenet_v1-g{g}": ("shufflenet_v1", {"groups": str(g)}) for g in (1, 2, 3, 4, 8)}


def routines_of(network: str, target: Target) -> list[Routine]:
    """The functions of a network compiled for a target."""
    file, parameters = NETWORKS[network]
    graph = load_network(EXAMPLES / f"{file}.py", None).trace(parameters)
    initialise(graph)
    return compiled(graph, target)


def compiled(graph: Graph, target: Target) -> list[Routine]:
    """The functions of a graph compiled for a target."""
    run_pipeline(graph, O2, PassContext(LlvmBackend(target)), [])
    return list(read_assembly(emit_assembly(lower(graph, target))).values())


def with_activations(acts: Iterable[Activation]) -> Graph:
    """A pointwise and a depthwise convolution for each activation, of one input."""
    net, results = Net(), list[Value]()
    x = net.input(1, 14, 14, 80)
    for act in acts:
        weight, filters = net.constant(1, 1, 80, 480), net.constant(5, 5, 1, 80)
        depthwise = Conv2d(pad=(2, 2, 2, 2), groups=80, act=act)
        results.append(net.graph.add(Conv2d(act=act), [x, weight, None]).result)
        results.append(net.graph.add(depthwise, [x, filters, None]).result)
    return net.outputs(*results)
