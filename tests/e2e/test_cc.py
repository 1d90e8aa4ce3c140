"""`--cc`: the compilers that Debian has for this machine and for others make all kinds of files."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.support import done, relative_error

COMPILERS = {
    "gcc": ("x86_64", ()),
    "clang": ("x86_64", ()),
    "aarch64-linux-gnu-gcc": ("arm64", ("qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu")),
    "arm-linux-gnueabihf-gcc": ("armv7", ("qemu-arm-static", "-L", "/usr/arm-linux-gnueabihf")),
}

# Links the shared library; sixteen times sixteen pixels of three channels, all 0.5.
CALLER = """\
#include <stdio.h>
#include <stdlib.h>
#include "tiny.h"
static float x[TINY_INPUT_INPUT_SIZE], y[TINY_OUTPUT_OUTPUT_SIZE];
int main(void) {
  for (int i = 0; i < TINY_INPUT_INPUT_SIZE; i++) x[i] = 0.5f;
  const tiny_io io = {x, y};
  void *arena = aligned_alloc(TINY_ALIGNMENT, TINY_ARENA_BYTES);
  if (tiny_run(&io, arena, NULL)) return 1;
  free(arena);
  return fwrite(y, sizeof *y, TINY_OUTPUT_OUTPUT_SIZE, stdout) != TINY_OUTPUT_OUTPUT_SIZE;
}
"""


@pytest.mark.parametrize("compiler", COMPILERS)
def test_every_kind_of_file_by_a_compiler_of_the_user(compiler: str, tiny: Path) -> None:
    target, emulator = COMPILERS[compiler]
    kinds = ("--emit", "exe,lib,so,header")
    done("compile", tiny, "--target", target, "--cc", compiler, *kinds, "-o", "out")
    assert "verified" in done("verify", "out", "--cc", compiler).out
    np.save("x.npy", np.full((1, 16, 16, 3), 0.5, np.float32))
    done("run", tiny, "--backend", "oracle", "--input", "x.npy", "--output", "y.npy")

    Path("caller.c").write_text(CALLER)
    place = ("-Iout", "-Lout", "-Wl,-rpath,$ORIGIN/out")
    command = [compiler, "-std=c11", "-Wall", "-Werror", "caller.c", *place, "-ltiny"]
    subprocess.run([*command, "-o", "caller"], check=True)
    said = subprocess.run([*emulator, "./caller"], capture_output=True, check=True).stdout
    assert relative_error(np.frombuffer(said, "<f4")[np.newaxis], np.load("y.npy")) <= 1e-4


def test_the_variable_names_a_compiler_too(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MBC_CC", "gcc -DIN_PARTS")
    done("compile", tiny, "--emit", "exe", "-o", "out")
    assert "verified" in done("verify", "out").out
