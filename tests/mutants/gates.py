"""Seeded mistakes in squeeze-and-excitation."""

from __future__ import annotations

from functools import partial

from tests.mutants.moves import GOLDEN
from tests.mutants.mutant import Mutant

KERNELS = "tests/backends/test_kernels.py"
GATES = "tests/backends/test_gates.py"
BATCHES = "tests/backends/test_batches.py::test_images_do_not_mix"

_scale = partial(Mutant, file="passes/fuse_channel_scale.py", tests=GOLDEN)
_mean = partial(Mutant, file="passes/fuse_depthwise_mean.py", tests=GOLDEN)
_scaled = partial(Mutant, file="backends/llvm/kernels/scaled.py", tests=GATES)
_averaged = partial(Mutant, file="backends/llvm/kernels/averaged.py", tests=GATES)
_code = partial(Mutant, file="backends/llvm/gemm_code.py", tests=KERNELS)
_cost = partial(Mutant, file="backends/llvm/cost.py", tests=GATES)

MUTANTS = (
    _scale(
        "an activation between product and convolution is lost",
        old="if refusal := refusal or self._visit(",
        new="if refusal := self._visit(",
    ),
    _scale(
        "any operand that is broadcast is a vector of channels",
        old="[is_channel_vector(s, whole) for s in smaller] == [True]",
        new="len(smaller) == 1",
    ),
    _mean(
        "a mean of some channels takes those of all",
        old="if not view.is_plain:",
        new="if False:",
    ),
    _mean(
        "rows of one pixel are averaged",
        old="if view.type.shape[2] == 1:",
        new="if False:",
    ),
    _mean(
        "what adds a residual averages its rows",
        old='if node["residual"] is not None:',
        new="if False:",
    ),
    _mean(
        "the mean of each row is taken for that of the first",
        old="graph.replace(pool, pool.op, [means])",
        new="graph.replace(pool, pool.op, [result])",
    ),
    _scaled(
        "a product may have an activation",
        old="if scaled.ends is None or mul.op != Mul():",
        new="if scaled.ends is None:",
    ),
    _scaled(
        "factors may be those of one image for all",
        old="is_channel_vector(gate.type.shape, whole)",
        new="gate.type.shape[-1] == whole[-1]",
    ),
    _scaled(
        "groups share the first one's factors",
        old="if not is_gemm_rows(product) or product.op.channel_groups > 1:",
        new="if not is_gemm_rows(product):",
    ),
    _scaled(
        "the product may be read in another order",
        old='if product["x"] != inside or not',
        new="if not",
    ),
    _scaled(
        "operands may be read in another order",
        old="        and operand.is_plain\n",
        new="",
    ),
    _scaled(
        "the result may be returned in another order",
        old="if output != ChannelView.of(product.result):",
        new="if False:",
    ),
    _scaled(
        "a panel may take any scratch",
        old='return "" if size <= MOST_SCRATCH else',
        new='return "" if size else',
    ),
    _scaled(
        "the first image has the factors of all",
        old="scaling = Scaling(of(factors),",
        new="scaling = Scaling(site.pointers(factors)[0],",
        tests=BATCHES,
    ),
    _scaled(
        "the tasks of each image are counted from the first one's",
        old='begin = f.binary("sub", f.clamp("max", "%begin", start), start)',
        new='begin = f.clamp("max", "%begin", start)',
        tests=BATCHES,
    ),
    _averaged(
        "windows of several rows are averaged as rows",
        old="row = (1, window.result.type.shape[2])",
        new="row = pool.op.kernel",
    ),
    _averaged(
        "a convolution with a residual averages its rows",
        old='if not filters or window["residual"]:',
        new="if not filters:",
    ),
    _averaged(
        "means may be returned in another order",
        old='if pool["x"] != plain[0] or list(body.outputs) != plain:',
        new='if pool["x"] != plain[0]:',
    ),
    _averaged(
        "all blocks of channels store the first one's means",
        old='place = f.offset(place, f.binary("mul", number, across))',
        new="place = f.offset(place, 0)",
        tests=KERNELS,
    ),
    _code(
        "biases are not scratch's",
        old="store(f, bias, panel, j * f.isa.vector_bytes)",
        new="store(f, bias, panel, 0)",
    ),
    _code(
        "every step of a turn has the first one's factor",
        old="f.offset(factors, step.start * size)",
        new="factors",
    ),
    _cost(
        "multiplying weights takes no time",
        old="return images * weight.elements / isa.lanes * each",
        new="return 0.0 * images * weight.elements / isa.lanes * each",
    ),
)
