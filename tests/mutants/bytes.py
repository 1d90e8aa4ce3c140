"""Seeded mistakes in networks that take bytes."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

NUMBERS, COMMANDS = "tests/numeric/test_byte_inputs.py", "tests/e2e/test_byte_inputs.py"
KERNELS = "tests/backends/test_integer_kernels.py"

_inputs = partial(Mutant, file="passes/byte_inputs.py", tests=NUMBERS)
_codes = partial(Mutant, file="passes/quantising/bytes.py", tests=NUMBERS)
_layers = partial(Mutant, file="passes/quantising/layers.py", tests=NUMBERS)
_rows = partial(Mutant, file="backends/llvm/kernels/byte_rows.py", tests=KERNELS)
_driver = partial(Mutant, file="mbc/driver/byte_inputs.py", tests=COMMANDS)

MUTANTS = (
    _inputs(
        "means are not taken off",
        old="    if numbers.is_shifted:\n        found",
        new="    if False:\n        found",
    ),
    _inputs(
        "any node by itself behind an input counts as one that was added",
        old=" and result.is_added and result.name.startswith(name)",
        new="",
    ),
    _codes(
        "layers that pad read bytes too",
        old="not (padded and self.numbers.is_shifted)",
        new="True",
    ),
    _codes(
        "a table has one column for all channels",
        old="(256,) if numbers.is_uniform else",
        new="(256,) if True else",
    ),
    _layers(
        "the bias of a layer that reads bytes forgets the means",
        old="            steps -= (self.codes",
        new="            steps -= 0 * (self.codes",
    ),
    _layers(
        "a correction is kept for weights that round otherwise",
        old="    if numbers is not None and numbers.scales.size > 1:\n",
        new="    if False:\n",
    ),
    _rows(
        "each vector of a row begins with the first channel",
        old="numbers[(first + lane) % numbers.size]",
        new="numbers[lane % numbers.size]",
    ),
    _rows(
        "rows end with the last whole turn",
        old="        self._emit_part(f, at, count - whole)\n",
        new="",
    ),
    _driver(
        "--preprocess says nothing of bytes",
        old="    if request.preprocess is not None:\n",
        new="    if False:\n",
    ),
    Mutant(
        "photos are normalised before the network does it",
        file="mbc/runtime/inputs.py",
        old="how.normalising(AS_THEY_ARE) if spec.element is U8 else how",
        new="how",
        tests=COMMANDS,
    ),
)
