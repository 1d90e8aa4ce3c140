"""Which extensions of its instruction set code for a target may use, as far as instructions can be
told apart. The tables of CPUs are LLVM 22's, restricted to the features that
`mbc.targets.conformance` recognises in compiled code.
"""

from __future__ import annotations

from mbc.targets.target import Target


def features_of(target: Target) -> frozenset[str]:
    """What code for the target may use: its CPU's features, those added and not those removed; a
    CPU that the tables lack has what the target lists."""
    architecture = target.architecture
    added = [word[1:] for word in target.features if word.startswith("+")]
    removed = {word[1:] for word in target.features if word.startswith("-")}
    present = architecture.features_of(target.cpu) | architecture.closure(added)
    return frozenset(name for name in present if not architecture.closure([name]) & removed)
