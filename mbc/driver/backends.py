"""Which target and which backend a request means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mbc.backends.llvm.backend import LlvmBackend
from mbc.diag import error
from mbc.driver.platforms import from_header, resolve, to_header
from mbc.driver.request import Request
from mbc.targets.backend import Backend
from mbc.targets.catalogue import NATIVE
from mbc.targets.gpu import BOARD_GPUS, find_gpu
from mbc.targets.target import Target

TVM = "tvm"


def target_of(request: Request) -> Target:
    """The target of a request; with `--backend tvm` a board's name means its GPU, if it has one
    that we know. Raises E0106, E0501 to E0507."""
    gpu = find_gpu(request.target)
    if gpu is not None:
        _refuse_cpu_options(request)
        return replace(resolve(NATIVE), name=gpu.api, gpu=gpu.named(request.arch))
    if request.arch is not None:
        raise error("E0106", "--arch is for GPUs: --target cuda and --target opencl")
    target = resolve(request.target, request.mcpu, request.mattr)
    if request.backend != TVM:
        return target
    if target.system != "linux":
        helps = [f"--backend llvm makes what programs on {target.system} link"]
        raise error("E0506", f"mbc makes no modules of TVM for {target.system}", helps=helps)
    return replace(target, gpu=BOARD_GPUS.get(target.name))


def _refuse_cpu_options(request: Request) -> None:
    name = request.target
    if request.mcpu is not None or request.mattr is not None:
        raise error("E0106", f"--mcpu and --mattr are for CPUs; --target {name} takes --arch")
    if request.backend not in (None, TVM):
        message = f"--backend {request.backend} has no kernels for GPUs"
        raise error("E0106", message, helps=[f"--target {name} goes with --backend tvm"])


def uses_tvm(request: Request, target: Target) -> bool:
    """Whether TVM runs the network: it is asked for, or the target is a GPU."""
    return request.backend == TVM or target.gpu is not None


def header_of(target: Target, mattr: str | None, *, tvm: bool) -> dict[str, str]:
    """What a dump says about who it was made for."""
    header = to_header(target, mattr) | ({"backend": TVM} if tvm else {})
    return header | ({"gpu": str(target.gpu)} if target.gpu else {})


def backend_from(meta: Mapping[str, str]) -> Backend:
    """Who answers passes on a dump; this machine's LLVM backend where the text does not say.
    Raises E0501 to E0507 for a header that names nothing we know."""
    target = from_header(meta)
    api, _, arch = meta.get("gpu", "").partition(" ")
    gpu = find_gpu(api or None)
    if gpu is not None:
        target = replace(target, gpu=gpu.named(arch or None))
    return backend_of(target, tvm=meta.get("backend") == TVM or gpu is not None)


def backend_of(target: Target, *, tvm: bool) -> Backend:
    """Who answers the passes."""
    if not tvm:
        return LlvmBackend(target)
    # few ask for them, and they take time to import
    from mbc.backends.tvm.cpu.backend import TvmBackend
    from mbc.backends.tvm.gpu.backend import GpuBackend

    return TvmBackend(target) if target.gpu is None else GpuBackend(target.gpu)
