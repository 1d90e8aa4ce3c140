"""Networks on this machine's CPU through TVM, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mbc.backends.llvm.toolchain import choose_toolchain
from mbc.backends.tvm.build import compile_module, cpu_target, export
from mbc.backends.tvm.cpu.backend import TvmBackend
from mbc.backends.tvm.vm import TvmNet
from mbc.driver.platforms import link_target, resolve
from mbc.ir.graph import Graph, Node
from mbc.ir.views import Value
from mbc.passes.pipelines import O2
from mbc.passmgr.instruments import Verify
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext
from mbc.passmgr.pipeline import stop_after
from mbc.runtime.abi import interface_of

HOST = resolve("native")


class NoKernels:
    """A caller that leaves all nodes to TVM's ops."""

    def emit(self, builder: Any, node: Node, known: Mapping[Value, Any]) -> None:
        """No calls."""


def fuse(graph: Graph) -> Graph:
    """A copy after the passes that go before TVM."""
    fused = graph.clone()
    run_pipeline(fused, stop_after(O2, "fuse"), PassContext(TvmBackend(HOST)), [Verify()])
    return fused


def load(module: Any, graph: Graph, folder: Path, *, optimize: bool = False) -> TvmNet:
    """A module, compiled for this machine; `folder` must be new to this process, whose loader takes
    one path for one library. To optimize TVM's code takes ten times as long as all else; what `mbc
    compile` writes is optimized, and has tests of its own."""
    library = folder / "net.so"
    assert not library.exists()
    target = cpu_target(HOST) | ({} if optimize else {"opt-level": 0})
    executable = compile_module(module, target)
    export(executable, library, link_target(HOST), choose_toolchain())
    return TvmNet(library, *interface_of(graph))
