"""Seeded mistakes in how the oracle saves memory."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

STRIPS = "tests/numeric/test_strips.py"

_strips = partial(Mutant, file="mbc/interp/strips.py", tests=STRIPS)
_run = partial(Mutant, file="mbc/interp/run.py", tests=STRIPS)

MUTANTS = (
    _strips(
        "rows in the padding above count up to the strip's end",
        old="max(0, min(end, 0) - first)",
        new="max(0, -first)",
    ),
    _strips(
        "rows in the padding below count from the image's end",
        old="end - max(first, height)",
        new="end - height",
    ),
    _strips(
        "a strip reads as if the window were not dilated",
        old="(self.kernel[0] - 1) * self.dilation[0] + 1",
        new="self.kernel[0]",
    ),
    _strips(
        "a strip has the residual of the first rows",
        old="a[image, span] if is_cut",
        new="a[image, : span.stop - span.start] if is_cut",
    ),
    _strips(
        "strips end within a block of BLAS",
        old="BLOCK // gcd(BLOCK, width) if",
        new="1 if",
        tests=f"{STRIPS}::test_strips_have_the_bits_of_the_whole",
    ),
    _strips(
        "a strip's layout in memory is forgotten",
        old="result = np.empty_like(x, dtype=made.dtype)",
        new="result = np.empty(x.shape, x.dtype)",
    ),
    _run(
        "values are kept to the end",
        old="done.append((seen | set(node.results)) - read)",
        new="done.append(set())",
    ),
    _run(
        "an output that is an input is the caller's own memory",
        old="found.copy() if any(",
        new="found if any(",
    ),
)
