"""Programs that use a compiled network's library, and give it no byte more than it asks for."""

import json
import signal
import subprocess
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import mbc as api
from mbc.backends.llvm.link import MAIN_SOURCES, link_executable
from mbc.backends.llvm.toolchain import LinkTarget, Zig
from mbc.driver.platforms import resolve
from tests.e2e.support import EMULATORS, EXAMPLES, done, relative_error, single
from tests.everyday import part_of

CALLER = """\
#define _GNU_SOURCE
#include "{net}.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

mbc_pool *mbc_pool_create(uint32_t threads, const int *cpus);

/* Memory that ends where nobody may read or write. */
static void *guarded(size_t bytes) {{
  size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (bytes + page - 1) / page * page;
  unsigned char *at =
      mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED || mprotect(at + room, page, PROT_NONE)) exit(3);
  return memset(at + room - bytes, 255, bytes);
}}

/* Arguments: threads, and by how many bytes the arena is too small. */
int main(int argc, char **argv) {{
  if (argc != 3) return 2;
  int threads = atoi(argv[1]);
  size_t bytes = {net}_arena_bytes(threads);
  float *x = guarded(sizeof(float) * {NET}_INPUT_INPUT_SIZE);
  float *y = guarded(sizeof(float) * {NET}_OUTPUT_OUTPUT_SIZE);
  void *arena = guarded(bytes - strtoul(argv[2], NULL, 10));
  mbc_pool *pool = threads > 1 ? mbc_pool_create((uint32_t)threads, NULL) : NULL;
  if (threads > 1 && !pool) return 4;
  for (int i = 0; i < {NET}_INPUT_INPUT_SIZE; i++) x[i] = (float)(i % 17) / 8 - 1;
  const {net}_io io = {{x, y}};
  if ({net}_run(&io, arena, pool)) return 5;
  fprintf(stderr, "%zu", bytes);
  return fwrite(y, sizeof *y, {NET}_OUTPUT_OUTPUT_SIZE, stdout) != {NET}_OUTPUT_OUTPUT_SIZE;
}}
"""

MISSING = 16384  # more than scratch that is planned for a padded image but not used for a dense one

MOST = {"mobilenet_v1": 2_700_000, "mobilenet_v2": 1_400_000}
"""What the arena may be at 224x224 on one thread, optimised for memory."""


def built(net: str, target: str, folder: Path, options: tuple[str, ...]) -> Path:
    """The program of a network."""
    done("compile", EXAMPLES / f"{net}.py", *options, "--emit", "lib,header", "-o", folder / "out")
    source, program = folder / "caller.c", folder / "caller"
    source.write_text(CALLER.format(net=net, NET=net.upper()))
    inputs = [source, MAIN_SOURCES[1], folder / "out" / f"lib{net}.a"]
    triple = LinkTarget(resolve(target).link_triple)
    link_executable(inputs, program, triple, Zig(), include_dirs=[folder / "out"])
    return program


def run(program: Path, target: str, threads: int, missing: int = 0) -> tuple[int, str, np.ndarray]:
    """Exit status, stderr and the output."""
    command = [*EMULATORS[target], str(program), str(threads), str(missing)]
    ended = subprocess.run(command, capture_output=True)
    return ended.returncode, ended.stderr.decode(), np.frombuffer(ended.stdout, "<f4")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("net", "target"),
    part_of(
        product(MOST, ("arm64", "x86_64")),
        lambda *case: case in (("mobilenet_v1", "x86_64"), ("mobilenet_v2", "arm64")),
    ),
)
def test_an_arena_to_the_byte_before_a_guard_page(net: str, target: str, tmp_path: Path) -> None:
    options = ("-D", "softmax=false", "--target", target, "--optimize", "memory")
    program = built(net, target, tmp_path, options)
    report = json.loads(done("report", EXAMPLES / f"{net}.py", *options, "--memory", "--json").out)
    x = (np.arange(224 * 224 * 3) % 17).astype(np.float32).reshape(1, 224, 224, 3) / 8 - 1
    network = api.compile(
        EXAMPLES / f"{net}.py", params={"softmax": False}, level=0, backend="oracle"
    )
    reference = single(network, x)
    for threads in (1, 3) if target == "x86_64" else (1,):  # qemu is slow
        status, bytes, y = run(program, target, threads)
        assert status == 0, bytes
        assert relative_error(y[np.newaxis], reference) <= 1e-4
        several = report["shared_bytes"] + threads * report["scratch_bytes"]
        assert int(bytes) == (report["arena_bytes"] if threads == 1 else several)
    assert report["arena_bytes"] <= MOST[net]
    status, *_ = run(program, target, 1, missing=MISSING)
    assert -status == signal.SIGSEGV
