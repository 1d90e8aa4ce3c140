"""A page on each kind of machine: `mbc compile`, then `mbc verify`, which compares what the output
folder computes with the oracle."""

from __future__ import annotations

from pathlib import Path

from mbc.driver.request import Silent
from mbc.driver.verify import verify
from tests.e2e.support import done, parameters
from tests.example_networks import Page

TOLERANCE = 1e-4

WAYS = {
    "x86_64": ("--target", "x86_64", "--emit", "exe"),
    "arm64": ("--target", "arm64", "--emit", "exe"),
    "armv7": ("--target", "armv7", "--emit", "exe"),
    "riscv64": ("--target", "riscv64", "--emit", "exe"),
    "tvm": ("--target", "native", "--backend", "tvm"),
    "opencl": ("--target", "opencl"),
}
"""Options of `mbc compile`; other CPUs are emulated, and OpenCL's device is the CPU with PoCL."""


def worst_error(page: Page, way: str, folder: Path, *, small: bool) -> float:
    """The largest relative error of any output by anything in the folder."""
    settings = [f"{key}={value}" for key, value in page.settings(small=small).items()]
    done("compile", page.file, *parameters(settings), *WAYS[way], "-o", folder)
    found = verify(folder, emulate=False, cpu=None, cc=None, observer=Silent())
    return max(
        difference.error for verdict in found.verdicts for difference in verdict.errors.values()
    )
