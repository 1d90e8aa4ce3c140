"""Seeded mistakes in how models of TensorFlow Lite are read."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

MODELS = "tests/numeric/test_tflite_import.py"
MOVES = "tests/numeric/test_tflite_moves.py"
HOSTILE = "tests/hostile/test_tflite_files.py"
FOLDING = "tests/unit/test_tflite_folding.py"

_read = partial(Mutant, file="frontends/tflite/read.py", tests=HOSTILE)
_prepare = partial(Mutant, file="frontends/tflite/prepare.py", tests=HOSTILE)
_translation = partial(Mutant, file="frontends/tflite/translation.py", tests=MODELS)
_windows = partial(Mutant, file="frontends/tflite/ops/windows.py", tests=MODELS)
_arrays = partial(Mutant, file="frontends/tflite/arrays.py", tests=FOLDING)
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
    _prepare(
        "weights alone may be quantised",
        old="    return bool(integers)\n",
        new="    return any(t.data is None for t in integers)\n",
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
        old="        act = activation_of(self.operator)\n",
        new='        act = "NONE"\n',
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
        old="scales.zero if scales.zero.size else None",
        new="None",
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
