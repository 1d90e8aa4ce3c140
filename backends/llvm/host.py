"""The CPU that mbc runs on, as LLVM names it."""

from __future__ import annotations

import llvmlite.binding as llvm


def host_cpu() -> str:
    """LLVM's name of this CPU."""
    return str(llvm.get_host_cpu_name())


def host_features() -> frozenset[str]:
    """Features of this CPU, without sign."""
    features = llvm.get_host_cpu_features()
    return frozenset(name for name, present in features.items() if present)
