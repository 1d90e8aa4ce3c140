"""Two small networks in C, and the stand-alone main around them."""

from __future__ import annotations

import fcntl
import os
import platform
from pathlib import Path

import pytest

from mbc.backends.llvm.link import MAIN_SOURCES, link_executable
from mbc.backends.llvm.toolchain import LinkTarget, Zig
from mbc.runtime.abi import IoSpec, NetSpec
from mbc.runtime.header import c_header
from mbc.runtime.program import main_config

TWICE = NetSpec(
    "net",  # a name that could meet the glue's own
    (IoSpec("x", (1, 2, 4, 3)),),
    (IoSpec("y", (1, 24)),),
    arena_bytes=192,
    shared_bytes=128,
    scratch_bytes=64,
    weights_bytes=0,
)
TWICE_C = """
#include "net.h"
static const float input_shape[] = NET_INPUT_X_SHAPE;
size_t net_arena_bytes(int threads) { return NET_SHARED_BYTES + (size_t)threads * 64; }
int net_run(const net_io *io, void *arena, mbc_pool *pool) {
  if (pool) return 2;
  if (!arena || (uintptr_t)arena % NET_ALIGNMENT || input_shape[3] != 3) return 1;
  float *last = (float *)((char *)arena + net_arena_bytes(1)) - 1;
  for (int i = 0; i < NET_OUTPUT_Y_SIZE; i++) {
    *last = io->x[i];
    io->y[i] = *last * 2;
    if (*last == -1234) return 7;
  }
  return 0;
}
"""

PAIR = NetSpec(
    "pair",
    (IoSpec("a", (2, 3)), IoSpec("b", (3,))),
    (IoSpec("sum", (2, 3)), IoSpec("scale", ())),
    arena_bytes=0,
    scratch_bytes=0,
    weights_bytes=0,
)
PAIR_C = """
#include "pair.h"
size_t pair_arena_bytes(int threads) { return 64 * (size_t)threads; }
int pair_run(const pair_io *io, void *arena, mbc_pool *pool) {
  if (!arena || pool) return 1;
  for (int i = 0; i < 6; i++) io->sum[i] = io->a[i] + io->b[i % 3];
  *io->scale = io->b[0];
  return 0;
}
"""

HOST = {"arm64": "aarch64"}.get(platform.machine(), platform.machine())
EMULATE = {
    "x86_64": ["qemu-x86_64-static"],
    "aarch64": ["qemu-aarch64-static", "-cpu", "cortex-a53"],
}


def write_sources(folder: Path, net: NetSpec, source: str) -> None:
    (folder / f"{net.name}.h").write_text(c_header(net))
    (folder / "mbc_net.h").write_text(main_config(net))
    (folder / f"{net.name}.c").write_text(source)


def executable(factory: pytest.TempPathFactory, net: NetSpec, source: str, arch: str) -> list[str]:
    """Command line of the program, which the first worker that asks for it builds for all."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, target = shared / f"main-{net.name}-{arch}", LinkTarget(f"{arch}-linux-musl")
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / net.name).exists():
            write_sources(folder, net, source)
            inputs = [*MAIN_SOURCES, folder / f"{net.name}.c"]
            link_executable(inputs, folder / net.name, target, Zig(), include_dirs=[folder])
    return [*emulator(arch), str(folder / net.name)]


def emulator(arch: str) -> list[str]:
    return [] if arch == HOST else EMULATE[arch]
