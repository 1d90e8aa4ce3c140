"""The C of main and of headers by the strictest of compilers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mbc.backends.llvm.link import MAIN_SOURCES
from mbc.backends.llvm.toolchain import LinkTarget, Zig
from mbc.runtime.abi import NetSpec
from mbc.runtime.header import c_header
from tests.e2e.main_programs import PAIR, TWICE, write_sources

Compile = Callable[..., None]
STRICT = ("-O2", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wpedantic", "-Werror", "-c")


@pytest.fixture
def compile_strictly(tmp_path: Path) -> Compile:
    def compile_(source: Path, *flags: str) -> None:
        zig = Zig()
        compiler = zig.compiler(LinkTarget("x86_64-linux-musl"))
        words = [*compiler, *STRICT, *flags, str(source), f"-I{tmp_path}", "-o", "object.o"]
        environment = {**os.environ, **zig.environment(tmp_path)}
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")

    return compile_


@pytest.mark.parametrize("net", [TWICE, PAIR], ids=lambda net: str(net.name))
def test_main_c_compiles_without_warnings(
    net: NetSpec, compile_strictly: Compile, tmp_path: Path
) -> None:
    write_sources(tmp_path, net, "")
    for source in MAIN_SOURCES:
        compile_strictly(source, "-std=c11")


def test_two_headers_go_together_in_c_and_in_cxx(compile_strictly: Compile, tmp_path: Path) -> None:
    for net in (TWICE, PAIR):
        (tmp_path / f"{net.name}.h").write_text(c_header(net))
    source = tmp_path / "both.c"
    source.write_text(
        '#include "net.h"\n#include "pair.h"\n#include "net.h"\n'
        "int both(const net_io *n, const pair_io *p, void *m, mbc_pool *pool);\n"
        "int both(const net_io *n, const pair_io *p, void *m, mbc_pool *pool) {\n"
        "  return net_run(n, m, pool) + pair_run(p, m, pool);\n}\n"
    )
    compile_strictly(source, "-std=c11")
    compile_strictly(source, "-x", "c++", "-std=c++11")
