"""TVM's compiler and linker: from an IRModule to a shared library that TVM's runtime loads.

A library names no other library: what it calls, its runtime and the libc, is in the process that
loads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mbc.backends.llvm.shared import link_shared
from mbc.backends.llvm.toolchain import LinkTarget, Toolchain
from mbc.backends.tvm.require import tvm
from mbc.targets.target import Target


def cpu_target(target: Target) -> dict[str, Any]:
    """Return TVM's description of a CPU."""
    named: dict[str, Any] = {"kind": "llvm", "mtriple": target.triple, "mcpu": target.cpu}
    if target.features:
        named["mattr"] = list(target.features)
    if target.hard_float:
        named["mfloat-abi"] = "hard"
    return named


def compile_module(module: Any, target: dict[str, Any]) -> Any:
    """Compile a module to an executable of TVM's virtual machine by TVM's default pipeline."""
    chosen = tvm().target.Target(target)
    pipeline = tvm().relax.get_default_pipeline(chosen)
    return tvm().compile(module, target=chosen, relax_pipeline=pipeline)


def export(executable: Any, out: Path, platform: LinkTarget, toolchain: Toolchain) -> None:
    """Write NET.so."""
    executable.export_library(str(out), fcompile=_Linker(platform, toolchain))


class _Linker:
    """The linker that TVM calls."""

    object_format = "o"
    output_format = "so"

    def __init__(self, platform: LinkTarget, toolchain: Toolchain) -> None:
        self._platform, self._toolchain = platform, toolchain

    def __call__(self, output: str, objects: Sequence[str], options: object = None) -> None:
        paths = [Path(name) for name in objects]
        link_shared(paths, Path(output), self._platform, self._toolchain)
