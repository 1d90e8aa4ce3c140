"""Find NVIDIA's compiler, and compile to machine code or PTX.

TVM's own call of it enables fast math, which flushes small numbers and divides approximately; here
it is off.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from mbc.backends.llvm.tool import run_tool
from mbc.backends.llvm.toolchain import LinkError
from mbc.diag import error
from mbc.files import scratch_folder

Form = Literal["ptx", "cubin"]
FORMS: tuple[Form, ...] = get_args(Form)

HELPS = (
    "--nvcc names one; without it the first on PATH is taken, or that of a pip package",
    "NVIDIA's CUDA toolkit has it, and so has the pip package nvidia-cuda-nvcc",
)


def find_nvcc(named: str | None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Find the compiler that --nvcc names, otherwise the one on PATH, otherwise that of a pip
    package. Raises E0601 if --nvcc names none."""
    if named is not None:
        found = shutil.which(named, path=environ.get("PATH"))
        if found is None:
            raise error("E0601", f"there is no nvcc '{named}'", helps=HELPS[:1])
        return Path(found)
    found = shutil.which("nvcc", path=environ.get("PATH"))
    return Path(found) if found else next(iter(_of_packages()), None)


def need_nvcc(named: str | None) -> Path:
    """Find the compiler; raises E0601 if there is none."""
    found = find_nvcc(named)
    if found is None:
        raise error("E0601", "CUDA kernels are compiled by nvcc, and there is none", helps=HELPS)
    return found


def _of_packages() -> list[Path]:
    spec = find_spec("nvidia")
    folders = spec.submodule_search_locations if spec else None
    return [path for folder in folders or () for path in sorted(Path(folder).glob("*/bin/nvcc"))]


def knows(nvcc: Path, arch: str) -> bool:
    """Whether the compiler supports an architecture ("sm_87"): new versions drop old GPUs."""
    return arch in _run(nvcc, "--list-gpu-code").split()


def compile_cuda(nvcc: Path, source: str, arch: str, form: Form) -> bytes:
    """Compile to machine code for an architecture, or to PTX for it and later ones. Raises E0602 if
    nvcc fails."""
    with scratch_folder() as scratch:
        text, out = scratch / "kernels.cu", scratch / f"kernels.{form}"
        text.write_text(source)
        _run(nvcc, f"-{form}", f"-arch={arch}", "-O3", str(text), "-o", str(out))
        return out.read_bytes()


def _run(nvcc: Path, *options: str) -> str:
    command = (str(nvcc), *options)
    with scratch_folder() as scratch:
        done = run_tool(command, cwd=scratch, env={**os.environ, "TMPDIR": str(scratch)})
    if done.returncode:
        raise LinkError(command, done.returncode, done.stderr or done.stdout)
    return done.stdout
