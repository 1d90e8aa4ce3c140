"""The cost model: predicted cycles of a node on one core, from work and memory traffic.

Compute runs at a share of FMA peak that was measured per kind of kernel; traffic is charged by the
smallest cache that holds the tensor. Only differences between alternatives matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.kernels.averaged import AveragedWindow, averaged_window
from mbc.backends.llvm.kernels.base import Buffer
from mbc.backends.llvm.kernels.byte_rows import numbers_of
from mbc.backends.llvm.kernels.chain import chain_nodes, row_window, seam_rows, turn_rows, turns_of
from mbc.backends.llvm.kernels.linear import plan_halved
from mbc.backends.llvm.kernels.scaled import ScaledProduct, scaled_product
from mbc.ir.graph import Node
from mbc.ir.types import TensorType
from mbc.ops import Conv2d
from mbc.ops.linear import filters_per_channel, present
from mbc.targets.architecture import Core
from mbc.targets.backend import Prediction
from mbc.targets.target import Target

GEMM_SHARE, DEPTHWISE_SHARE = 0.93, 0.6
SCALE_CYCLES, SCALE_ACCESSES = 1.2, 2  # least to load a vector, multiply and store
SUM_CYCLES = 0.6  # to load a vector from the first cache and add
ADD_CYCLES, ADD_ACCESSES = 1.7, 3  # least to load two vectors, add and store, not all of it near
LOADS_PER_FMA = 0.83  # that multiply-adds do not wait for
CONVERT_CYCLES = 2.0  # to load a vector of bytes, convert it and store it
RATES = L1_BYTES_PER_CYCLE, L2_BYTES_PER_CYCLE, L3_BYTES_PER_CYCLE = 64.0, 28.0, 10.0
KIB = 1024
RANGE_CYCLES = 3000.0  # that a range of tasks takes at least: it costs a thread some hundreds
LEAST_TIMES = 6  # how many times what it computes and reads again


def predict_cycles(node: Node, isa: Isa, target: Target) -> Prediction:
    """Cycles of a node, and whether compute or memory bounds it."""
    nodes = chain_nodes(node)
    if scaled := scaled_product(node):
        return _predict_body(node, [scaled.product], _scaling(scaled, isa, target), isa, target)
    if averaged := averaged_window(node):
        return _predict_body(node, [averaged.window], _averaging(averaged, isa), isa, target)
    if not nodes:
        return _predict_plain(node, isa, target)
    rows = turns_of(node)
    each = [_compute(inner, isa, target.core) for inner in nodes]
    traffic = sum(_stream(view.type, isa, target) for view in node.views)
    traffic += _stream(node.result.type, isa, target)
    traffic += sum(_reread(inner, rows, target.core) for inner in nodes)
    compute = sum(each) + _converting(node, isa)
    return replace(_sum(compute, traffic), again=_seam(nodes, each, rows))


def _converting(node: Node, isa: Isa) -> float:
    """Cycles to make floats of bytes, of all rows under the windows of each row of the first op."""
    made = numbers_of(node)
    if not made:
        return 0.0
    (first, *_), type = chain_nodes(node), made[-1].result.type
    rows = first.result.type.shape[0] * first.result.type.shape[1] * row_window(first)[2]
    vectors = rows * type.shape[2] * type.channels / isa.lanes
    return vectors * (CONVERT_CYCLES + len(made) - 1)


def _seam(nodes: Sequence[Node], each: Sequence[float], rows: int | None) -> float:
    """Cycles to compute the rows of a chain that two threads need both, from those of its ops."""
    images, height = nodes[-1].result.type.shape[:2]
    both = zip(nodes, each, seam_rows(nodes, rows or turn_rows(height)[0]), strict=True)
    return sum(cycles * count / node.result.type.shape[1] for node, cycles, count in both) / images


def _predict_body(
    node: Node, nodes: Sequence[Node], more: float, isa: Isa, target: Target
) -> Prediction:
    """Predict a fused node from what its nodes compute, and cycles of work besides."""
    compute = sum(_compute(inner, isa, target.core) for inner in nodes) + more
    traffic = sum(_stream(view.type, isa, target) for view in node.views)
    traffic += sum(_stream(result.type, isa, target) for result in node.results)
    return replace(_sum(compute, traffic), again=_read_by_both(nodes[0], target.core) + more)


def _scaling(scaled: ScaledProduct, isa: Isa, target: Target) -> float:
    """Cycles to multiply the weights, once for each image."""
    weight, images = present(scaled.product.type_of("weight")), scaled.mul.result.type.shape[0]
    each = max(SCALE_CYCLES, SCALE_ACCESSES / target.core.accesses)
    return images * weight.elements / isa.lanes * each


def _averaging(averaged: AveragedWindow, isa: Isa) -> float:
    """Cycles to add up the rows that were just stored."""
    return SUM_CYCLES * averaged.window.result.type.elements / isa.lanes


def fewest_tasks(tasks: int, predicted: Prediction) -> int:
    """How many of a node's tasks are worth a call of its kernel: so many that what a range computes
    and reads again takes a small part of its time, but two threads get a half each."""
    least = max(RANGE_CYCLES, predicted.again * LEAST_TIMES)
    worth = round(tasks * least / max(predicted.cycles, 1.0))
    most = tasks if predicted.cycles < 2 * RANGE_CYCLES else tasks // 2
    return max(1, min(worth, most))


def _reread(node: Node, rows: int | None, core: Core) -> float:
    """Cycles to bring in the weights of one op of a chain again for every turn but the first, if
    turns make so many rows; None: as many as fit best."""
    weights = node.type_of("weight")
    if weights is None:
        return 0.0
    images, height = node.result.type.shape[:2]
    rows = rows or turn_rows(height)[0]
    return (images * height / rows - 1) * weights.bytes / _bandwidth(weights.bytes, core)


def _predict_plain(node: Node, isa: Isa, target: Target) -> Prediction:
    traffic = sum(_stream(view.type, isa, target) for view in node.views)
    traffic += sum(_stream(result.type, isa, target) for result in node.results)
    again = _read_by_both(node, target.core)
    return replace(_sum(_compute(node, isa, target.core), traffic), again=again)


def _read_by_both(node: Node, core: Core) -> float:
    """Cycles for a second thread to read the weights too, or the input where that is less: kernels
    with few rows share out columns."""
    weights = node.type_of("weight")
    if weights is None:
        return 0.0
    bytes = min(weights.bytes, *(view.type.bytes for view in node.views))
    return bytes / _bandwidth(bytes, core)


def _sum(compute: float, traffic: float) -> Prediction:
    return Prediction(compute + traffic, "compute" if compute > traffic else "memory")


def _compute(node: Node, isa: Isa, core: Core) -> float:
    share, lanes = GEMM_SHARE, isa.of_product(1).lanes
    if isinstance(node.op, Conv2d) and filters_per_channel(
        node.op, present(node.type_of("weight"))
    ):
        share, lanes = DEPTHWISE_SHARE, isa.lanes
    rate = core.units * min(core.lanes, lanes)
    cycles = node.op.macs(node.operand_types) / (rate * share)
    if plan := plan_halved(isa, node):  # seven products of eight, of quarters that are four
        times = plan.product_share * 2 * plan.images  # that weights are read, as large as written
        more = (times - 1) * present(node.type_of("weight")).bytes
        each = max(ADD_CYCLES, ADD_ACCESSES / core.accesses)
        added = plan.added / plan.gemm.isa.lanes * each + more / _weights_rate(isa, core)
        stalled = max(1.0, plan.loads_per_fma / LOADS_PER_FMA)
        return cycles * plan.product_share * stalled + added
    return cycles


def _stream(type: TensorType, isa: Isa, target: Target) -> float:
    """Cycles to bring a tensor in, or out, once."""
    bytes = Buffer.in_arena(type, isa).bytes
    return bytes / _bandwidth(bytes, target.core)


def _weights_rate(isa: Isa, core: Core) -> float:
    """Bytes a cycle at which weights are read that a network does not keep in the second cache:
    prefetched from the third one, they come at the second's rate."""
    if core.l3:
        return L2_BYTES_PER_CYCLE if isa.prefetch else L3_BYTES_PER_CYCLE
    return core.memory


def _bandwidth(bytes: int, core: Core) -> float:
    """Bytes a cycle of a tensor that size, from the nearest cache that it half fills at most."""
    rates = zip((core.l1, core.l2, core.l3), RATES, strict=True)
    return next((rate for kib, rate in rates if bytes <= kib * KIB // 2), core.memory)
