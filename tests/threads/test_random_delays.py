"""Networks on one to four threads which lose their CPUs at random moments: equal bits, and under
ThreadSanitizer no access of a kernel or of the pool that is not ordered. A few runs everyday, ten
thousand each by `make fuzz`."""

from __future__ import annotations

import platform
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from mbc.backends.llvm.codegen import object_code
from mbc.backends.llvm.lower import LoweredNet
from mbc.driver.instrumentation import Inspection
from mbc.driver.pipeline import compile_graph
from mbc.driver.producers.llvm import lower_graph
from mbc.driver.request import Request, Silent
from mbc.runtime.pool import POOL_C
from tests.everyday import part_of
from tests.example_networks import EXAMPLES, LEADING, Example
from tests.threads.test_pool_races import compiler, needs_compiler

HERE = Path(__file__).parent
FLAGS = ("-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Werror")
PLAIN, CHECKED = "native", "x86_64-v2" if platform.machine() == "x86_64" else "native"
SANITIZE = "-fsanitize=thread"
"""ThreadSanitizer checks accesses of up to 16 bytes: the vectors of SSE."""
RUNS, MANY_RUNS = 40, 10_000
MORE = (
    Example("shufflenet_v1", (("groups", "8"),)),
    Example("mobilenet_v3", (("variant", "large"),)),
)
NETWORKS = tuple((example,) for example in (LEADING[2], *LEADING[:2], LEADING[3], *MORE))


@cache
def lowered(example: Example, target: str) -> LoweredNet:
    """Small, of pixels that threads share all the same."""
    parameters = dict(example.parameters) | {"resolution": "64"}
    request = Request(EXAMPLES / f"{example.name}.py", parameters, target=target)
    compiled = compile_graph(request, Inspection(), Silent(), lambda _: None)
    return lower_graph(compiled, Silent())


def checked_object(ir: str, folder: Path) -> Path:
    """The kernels' object, compiled for ThreadSanitizer; zig's clang reads our LLVM IR."""
    text, code = folder / "net.ll", folder / "net.o"
    text.write_text(ir.replace(" nounwind {\n", " nounwind sanitize_thread {\n"))
    words = (sys.executable, "-m", "ziglang", "cc", SANITIZE, "-O1", "-Wno-override-module")
    subprocess.run([*words, "-c", text, "-o", code], check=True, capture_output=True)
    return code


def plain_object(net: LoweredNet, folder: Path) -> Path:
    code = folder / "net.o"
    code.write_bytes(object_code(net.ir, net.target))
    return code


def play(net: LoweredNet, code: Path, runs: int, *flags: str) -> subprocess.CompletedProcess[str]:
    """A run of the player around the network, with a pool that delays its threads."""
    spec, folder = net.spec, code.parent
    (folder / "weights").write_bytes(net.weights)
    tensors = (*spec.inputs, *spec.outputs)
    sizes = ",".join(str(io.count * io.element.bytes) for io in tensors)
    words = {
        "MBC_POOL_CPUS": "4",
        "MBC_POOL_DELAY": "1",
        "NET": f"{spec.name}_invoke",
        "ARENA": str(max(spec.total_bytes(threads) for threads in (1, 4))),
        "BYTES": sizes,
        "INPUTS": str(len(spec.inputs)),
    }
    defines = [f"-D{name}={value}" for name, value in words.items()]
    sources = (f"-I{POOL_C.parent}", str(HERE / "network_race.c"), str(POOL_C), str(code))
    command = [str(compiler()), *FLAGS, *flags, *defines, *sources, "-lpthread", "-o", "player"]
    subprocess.run(command, check=True, cwd=folder)
    environment = {"TSAN_OPTIONS": "halt_on_error=1"}
    program = ["./player", "weights", str(runs)]
    patience = 60 + runs  # a thread that nobody wakes is no hang of all tests
    return subprocess.run(
        program, cwd=folder, env=environment, capture_output=True, text=True, timeout=patience
    )


def assert_equal_bits(ended: subprocess.CompletedProcess[str], runs: int) -> None:
    assert (ended.stderr, ended.returncode) == ("", 0), ended.stdout
    done, delays = (int(word) for word in ended.stdout.split() if word.isdigit())
    assert done == runs
    assert delays > runs


@needs_compiler
@pytest.mark.parametrize("example", part_of(NETWORKS, lambda e: e == NETWORKS[0][0]))
def test_equal_bits(example: Example, tmp_path: Path, fuzz: bool) -> None:
    net, runs = lowered(example, PLAIN), MANY_RUNS if fuzz else RUNS
    assert_equal_bits(play(net, plain_object(net, tmp_path), runs), runs)


@needs_compiler
@pytest.mark.parametrize("example", part_of(NETWORKS, lambda e: e == NETWORKS[0][0]))
def test_no_race_in_kernels(example: Example, tmp_path: Path, fuzz: bool) -> None:
    net, runs = lowered(example, CHECKED), MANY_RUNS // len(NETWORKS) if fuzz else RUNS // 4
    assert_equal_bits(play(net, checked_object(net.ir, tmp_path), runs, SANITIZE), runs)


@needs_compiler
@pytest.mark.parametrize("sleep", ["", "-U__linux__"], ids=["futex", "condvar"])
def test_nobody_sleeps_for_ever(sleep: str, tmp_path: Path, fuzz: bool) -> None:
    flags = [*FLAGS, *sleep.split(), "-DMBC_POOL_CPUS=4", "-DMBC_POOL_DELAY"]
    sources = (f"-I{POOL_C.parent}", str(HERE / "pool_race.c"), str(POOL_C))
    command = [str(compiler()), *flags, *sources, "-lpthread", "-o", "player"]
    subprocess.run(command, check=True, cwd=tmp_path)
    for _ in range(1000 if fuzz else 10):
        ended = subprocess.run(["./player"], cwd=tmp_path, capture_output=True, timeout=60)
        assert ended.stdout == b"ok\n"


@needs_compiler
def test_a_kernel_that_leaves_its_range_is_reported(tmp_path: Path) -> None:
    """So that silence means something: all threads do all tasks."""
    net = lowered(NETWORKS[0][0], CHECKED)
    call = "ptr %scratch, i32 {}, i32 %end)\n  ret void"
    whole = net.ir.replace(call.format("%begin"), call.format("0"))
    assert whole != net.ir
    ended = play(net, checked_object(whole, tmp_path), RUNS, SANITIZE)
    assert "WARNING: ThreadSanitizer: data race" in ended.stderr
    assert ended.returncode != 0
