"""The assembly of the example networks."""

from __future__ import annotations

from collections.abc import Mapping

from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.llvm.codegen import emit_assembly
from mbc.backends.llvm.lower import lower
from mbc.frontends.dsl import load_network
from mbc.frontends.weights import initialise
from mbc.passes.pipelines import O2
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext
from mbc.targets.target import Target
from tests.backends.assembly import Routine, read_assembly
from tests.e2e.support import EXAMPLES

NETWORKS: Mapping[str, tuple[str, dict[str, str]]] = {
    name: (name, {}) for name in ("mobilenet_v1", "mobilenet_v2", "shufflenet_v2")
} | {f"shufflenet_v1-g{g}": ("shufflenet_v1", {"groups": str(g)}) for g in (1, 2, 3, 4, 8)}


def routines_of(network: str, target: Target) -> list[Routine]:
    """The functions of a network compiled for a target."""
    file, parameters = NETWORKS[network]
    graph = load_network(EXAMPLES / f"{file}.py", None).trace(parameters)
    initialise(graph)
    run_pipeline(graph, O2, PassContext(LlvmBackend(target)), [])
    return list(read_assembly(emit_assembly(lower(graph, target))).values())
