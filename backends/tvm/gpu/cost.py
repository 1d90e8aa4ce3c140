"""The cost model of kernels on a GPU, by which passes compare fusions."""

from __future__ import annotations

from mbc.backends.tvm.gpu.linear import is_product, product_of, tile_of
from mbc.backends.tvm.gpu.schedule import limits, product_cycles
from mbc.ir.graph import Node
from mbc.ops.cost import node_cost
from mbc.targets.backend import Prediction
from mbc.targets.gpu import Gpu


def predict_cycles(node: Node, gpu: Gpu) -> Prediction:
    """Predict cycles of the GPU's clock: a kernel's launch, and the longer of its arithmetic and
    its memory traffic."""
    facts, cost = limits(gpu), node_cost(node)
    traffic = (cost.bytes_read + cost.bytes_written) / facts.bytes_per_cycle + facts.latency
    work = 0.0
    if is_product(node):
        product = product_of(node)
        work = product_cycles(product, tile_of(node, product, gpu), facts)
    elif cost.macs:
        work = 2 * cost.macs / (facts.units * facts.lanes)
    bound = "arithmetic" if work > traffic else "memory"
    return Prediction(facts.launch + max(work, traffic), bound)
