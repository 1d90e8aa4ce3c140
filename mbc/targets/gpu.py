"""GPUs of the TVM backend, by the names that `--target` and `--arch` take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from mbc.diag import error, nearest
from mbc.records import dataclass

Api = Literal["cuda", "opencl"]


@dataclass(frozen=True)
class Gpu:
    """A GPU."""

    api: Api
    """Programming interface."""
    arch: str = ""
    """Architecture: "sm_87" for CUDA; "mali", "adreno" or "" (any) for OpenCL."""

    def __str__(self) -> str:
        return f"{self.api} {self.arch}".rstrip()


@dataclass(frozen=True)
class GpuTarget:
    """A value of `--target` for GPUs."""

    api: Api
    """Programming interface, and the value itself."""
    description: str
    """One line for `mbc targets`."""
    arches: tuple[str, ...]
    """Values of `--arch`."""
    default: str
    """Architecture without `--arch`."""

    def named(self, arch: str | None) -> Gpu:
        """Return the GPU of an architecture, or of the default; raises E0507 for an unknown one."""
        if arch is None or arch in self.arches:
            return Gpu(self.api, self.default if arch is None else arch)
        known = f"{self.api} has {', '.join(self.arches)}"
        message = f"unknown architecture '{arch}' of {self.api} GPUs"
        raise error("E0507", message, helps=[*nearest(arch, self.arches), known])


GPU_TARGETS: tuple[GpuTarget, ...] = (
    GpuTarget(
        "cuda",
        "NVIDIA GPUs, through CUDA",
        ("sm_53", "sm_75", "sm_80", "sm_86", "sm_87", "sm_89", "sm_90"),
        "sm_75",  # whose PTX every later GPU takes
    ),
    GpuTarget("opencl", "GPUs of phones and boards, through OpenCL 1.2", ("mali", "adreno"), ""),
)

BOARD_GPUS: Mapping[str, Gpu] = {
    "jetson-nano": Gpu("cuda", "sm_53"),
    "jetson-orin": Gpu("cuda", "sm_87"),
}
"""GPUs of boards, for which `--backend tvm` compiles when a board is named."""

INSTEAD: Mapping[str, str] = {
    "adreno-texture": "--target opencl --arch adreno keeps tensors in buffers",
    "vulkan": "--target opencl runs on the same GPUs",
}
"""Targets that TVM's wheels cannot compile for, with alternatives."""


def find_gpu(name: str | None) -> GpuTarget | None:
    """Find the GPU target of that name; raises E0506 for one that TVM cannot compile for."""
    if name is not None and name in INSTEAD:
        message = f"TVM's pip package has no code generator for '{name}'"
        raise error("E0506", message, helps=[INSTEAD[name]])
    return next((gpu for gpu in GPU_TARGETS if gpu.api == name), None)
