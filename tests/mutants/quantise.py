"""Seeded mistakes in how a network is brought to 8-bit codes."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

QUANTISE = "tests/numeric/test_quantise.py"

_scales = partial(Mutant, file="passes/quantising/scales.py", tests=QUANTISE)
_layers = partial(Mutant, file="passes/quantising/layers.py", tests=QUANTISE)
_rewrite = partial(Mutant, file="passes/quantising/rewrite.py", tests=QUANTISE)
_ranges = partial(Mutant, file="mbc/int8/quantisation.py", tests=QUANTISE)
_tables = partial(Mutant, file="passes/quantising/tables.py", tests=QUANTISE)
_affine = partial(Mutant, file="passes/quantising/affine.py", tests=QUANTISE)
_oracle = partial(Mutant, tests="tests/numeric/test_arithmetic_on_codes.py")
_file = partial(Mutant, file="mbc/int8/file.py", tests="tests/unit/test_quantisation_file.py")

_stated = partial(Mutant, tests="tests/numeric/test_stated_codes.py")

MUTANTS = (
    _stated(
        "what others read too is on the codes of a clip",
        file="passes/quantising/given.py",
        old="if graph.single_user(x) is node and not graph.is_output(x):",
        new="if True:",
    ),
    _stated(
        "a concatenation takes over parts whose codes are stated",
        file="passes/quantising/scales.py",
        old="if one.stated is None and fits:",
        new="if fits:",
    ),
    _stated(
        "what a model says nothing of may be on codes",
        file="passes/quantising/scales.py",
        old="        if value not in given and value not in moved:",
        new="        if False:",
    ),
    _stated(
        "multipliers of a model are rounded once",
        file="passes/quantising/layers.py",
        old="np.float64 if self.stated is None else np.float32",
        new="np.float64",
    ),
    _stated(
        "any weights are codes of the scales that are stated",
        file="passes/quantising/layers.py",
        old="if np.abs(codes - np.rint(codes)).max(initial=0.0) > FROM_CODES:",
        new="if False:",
    ),
    _stated(
        "what a model rounds is read unrounded",
        file="passes/quantising/rewrite.py",
        old="if found is F32 and stated is not None and stated != element:",
        new="if False:",
    ),
    _stated(
        "clips to the range of codes stay",
        file="passes/quantising/rewrite.py",
        old="return low <= 0 and high >= LARGEST_CODE",
        new="return False",
    ),
    _stated(
        "a clip is folded that brings other codes about",
        file="passes/fold_constants.py",
        old="            if not _rounds(node, stated):",
        new="            if True:",
    ),
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
    _tables(
        "a table forgets the zero point of what is read",
        file="mbc/ops/quantized.py",
        old="(np.arange(256) - np.float64(x.zero)) * x.scale",
        new="np.arange(256) * x.scale",
    ),
    _affine(
        "a batch norm that becomes a layer loses its shift",
        old="[found.x, weight, bias])",
        new="[found.x, weight])",
    ),
    _scales(
        "the number of a pad is out of range",
        old="        if fits and isinstance(node.op, Pad) and not node.op.lowest:",
        new="        if False:",
    ),
    _oracle(
        "weights of pixels are rounded down",
        file="mbc/ops/resize.py",
        old="np.rint(self.weight * WEIGHT_STEPS)",
        new="np.floor(self.weight * WEIGHT_STEPS)",
    ),
    _oracle(
        "a product of codes has the scale of a sum",
        file="mbc/ops/quantized.py",
        old="a.scale * b.scale / to.scale",
        new="a.scale / to.scale",
    ),
    _file(
        "ranges of other weights are taken",
        old="elif self.origin.weights_digest != weights_digest(graph):",
        new="elif False:",
    ),
    _file(
        "entries that mean nothing are passed over",
        old="    if table:\n        raise",
        new="    if False:\n        raise",
    ),
    _ranges(
        "a zero point is rounded down",
        old="round(-self.low / rounded)",
        new="int(-self.low / rounded)",
    ),
)
