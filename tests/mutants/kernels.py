"""Seeded mistakes in what kernels may touch."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

MEMORY = "tests/backends/test_kernel_memory.py::test_kernels_touch_what_is_their_own"

_shufflenet = partial(Mutant, tests=f"{MEMORY}[shufflenet_v2-scale1.0-avx2]")
_mobilenet = partial(Mutant, tests=f"{MEMORY}[mobilenet_v2-avx2]")

_strassen = partial(
    Mutant, file="backends/llvm/kernels/strassen.py", tests="tests/backends/test_kernels.py"
)

_window = partial(Mutant, file="backends/llvm/window.py", tests="tests/backends/test_kernels.py")

_gemm = partial(Mutant, tests="tests/backends/test_kernels.py")

_split = partial(Mutant, tests="tests/backends/test_split_units.py")

_subnormal = partial(Mutant, tests="tests/backends/test_subnormal_weights.py")

MUTANTS = (
    Mutant(
        "slopes are read where the last k-steps of rows have weights",
        file="backends/llvm/gemm_tile.py",
        old="f.offset(here.weights, left * step)",
        new="here.weights",
        tests="tests/backends/test_split_units.py",
    ),
    Mutant(
        "weights that are multiplied by a gate have no slopes beside them, and none are missed",
        file="backends/llvm/kernels/scaled.py",
        old='    if product["slope"] is not None:\n        return',
        new="    if False:\n        return",
        tests="tests/unit/test_slopes.py",
    ),
    Mutant(
        "Strassen's method leaves slopes out",
        file="backends/llvm/kernels/linear.py",
        old=' and node["slope"] is None',
        new="",
        tests="tests/unit/test_slopes.py",
    ),
    Mutant(
        "GPUs leave slopes out",
        file="backends/tvm/gpu/backend.py",
        old="        refusal = refusal or slope_refusal(node)\n",
        new="",
        tests="tests/unit/test_slopes.py",
    ),
    Mutant(
        "sums of squares read what lay beside the channels",
        file="backends/llvm/kernels/lrn.py",
        old='    zero_bytes(f, "%scratch", scratch)\n',
        new="",
        tests="tests/backends/test_special_values.py::test_special_values_are_the_oracles",
    ),
    Mutant(
        "an even window has its odd channel before",
        file="mbc/ops/rows.py",
        old="min((self.size - 1) // 2, channels - 1), min(self.size // 2, channels - 1)",
        new="min(self.size // 2, channels - 1), min((self.size - 1) // 2, channels - 1)",
        tests="tests/numeric/test_lrn.py",
    ),
    _subnormal(
        "subnormal weights are packed as they are",
        "backends/weights.py",
        old="return flushed(np.ascontiguousarray(weights))",
        new="return np.ascontiguousarray(weights)",
    ),
    _subnormal(
        "TVM's calls of our kernels have subnormal weights",
        "backends/tvm/cpu/kernels.py",
        old="flat = packed_array(weights).reshape(-1)",
        new="flat = np.ascontiguousarray(weights, np.float32).reshape(-1)",
    ),
    _subnormal(
        "TVM's own ops have subnormal weights",
        "backends/tvm/legal/expressions.py",
        old="relax.const(flushed(array))",
        new="relax.const(array)",
    ),
    _subnormal(
        "GPUs have subnormal weights",
        "backends/tvm/gpu/draft.py",
        old="Weights(flushed(np.ascontiguousarray(array)).ravel())",
        new="Weights(np.ascontiguousarray(array).ravel())",
    ),
    Mutant(
        "under TVM subnormal numbers are computed with",
        "backends/llvm/subnormals.py",
        old="%any = icmp ne i32 %on, 0",
        new="%any = icmp eq i32 %on, 4",
        tests="tests/backends/test_tvm_kernels.py",
    ),
    Mutant(
        "in process subnormal numbers are computed with",
        "backends/llvm/jit.py",
        old='f"{net}_invoke_flushing"',
        new='f"{net}_invoke"',
        tests="tests/backends/test_subnormals.py",
    ),
    Mutant(
        "subnormal numbers stay flushed after a run",
        "backends/llvm/subnormals.py",
        old="flush_subnormals(i32 %before)",
        new="flush_subnormals(i32 1)",
        tests="tests/backends/test_subnormals.py",
    ),
    Mutant(
        "results alone are flushed",
        "backends/llvm/subnormals.py",
        old="or {type} %some, %new.operands",
        new="or {type} %some, 0",
        tests="tests/backends/test_subnormals.py",
    ),
    Mutant(
        "the oracle computes with subnormal results",
        "mbc/interp/run.py",
        old="        flush(result)",
        new="        pass",
        tests="tests/unit/test_subnormals.py",
    ),
    _strassen(
        "a product has the bias of the other columns",
        old="Q21: left, Q22: -left",
        new="Q21: right, Q22: -right",
    ),
    _strassen(
        "short blocks of pairs begin as if they were tall",
        old='return f.binary("sub", row, short)',
        new="return row",
    ),
    _strassen(
        "the activation comes with any product",
        old="adds, final = number != users[0], number == users[-1]",
        new="adds, final = number != users[0], True",
    ),
    _strassen(
        "the lower half begins after the upper one ends",
        old="return self.gemm.rows // 2",
        new="return (self.gemm.rows + 1) // 2",
    ),
    _strassen(
        "the pixel in both halves is added up by both",
        old="dumps=self.overlaps and row == 1",
        new="dumps=False",
    ),
    _gemm(
        "any block of rows goes to the dump",
        "backends/llvm/gemm_code.py",
        old='first = f.op(f"icmp eq {f.isa.word} {block}, 0")',
        new='first = f.op(f"icmp ne {f.isa.word} {block}, -1")',
    ),
    _gemm(
        "the residual is added by every product",
        "backends/llvm/gemm_tile.py",
        old="    elif at.residual is not None",
        new="    if at.residual is not None",
    ),
    _gemm(
        "a share that ends within a panel leaves that out",
        "backends/llvm/gemm_share.py",
        old='end = f.binary("udiv", f.binary("add", self.end, self.tasks - 1), self.tasks)',
        new='end = f.binary("udiv", self.end, self.tasks)',
    ),
    _gemm(
        "wide vectors are used whatever the channels",
        "backends/llvm/isa.py",
        old="return self if channels % self.widest.lanes else self.widest",
        new="return self.widest",
    ),
    _gemm(
        "the last steps of all rows read the first one",
        "backends/llvm/gemm_tile.py",
        old="row * tile.gemm.a_pitches[run.source] + run.offset",
        new="run.offset",
    ),
    _gemm(
        "the last steps begin a step early",
        "backends/llvm/gemm_runs.py",
        old="Run(last.offset + element_bytes * kept, taken, last.source)",
        new="Run(last.offset + element_bytes * (kept - 1), taken, last.source)",
    ),
    _gemm(
        "all iterations over short runs read the first ones",
        "backends/llvm/gemm_steps.py",
        old="return [f.offset(start, several * distance), weights,",
        new="return [start, weights,",
    ),
    _gemm(
        "several short runs of an iteration read the first one",
        "backends/llvm/gemm_steps.py",
        old="a = f.offset(start, index * distance)",
        new="a = start",
    ),
    _gemm(
        "runs are taken for repeated whatever their distance",
        "backends/llvm/gemm_runs.py",
        old="distance = self.distance if self.times > 1 else run.offset - self.first.offset",
        new="distance = (run.offset - self.first.offset) // self.times",
    ),
    _gemm(
        "pixels are added that are to be subtracted",
        "backends/llvm/gemm_steps.py",
        old='operation = "fadd" if gemm.addend.sign > 0 else "fsub"',
        new='operation = "fadd"',
    ),
    _gemm(
        "blocks of channels all have the weights of the first",
        "backends/llvm/kernels/windows.py",
        old='own = f.offset("%w", f.binary("mul", number, weights))',
        new='own = "%w"',
    ),
    _gemm(
        "a block of channels ends with a part of a vector",
        "backends/llvm/kernels/windows.py",
        old="window.channels % (n * strip) == 0",
        new="True",
    ),
    _split(
        "the last k-steps are read with elements that follow",
        "backends/llvm/vectors.py",
        old="    if count == every:\n",
        new="    if True:\n",
    ),
    _split(
        "k-steps and columns change places in a vector",
        "backends/llvm/gemm_pack.py",
        old="apart = several.swapaxes(-1, -2)",
        new="apart = several",
    ),
    _split(
        "rows that are added up together all get the first one's sums",
        "backends/llvm/gemm_reduce.py",
        old="firsts = [start + row * each for",
        new="firsts = [start for",
    ),
    _split(
        "an odd row is added up with the one before",
        "backends/llvm/gemm_reduce.py",
        old="odd = [lane + 1 for lane in even]",
        new="odd = [lane ^ 1 if lane < lanes else lane for lane in even]",
    ),
    _split(
        "units of few columns are stored whole",
        "backends/llvm/gemm_steps.py",
        old="return None if outputs == self.gemm.isa.lanes else outputs",
        new="return None",
    ),
    _split(
        "units begin where the first one ends",
        "backends/llvm/gemm_steps.py",
        old="for unit in self.panel[:place])",
        new="for unit in self.panel[: min(place, 1)])",
    ),
    _split(
        "an activation finds units where the first one is",
        "backends/llvm/activations.py",
        old="accumulate((some or f.isa.lanes for some in lanes), initial=0)",
        new="accumulate((0 for _ in lanes), initial=0)",
    ),
    _split(
        "all groups have as many vectors of weights as the first",
        "backends/llvm/gemm.py",
        old="for runs in self.groups]\n        return max(",
        new="for runs in self.groups[:1]]\n        return max(",
    ),
    _split(
        "how columns share vectors depends on the rows",
        "backends/llvm/gemm.py",
        old="return best_tail(self.isa, self.columns, run_lengths(self.groups[0]))",
        new="lengths = run_lengths(self.groups[0]) + (1,) * (self.rows == 1)\n"
        "        return best_tail(self.isa, self.columns, lengths)",
    ),
    _split(
        "the last k-steps leave a part of a chunk",
        "backends/llvm/gemm.py",
        old="found = runs[-1].length % size or size",
        new="found = size",
    ),
    _gemm(
        "factors of several k-steps are those of the first",
        "backends/llvm/gemm_code.py",
        old="load_elements(f, tile.gemm, here, step.unit_steps, step.count)",
        new="load_elements(f, tile.gemm, here, 1, 1)",
    ),
    _split(
        "columns are split for any gain",
        "backends/llvm/gemm_panels.py",
        old="min([(SPLIT_COST * cost, narrow), *costs])",
        new="min([(cost, narrow), *costs])",
    ),
    Mutant(
        "one unit of 512 bits is taken for two",
        file="backends/llvm/isa.py",
        old="full = core.units >= 2 and core.lanes >= isa.widest.lanes",
        new="full = core.units >= 2",
        tests="tests/unit/test_cost.py",
    ),
    _strassen(
        "sums of pixels are given a block too little room",
        old="return blocks * self.blocks.tall",
        new="return (blocks - 1) * self.blocks.tall",
        tests=f"{MEMORY}[mobilenet_v1-avx2]",
    ),
    _shufflenet(
        "a window's last vector is stored whole, whatever room there is",
        "backends/llvm/window.py",
        old="fits = isa.padded(part.channels) <= min(part.room, room)",
        new="fits = True",
    ),
    _window(
        "the last vector of several filters a channel is stored whole, whatever room there is",
        old="isa.padded(outputs) <= room",
        new="True",
    ),
    _window(
        "several filters a channel begin a lane late",
        old="(v * lanes + i) // filters",
        new="(v * lanes + i + 1) // filters",
    ),
    _mobilenet(
        "a fused kernel asks for less scratch than it uses",
        "backends/llvm/kernels/stream.py",
        old="Kernel(name, tasks, chain.scratch_bytes,",
        new="Kernel(name, tasks, chain.scratch_bytes - 64,",
    ),
    _shufflenet(
        "a few lanes are stored with those that follow",
        "backends/llvm/vectors.py",
        old="if lanes is None or lanes == f.isa.lanes:\n        f.emit",
        new="if True:\n        f.emit",
    ),
)
