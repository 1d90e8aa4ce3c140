"""The instruction set extensions that code for a target may use, as far as they can be recognised.

The tables of CPUs are LLVM 22's, restricted to the features that `mbc.targets.conformance`
recognises in compiled code.
"""

from __future__ import annotations

from functools import cache

from mbc.targets.target import Target


@cache
def features_of(target: Target) -> frozenset[str]:
    """Return the features that code for the target may use: those of its CPU and those added,
    without those removed. A CPU that no table lists has only those that the target adds."""
    architecture = target.architecture
    added = [word[1:] for word in target.features if word.startswith("+")]
    removed = {word[1:] for word in target.features if word.startswith("-")}
    present = architecture.features_of(target.cpu) | architecture.closure(added)
    return frozenset(name for name in present if not architecture.closure([name]) & removed)
