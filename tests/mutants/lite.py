"""Seeded mistakes in how models of TensorFlow Lite are read."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

MODELS = "tests/numeric/test_tflite_import.py"
MOVES = "tests/numeric/test_tflite_moves.py"
CODES = "tests/numeric/test_tflite_codes.py"
FORMS = "tests/numeric/test_tflite_weights.py"
BROKEN = "tests/hostile/test_tflite_codes.py"
HOSTILE = "tests/hostile/test_tflite_files.py"
FOLDING = "tests/unit/test_tflite_folding.py"

_read = partial(Mutant, file="frontends/tflite/read.py", tests=HOSTILE)
_prepare = partial(Mutant, file="frontends/tflite/prepare.py", tests=HOSTILE)
_translation = partial(Mutant, file="frontends/tflite/translation.py", tests=MODELS)
_windows = partial(Mutant, file="frontends/tflite/ops/windows.py", tests=MODELS)
_arrays = partial(Mutant, file="frontends/tflite/arrays.py", tests=FOLDING)
_codes = partial(Mutant, file="frontends/tflite/codes.py", tests=CODES)
_cut = partial(Mutant, file="frontends/tflite/cut.py", tests=HOSTILE)

MUTANTS = (
    _read(
        "parts of a file may overlap without end",
        old="        if self.left < 0:\n",
        new="        if False:\n",
    ),
    _read(
        "texts cost nothing",
        old='        self.spend(len(found or b""))\n',
        new="",
    ),
    _read(
        "names are not their own",
        file="frontends/lowering/names.py",
        old="    while taken[found]:\n",
        new="    while False:\n",
        tests=MOVES,
    ),
    _read(
        "extents may be negative",
        old=" or min(shape, default=0) < 0:",
        new=":",
    ),
    _read(
        "any version is read",
        old="        if root.Version() != VERSION:\n",
        new="        if False:\n",
    ),
    _prepare(
        "results may be defined twice",
        old="            if number in known:\n",
        new="            if False:\n",
    ),
    _prepare(
        "tensors may be read before they are computed",
        old="        if number not in known:\n",
        new="        if False:\n",
    ),
    _codes(
        "floats and codes may meet",
        file="frontends/tflite/ops/quantised.py",
        old="    if len({t.known.element(number) is None for number in (*read, *made)}) > 1:\n",
        new="    if False:\n",
        tests=BROKEN,
    ),
    _codes(
        "codes may change their meaning as they are moved",
        file="frontends/tflite/ops/quantised.py",
        old="        if own is None or source is None or not near(source, own):\n",
        new="        if False:\n",
        tests=BROKEN,
    ),
    _codes(
        "zero points may be no codes",
        old="    if zero.size and not low <= zero.min() <= zero.max() <= high:\n",
        new="    if False:\n",
        tests=BROKEN,
    ),
    _codes(
        "weights keep their steps however far they reach",
        old=" * np.maximum(most / LARGEST_WEIGHT, 1)\n",
        new="\n",
        tests=FORMS,
    ),
    _codes(
        "biases are steps of the weights that were rounded",
        file="frontends/tflite/layers.py",
        old="t.known.sums.get(weight)\n",
        new="t.known.weights.get(weight)\n",
    ),
    _codes(
        "dead channels have the steps of the file",
        old="    given = np.where(given < SMALLEST_SCALE, 0.0, given)",
        new="    given = given",
        tests=FORMS,
    ),
    _codes(
        "float layers compute on codes",
        file="frontends/tflite/translation.py",
        old="            self.known.float_layers.update(made)\n",
        new="            pass\n",
        tests=FORMS,
    ),
    _codes(
        "the upper half of a byte comes first",
        file="frontends/tflite/arrays.py",
        old="    halves = np.stack([data << 4, data], axis=-1)",
        new="    halves = np.stack([data, data << 4], axis=-1)",
        tests=FOLDING,
    ),
    _translation(
        "axes are those of the file",
        old="        return image_axis(axis % rank, rank)\n",
        new="        return axis % rank\n",
        tests=MOVES,
    ),
    _translation(
        "an operand with fewer axes begins at the front",
        old="        wide = (1,) * (rank - len(shape)) + shape\n",
        new="        wide = shape + (1,) * (rank - len(shape))\n",
    ),
    _translation(
        "fused activations are left out",
        file="frontends/tflite/activations.py",
        old='    if "FusedActivationFunction" not in operator.options:\n',
        new="    if True:\n",
    ),
    _windows(
        "what is cut off a transposed convolution begins with the larger part",
        old="    first = max((count - 1) * step + window - wanted, 0) // 2\n",
        new="    first = (max((count - 1) * step + window - wanted, 0) + 1) // 2\n",
    ),
    _windows(
        "nearest pixels are never rounded up",
        old='"floor" if grid == "asymmetric" else "round_prefer_ceil"',
        new='"floor"',
        tests=MOVES,
    ),
    _windows(
        "beta of softmax is 1",
        file="frontends/tflite/ops/pointwise.py",
        old="    if beta != 1:\n",
        new="    if False:\n",
    ),
    _arrays(
        "places of a sparse axis may lie outside",
        old="    inside = not indices.size or 0 <= indices.min() <= indices.max() < extent\n",
        new="    inside = True\n",
    ),
    _arrays(
        "a sparse tensor may be of any size",
        old="    if elements > MAX_SPREAD:\n",
        new="    if False:\n",
    ),
    _arrays(
        "zero points do not count",
        file="frontends/tflite/codes.py",
        old="zero = tensor.scales.zero if tensor.scales.zero.size else None",
        new="zero = None",
    ),
    _cut(
        "a part may need more inputs than are named",
        old="        refuse_missing(_names(model, others))\n",
        new="",
    ),
    Mutant(
        "a model's shapes are believed",
        file="frontends/lowering/walk.py",
        old="    if said != x.shape:\n",
        new="    if False:\n",
        tests=HOSTILE,
    ),
    Mutant(
        "channels that are selected several times come once",
        file="frontends/lowering/rules/grid.py",
        old="    if x.along(axis) is not None and len({*indices.tolist()}) < indices.size:\n",
        new="    if False:\n",
        tests=MOVES,
    ),
)
"""One a guard."""
