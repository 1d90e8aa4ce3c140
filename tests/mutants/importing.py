"""Seeded mistakes in how models of other formats are read."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

OPTIONS = "tests/numeric/test_onnx_options.py"
HOSTILE = "tests/hostile/test_onnx_files.py"

_cut = partial(Mutant, file="frontends/onnx/importer/cut.py", tests=OPTIONS)
_data = partial(Mutant, file="frontends/onnx/importer/external.py", tests=HOSTILE)

MUTANTS = (
    _cut(
        "a model may need more inputs than are named",
        old="    _refuse_missing([v.name for",
        new="    ([v.name for",
    ),
    _cut(
        "an absent operand is a value that is needed",
        old='            wanted |= {*node.input} - {""}\n',
        new="            wanted |= {*node.input}\n",
    ),
    _cut(
        "shapes of the model's own inputs say nothing of a part of it",
        old="        set_shapes(before, options.shapes)\n",
        new="",
    ),
    Mutant(
        "channels that come first are moved nowhere",
        file="frontends/lowering/walk.py",
        old="    return b.moved_by(Transpose(IMAGE), given)",
        new="    return b.reshaped(given, type.shape)",
        tests=OPTIONS,
    ),
    Mutant(
        "every input is an image",
        file="mbc/runtime/abi.py",
        old="planar=planar and len(io.shape) == 4)",
        new="planar=planar)",
        tests=OPTIONS,
    ),
    _data(
        "links may leave the folder",
        old="    if not inside:\n",
        new="    if not paths:\n",
    ),
    _data(
        "a device is a file",
        old="            if not stat.S_ISREG(found.st_mode):\n",
        new="            if stat.S_ISDIR(found.st_mode):\n",
    ),
    _data(
        "data may end anywhere",
        old="            if offset + length > found.st_size:\n",
        new="            if False:\n",
    ),
    _data(
        "one part of a file is as much data as it is read",
        old="        total += _bytes(tensor)\n",
        new="        total = _bytes(tensor)\n",
    ),
)
