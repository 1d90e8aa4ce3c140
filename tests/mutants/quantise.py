"""Seeded mistakes in how a network is brought to 8-bit codes."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

QUANTISE = "tests/numeric/test_quantise.py"

_scales = partial(Mutant, file="passes/quantising/scales.py", tests=QUANTISE)
_layers = partial(Mutant, file="passes/quantising/layers.py", tests=QUANTISE)
_rewrite = partial(Mutant, file="passes/quantising/rewrite.py", tests=QUANTISE)
_ranges = partial(Mutant, file="mbc/int8/quantisation.py", tests=QUANTISE)

MUTANTS = (
    _scales(
        "parts of a concatenation share a scale however narrow they are",
        old="MOST_APART = 4",
        new="MOST_APART = 4000",
    ),
    _scales(
        "a class forgets its narrowest member",
        old="min(spans, default=None)",
        new="max(spans, default=None)",
    ),
    _scales(
        "logits are stored as codes",
        old="(value in wanted or not _leaves_floats(node))",
        new="True",
    ),
    _layers(
        "the bias of a channel without weights has their scale",
        old="scales = np.maximum(most, least)",
        new="scales = most",
    ),
    _layers(
        "sums that no CPU converts are let through",
        old="    if most >= LARGEST_STEPS:\n        refuse_sums(node, most)\n\n",
        new="",
    ),
    _layers(
        "a correction is left out",
        old="plain if correction is None else plain + correction",
        new="plain",
    ),
    _rewrite(
        "what is returned stays on codes",
        old="[self._view(view, None, None) for view in self.graph.outputs]",
        new="list(self.graph.outputs)",
    ),
    _ranges(
        "a zero point is rounded down",
        old="round(-self.low / rounded)",
        new="int(-self.low / rounded)",
    ),
)
