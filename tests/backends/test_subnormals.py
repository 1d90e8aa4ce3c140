"""Who counts subnormal numbers as zero, and when: threads while they run a network, and not after.

x is subnormal and so is x + x, so what a network of one addition gives tells how it computed.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mbc.backends.llvm.codegen import emit_object
from mbc.backends.llvm.jit import JitNet
from mbc.backends.llvm.link import MAIN_SOURCES, link_executable
from mbc.backends.llvm.lower import LoweredNet, lower
from mbc.backends.llvm.profile import ProfiledNet
from mbc.backends.llvm.toolchain import Zig
from mbc.driver.platforms import link_target, resolve
from mbc.ops import Add
from mbc.runtime.abi import POOL_H
from mbc.runtime.header import c_header
from mbc.runtime.pool import Pool
from mbc.targets.target import Target
from tests.backends.kernel_check import Net, host_target, place_without_overlap

SMALL = np.float32(2e-39)
ROWS, COLUMNS = 8, 512  # so many tasks, and such that it pays to share them


def doubling(target: Target) -> LoweredNet:
    net = Net()
    x = net.input(1, ROWS, COLUMNS, 8)
    graph = net.outputs(net.graph.add(Add(), [x, x]).result)
    place_without_overlap(graph, target)
    return lower(graph, target)


@pytest.fixture(scope="module", params=[1, 3])
def net(request: pytest.FixtureRequest) -> Iterator[ProfiledNet]:
    """On so many threads."""
    pool = Pool(request.param) if request.param > 1 else None
    yield ProfiledNet(doubling(host_target()), pool)
    if pool:
        pool.close()


def flush(net: JitNet, on: int) -> int:
    """`NET_flush_subnormals` on this thread."""
    address = net._module.address(f"{net.spec.name}_flush_subnormals")
    return int(ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(address)(on))


def tensors(net: JitNet) -> list[np.ndarray]:
    """Input and output."""
    return [np.full(spec.shape, SMALL) for spec in (*net.spec.inputs, *net.spec.outputs)]


def plain_run(net: JitNet) -> set[float]:
    """What `NET_invoke` gives, in the mode that this thread is in."""
    own = tensors(net)
    io, arena = net._io(own), net._lend()
    net._module.function(f"{net.spec.name}_invoke", pointers=4)(*net._arguments(io, arena))
    return set(own[1].view(np.uint32).ravel().tolist())


DOUBLED = {int((2 * SMALL).view(np.uint32))}


def test_a_run_flushes_and_then_restores(net: ProfiledNet) -> None:
    (spec,) = net.spec.inputs
    for mode in (0, 1, 0):
        flush(net, mode)
        given, timed = tensors(net), tensors(net)
        seconds = net.time_once(given)
        net.time_kernels(timed)
        net.bound(bound := tensors(net))()
        called = net({spec.name: bound[0]})
        assert flush(net, 0) == mode
        assert seconds > 0
        for y in (given[1], timed[1], bound[1], *called.values()):
            assert not y.any()
            assert given[0].all(), "the input is as it was"


def test_without_flushing_threads_compute_as_their_caller_does(net: ProfiledNet) -> None:
    """Though the turn before was another way."""
    for mode in (0, 1, 0, 1, 0):
        flush(net, mode)
        found = plain_run(net)
        assert flush(net, 0) == mode, "NET_invoke leaves the mode alone"
        assert found == ({0} if mode else DOUBLED)


def test_what_was_before_is_told_and_restored(net: ProfiledNet) -> None:
    """Results alone (2) or operands alone (3), where the CPU has them apart, too."""
    apart = host_target().family == "x86_64"
    assert flush(net, 1) == 0
    assert flush(net, 7) == 1
    assert flush(net, 2) == 1
    assert flush(net, 3) == (2 if apart else 1)
    assert flush(net, 0) == (3 if apart else 1)
    assert flush(net, 0) == 0


CALLER = """\
#include "net.h"
#include <stdio.h>
#include "pool.h"
#include "subnormals.h"

static _Alignas(64) unsigned char arena[1 << 16];
static float x[NET_INPUT_X_SIZE], y[NET_OUTPUT_Y_SIZE];

/* How many outputs are zero; -1 for an error. */
static int zeros(mbc_pool *pool) {
  const net_io io = {x, y};
  int count = 0;
  for (int i = 0; i < NET_OUTPUT_Y_SIZE; i++) y[i] = 1;
  if (net_run(&io, arena, pool)) return -1;
  for (int i = 0; i < NET_OUTPUT_Y_SIZE; i++) count += *(volatile uint32_t *)&y[i] == 0;
  return count;
}

/* Whether this thread flushes: by what it computes, and by the two functions. */
static int mode(void) {
  volatile float least = 1.17549435e-38f, half = least * 0.5f;
  uint32_t bits = *(volatile uint32_t *)&half;
  int on = net_flush_subnormals(0);
  uint32_t control = mbc_control();
  net_flush_subnormals(on);
  return 4 * (bits == 0) + 2 * (mbc_control() != control) + (on != 0);
}

int main(void) {
  mbc_pool *pool = mbc_pool_create(3, NULL);
  if (!pool || net_arena_bytes(3) > sizeof arena) return 1;
  for (int i = 0; i < NET_INPUT_X_SIZE; i++) x[i] = 2e-39f;
  for (int on = 0; on < 4; on++) {
    int before = net_flush_subnormals(on % 2);
    printf("%d %d %d %d %d\\n", before, mode(), zeros(NULL), zeros(pool), mode());
  }
  uint32_t control = mbc_flush_subnormals();
  printf("%d ", mode());
  mbc_adopt(control & ~(uint32_t)MBC_FLUSH);
  printf("%d\\n", mode());
  mbc_pool_destroy(pool);
  return 0;
}
"""

EMULATORS = {
    "x86_64": (),
    "x86_64-v2": (),
    "arm64": ("qemu-aarch64-static", "-cpu", "cortex-a53"),
    "armv7": ("qemu-arm-static", "-cpu", "cortex-a7"),
    "riscv64": ("qemu-riscv64-static", "-cpu", "rv64,v=true,vlen=128"),
}
ALL = ROWS * COLUMNS * 8


@pytest.mark.parametrize("name", EMULATORS)
def test_programs_choose_and_their_pool_follows(name: str, tmp_path: Path) -> None:
    """NEON of 32-bit Arm flushes always, scalar code as it is told; RISC-V never does."""
    target = resolve(name)
    lowered = doubling(target)
    (tmp_path / "net.h").write_text(c_header(lowered.spec))
    (tmp_path / "net.o").write_bytes(emit_object(lowered))
    (tmp_path / "caller.c").write_text(CALLER + "const char net_weights[64];\n")
    inputs = [tmp_path / "caller.c", MAIN_SOURCES[1], tmp_path / "net.o"]
    folders = [tmp_path, POOL_H.parent]
    link_executable(inputs, tmp_path / "caller", link_target(target), Zig(), include_dirs=folders)
    command = [*EMULATORS[name], str(tmp_path / "caller")]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if name == "riscv64":
        assert told.splitlines() == [*["0 0 0 0 0"] * 4, "0 0"]
        return
    kept = ALL if name == "armv7" else 0
    lines = [f"{1 - on} {7 * on} {(kept, ALL)[on]} {(kept, ALL)[on]} {7 * on}" for on in (0, 1) * 2]
    assert told.splitlines() == [f"0{lines[0][1:]}", *lines[1:], "7 0"]
