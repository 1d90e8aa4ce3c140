"""The Python API: from a request to a callable network, without output."""

from __future__ import annotations

from dataclasses import replace

from mbc.diag import error
from mbc.driver.instrumentation import Inspection
from mbc.driver.net import CompiledNet, make_net
from mbc.driver.pipeline import compile_graph
from mbc.driver.request import BACKENDS, BackendName, Request, Silent
from mbc.passes.pipelines import LEVELS


def compile_net(request: Request, backend: BackendName) -> CompiledNet:
    """Compile for this machine; E0106 for a level or a backend that does not exist."""
    if request.level is not None and request.level not in range(len(LEVELS)):
        raise error("E0106", f"level is 0 to {len(LEVELS) - 1}, found {request.level!r}")
    if backend not in BACKENDS:
        listed = " or ".join(f"'{name}'" for name in BACKENDS)
        raise error("E0106", f"backend is {listed}, found {backend!r}")
    compiled = compile_graph(replace(request, backend=backend), Inspection(), Silent(), _discard)
    return make_net(compiled, Silent())


def _discard(text: str) -> None:
    """Discard text of inspections, of which there are none."""
