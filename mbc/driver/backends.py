"""Which target and which backend a request means."""

from __future__ import annotations

from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.tvm.backend import TvmBackend
from mbc.diag import error
from mbc.driver.platforms import resolve
from mbc.driver.request import Request
from mbc.targets.backend import Backend
from mbc.targets.target import Target

TVM = "tvm"


def target_of(request: Request) -> Target:
    """The target of a request; raises E0501 to E0506."""
    target = resolve(request.target, request.mcpu, request.mattr)
    if request.backend == TVM and target.system != "linux":
        helps = [f"--backend llvm makes what programs on {target.system} link"]
        raise error("E0506", f"mbc makes no modules of TVM for {target.system}", helps=helps)
    return target


def uses_tvm(request: Request) -> bool:
    """Whether TVM runs the network."""
    return request.backend == TVM


def backend_of(target: Target, *, tvm: bool) -> Backend:
    """Who answers the passes."""
    return TvmBackend(target) if tvm else LlvmBackend(target)
