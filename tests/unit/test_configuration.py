"""Which producer a request means, what it reads, and which options have no effect with it."""

from pathlib import Path

import pytest

from mbc.diag import MbcError
from mbc.driver.build import default_output
from mbc.driver.configuration import backend_from, refuse_options, resolve_request
from mbc.driver.optimise import TARGET_KEYS
from mbc.driver.producers.gpu import GpuProducer
from mbc.driver.producers.llvm import LlvmProducer
from mbc.driver.producers.oracle import OracleProducer
from mbc.driver.producers.producer import Producer
from mbc.driver.producers.tvm import TvmProducer
from mbc.driver.request import BACKENDS, BackendName, Request

NET = Path("net.py")


def producer(
    target: str | None = None, backend: BackendName | None = None, nvcc: str | None = None
) -> Producer:
    return resolve_request(Request(NET, target=target, backend=backend, nvcc=nvcc)).producer


@pytest.mark.parametrize(
    ("target", "backend", "kind", "folder"),
    [
        (None, None, LlvmProducer, "net-native"),
        ("arm64", None, LlvmProducer, "net-arm64"),
        ("arm64", "llvm", LlvmProducer, "net-arm64"),
        ("arm64", "oracle", OracleProducer, "net-arm64"),
        ("arm64", "tvm", TvmProducer, "net-tvm-arm64"),
        ("jetson-orin", None, LlvmProducer, "net-jetson-orin"),
        ("jetson-orin", "tvm", GpuProducer, "net-tvm-jetson-orin"),
        ("opencl", None, GpuProducer, "net-tvm-opencl"),
        ("cuda", "tvm", GpuProducer, "net-tvm-cuda"),
    ],
)
def test_the_producer_of_a_request(
    target: str | None, backend: BackendName | None, kind: type[Producer], folder: str
) -> None:
    found = producer(target, backend)
    assert type(found) is kind
    assert default_output(found, "net") == Path("build") / folder
    assert found.name in BACKENDS


@pytest.mark.parametrize("backend", ["llvm", "tvm"])
@pytest.mark.parametrize("target", ["arm64", "x86_64-v4", "jetson-orin"])
def test_a_dump_is_answered_by_the_same_backend(target: str, backend: BackendName) -> None:
    configuration = resolve_request(Request(NET, target=target, backend=backend))
    found, wanted = backend_from(configuration.header), configuration.producer.backend()
    assert (type(found), found.name) == (type(wanted), wanted.name)


OPTIONS = ("--emit", "--weights-placement", "--labels", "--threads", "--cpus")


@pytest.mark.parametrize(
    ("target", "backend", "refused"),
    [
        ("arm64", "llvm", ()),
        ("arm64", "oracle", ("--threads", "--cpus")),
        ("arm64", "tvm", ("--emit", "--weights-placement", "--labels", "--cpus")),
        ("opencl", "tvm", OPTIONS),
    ],
)
def test_options_without_effect(
    target: str, backend: BackendName, refused: tuple[str, ...]
) -> None:
    chosen = producer(target, backend)
    refuse_options(chosen, dict.fromkeys(OPTIONS))
    for option in OPTIONS:
        if option in refused:
            with pytest.raises(MbcError, match=f"E0106: {option}|E0106: --threads and --cpus"):
                refuse_options(chosen, {option: "1"})
        else:
            refuse_options(chosen, {option: "1"})


def test_nvcc_is_for_cuda_alone() -> None:
    found = producer("jetson-nano", "tvm", nvcc="nvcc")
    assert isinstance(found, GpuProducer)
    assert found.nvcc == "nvcc"
    for target, backend in (("opencl", None), ("arm64", "tvm"), ("jetson-nano", None)):
        with pytest.raises(MbcError, match="E0106: --nvcc is for --target cuda, not for"):
            resolve_request(Request(NET, target=target, backend=backend, nvcc="nvcc"))


def test_opt_replaces_all_that_a_dump_says_of_its_target() -> None:
    requests = (
        Request(NET, target="arm64", mcpu="cortex-a72", mattr="+crc", backend="tvm"),
        Request(NET, target="cuda"),
    )
    written = {key for request in requests for key in resolve_request(request).header}
    assert written == set(TARGET_KEYS)
