"""GPUs as the TVM backend knows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Api = Literal["cuda", "opencl"]


@dataclass(frozen=True)
class Gpu:
    """How a GPU is programmed, and which one it is: "sm_87" for CUDA, "mali", "adreno" or ""
    (any) for OpenCL."""

    api: Api
    arch: str = ""
