"""A request with its target resolved and its producer chosen, once for each command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mbc.diag import error
from mbc.driver.platforms import from_header, resolve, to_header
from mbc.driver.producers.producer import Producer
from mbc.driver.request import TVM, Request
from mbc.records import dataclass
from mbc.targets.backend import Backend
from mbc.targets.catalogue import NATIVE
from mbc.targets.gpu import BOARD_GPUS, find_gpu
from mbc.targets.target import Target


@dataclass(frozen=True)
class Configuration:
    """A request, and the producer for its target."""

    request: Request
    producer: Producer

    @property
    def target(self) -> Target:
        """The resolved target."""
        return self.producer.target

    @property
    def header(self) -> dict[str, str]:
        """Lines of a dump that record its target and backend."""
        backend = {"backend": TVM} if self.producer.name == TVM else {}
        gpu = {"gpu": str(self.target.gpu)} if self.target.gpu else {}
        return to_header(self.target, self.request.mattr) | backend | gpu


def resolve_request(request: Request) -> Configuration:
    """Resolve the target and choose the producer. Raises E0106, E0501 to E0507."""
    target = _target(request)
    _refuse_nvcc(request, target)
    return Configuration(request, _producer(target, request.backend, request.nvcc))


def _target(request: Request) -> Target:
    """Resolve the target; with `--backend tvm` a board's name means its GPU, if it has one that TVM
    makes code for."""
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


def _refuse_nvcc(request: Request, target: Target) -> None:
    """Raise E0106 if nothing is compiled by nvcc."""
    if request.nvcc is not None and (target.gpu is None or target.gpu.api != "cuda"):
        raise error("E0106", f"--nvcc is for --target cuda, not for {target.name}")


def _producer(target: Target, backend: str | None, nvcc: str | None = None) -> Producer:
    """Import the producer, which takes time, and make it."""
    if target.gpu is not None:
        from mbc.driver.producers.gpu import GpuProducer

        return GpuProducer(target, target.gpu, nvcc)
    match backend:
        case "tvm":
            from mbc.driver.producers.tvm import TvmProducer

            return TvmProducer(target)
        case "oracle":
            from mbc.driver.producers.oracle import OracleProducer

            return OracleProducer(target)
    from mbc.driver.producers.llvm import LlvmProducer

    return LlvmProducer(target)


def refuse_options(producer: Producer, given: Mapping[str, object]) -> None:
    """Raise E0106 for an option with a value that has no effect with this producer."""
    for option, value in given.items():
        if value is not None and option in producer.refused:
            raise error("E0106", producer.refused[option])


def backend_from(meta: Mapping[str, str]) -> Backend:
    """Return the backend that answers passes on a dump: kernels of this machine where the text
    names none. Raises E0501 to E0507 for a header that names nothing known."""
    target = from_header(meta)
    api, _, arch = meta.get("gpu", "").partition(" ")
    gpu = find_gpu(api or None)
    if gpu is not None:
        target = replace(target, gpu=gpu.named(arch or None))
    return _producer(target, meta.get("backend")).backend()
