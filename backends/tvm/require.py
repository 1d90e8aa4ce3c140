"""TVM itself, imported on first use and only in a pair of versions that works.

apache-tvm declares no upper bound on apache-tvm-ffi, yet the two share structures in memory: with
tvm-ffi 0.1.15 this release of TVM imports, compiles, and then crashes in schedules. So the pair is
checked before anything is loaded, for a crash leaves no message.
"""

from __future__ import annotations

import os
import re
from functools import cache
from importlib import metadata
from typing import Any

from mbc.diag import error
from mbc.extras import optional_module

EXTRA = "tvm"
TVM = "0.27.0.post1"
FFI = "0.1.14"  # any of its post-releases

# By default TVM pins the thread that first runs something to one CPU, which all that it does later
# and all its children inherit. And at exit idle threads must first have given way 300,000 times,
# which takes minutes where other processes compute.
THREADS = {"TVM_BIND_THREADS": "0", "TVM_THREAD_POOL_SPIN_COUNT": "10000"}

RPC_NEEDS = "cloudpickle", "psutil"

PAIR = f"apache-tvm=={TVM}", f"apache-tvm-ffi>={FFI}.post0,<0.1.15"


@cache
def tvm() -> Any:
    """Import tvm with its subpackages relax, s_tir and tirx. Raises E0610 without the extra, E0613
    for versions that do not go together."""
    check_pair(_version("apache-tvm"), _version("apache-tvm-ffi"))
    for name, value in THREADS.items():
        os.environ.setdefault(name, value)
    module = optional_module("tvm", EXTRA)
    for name in ("tvm.relax", "tvm.s_tir", "tvm.tirx"):
        optional_module(name, EXTRA)
    return module


@cache
def rpc() -> Any:
    """Import TVM's RPC client, tvm.rpc. Raises E0610 without the packages that it imports."""
    tvm()
    for name in RPC_NEEDS:
        optional_module(name, EXTRA)
    return optional_module("tvm.rpc", EXTRA)


def psutil() -> Any:
    """Import psutil, which TVM's RPC client needs as well."""
    return optional_module("psutil", EXTRA)


def ffi() -> Any:
    """Import tvm_ffi after the same check."""
    tvm()
    return optional_module("tvm_ffi", EXTRA)


def check_pair(found: str | None, found_ffi: str | None) -> None:
    """E0613 unless these are the versions that go together; None, which is not installed, passes,
    for the import says so."""
    wrong = [
        f"{name} {version}"
        for name, version, right in (
            ("apache-tvm", found, found == TVM),
            ("apache-tvm-ffi", found_ffi, _is_ffi(found_ffi or "")),
        )
        if version is not None and not right
    ]
    if wrong:
        right = " and ".join(PAIR)
        helps = ["pip install " + " ".join(f"'{spec}'" for spec in PAIR)]
        raise error("E0613", f"{' and '.join(wrong)} found; mbc works with {right}", helps=helps)


def _is_ffi(version: str) -> bool:
    return re.fullmatch(rf"{re.escape(FFI)}\.post\d+", version) is not None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
