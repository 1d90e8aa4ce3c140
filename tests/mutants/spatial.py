"""Seeded mistakes in resizes, layer norms and transposed convolutions."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

RESIZE = "tests/numeric/test_resize.py"
TRANSPOSED = "tests/numeric/test_transposed.py"
LAYER_NORM = "tests/numeric/test_layer_norm.py"
KERNELS = "tests/backends/test_kernels.py"

_resize = partial(Mutant, file="mbc/ops/resize.py", tests=RESIZE)
_op = partial(Mutant, file="mbc/ops/transposed.py", tests=TRANSPOSED)
_kernel = partial(Mutant, file="backends/llvm/kernels/transposed.py", tests=KERNELS)

MUTANTS = (
    _resize(
        "a coordinate may lie beyond the last pixel",
        old="np.clip(steps, 0, (size - 1) * divisor)",
        new="np.clip(steps, 0, size * divisor)",
    ),
    _resize(
        "a pixel that is read alone is read twice, once with no weight",
        old="np.where(alone, 0.5, rest / divisor)",
        new="np.where(False, 0.5, rest / divisor)",
    ),
    _resize(
        "sides have no bound",
        old="(largest := max(height, width, *self.size)) > MAX_SIDE",
        new="(largest := 0) > MAX_SIDE",
    ),
    _resize(
        "bilinear rounds",
        old='self.mode == "nearest" or self.rounding == "floor"',
        new="True",
    ),
    Mutant(
        "what is infinite spreads to pixels that do not weigh it",
        file="mbc/interp/resize.py",
        old="np.where(share == 0, first, between)",
        new="between",
        tests=RESIZE,
    ),
    Mutant(
        "a scale that gives no whole extent is rounded",
        file="frontends/lowering/rules/spatial.py",
        old="return isclose(self.out, self.size * self.scale, rel_tol=1e-6)",
        new="return True",
        tests=RESIZE,
    ),
    Mutant(
        "the last vector of channels begins behind them",
        file="backends/llvm/kernels/resize.py",
        old="(channels - f.isa.lanes) if whole else 0",
        new="channels if whole else 0",
        tests=KERNELS,
    ),
    Mutant(
        "lanes behind the channels are summed up",
        file="backends/llvm/kernels/norm.py",
        old="totals.append(select(f, _first_lanes(f, channels.tail), last, zero))",
        new="totals.append(last)",
        tests=KERNELS,
    ),
    Mutant(
        "of several axes that are normalised, the last one is",
        file="frontends/lowering/rules/pointwise.py",
        old="    if axis != x.rank - 1:\n",
        new="    if False:\n",
        tests=LAYER_NORM,
    ),
    _op(
        "a kernel may be smaller than its stride",
        old="all(size >= step for size, step in zip(kernel, self.stride, strict=True))",
        new="True",
    ),
    _op(
        "more rows may be added than a stride has",
        old="all(more < step for more, step in zip(self.more, self.stride, strict=True))",
        new="True",
    ),
    _op(
        "rows that are cut off are made",
        old="-(-max(-first, 0) // stride), -(-(out - first) // stride)",
        new="0, -(-(out - first) // stride)",
    ),
    _kernel(
        "columns to the left of the image are those of the row before",
        old="return max(0, *(len(phase.taps) - 1 - phase.start for phase in self.columns))",
        new="return 0",
    ),
    _kernel(
        "taps are in the order of the filter",
        old="weight[list(row.taps[::-1])][:, list(column.taps[::-1])]",
        new="weight[list(row.taps)][:, list(column.taps)]",
    ),
    _kernel(
        "the last row of a phase is not made",
        old="{offset}, {row.stop - row.start}",
        new="{offset}, {row.stop - row.start - 1}",
    ),
    Mutant(
        "groups of a transposed weight are not turned",
        file="mbc/ops/transposed.py",
        old="return parts.transpose(3, 4, 1, 0, 2).reshape(",
        new="return parts.transpose(3, 4, 0, 1, 2).reshape(",
        tests=TRANSPOSED,
    ),
    Mutant(
        "what is too much is cut off on the other side",
        file="frontends/lowering/rules/transposed.py",
        old='cut = (less, rest) if mode == "SAME_UPPER" else (rest, less)',
        new="cut = (less, rest)",
        tests="tests/numeric/test_onnx_import.py",
    ),
)
