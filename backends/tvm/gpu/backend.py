"""The answers of GPU kernels to passes."""

from __future__ import annotations

from dataclasses import dataclass

from mbc.alignment import round_up
from mbc.backends.tvm.gpu.cost import predict_cycles
from mbc.backends.tvm.gpu.draft import Draft
from mbc.backends.tvm.gpu.kernels import is_product
from mbc.backends.tvm.gpu.launch import ALIGNMENT
from mbc.backends.tvm.gpu.linear import fused_refusal, product_of
from mbc.backends.tvm.gpu.reader import reader_of
from mbc.backends.tvm.gpu.schedule import ceildiv, strip_for, tile_for
from mbc.ir.graph import Node
from mbc.ir.types import TensorType
from mbc.ops import AvgPool, Conv2d, Fused, MaxPool
from mbc.targets.backend import Prediction, Support
from mbc.targets.elements import element_refusal
from mbc.targets.gpu import Gpu

SLIDING = MaxPool | AvgPool | Conv2d


@dataclass(frozen=True)
class GpuBackend:
    """Kernels in TVM's tensor IR for one GPU."""

    gpu: Gpu
    name: str = "tvm"

    def supports(self, node: Node) -> Support:
        """Every op, and every view of its operands: kernels gather. Of fused nodes only depthwise
        with pointwise convolutions, since blocks of a GPU share no rows with each other."""
        if not isinstance(node.op, Fused):
            return Support(True)
        refusal = element_refusal(node) or fused_refusal(node)
        return Support(not refusal, refusal)

    def schedule(self, node: Node) -> object:
        """The tile of a matrix product or the strip of a window; None for ops without choices."""
        if is_product(node):
            return tile_for(product_of(node), self.gpu)
        if isinstance(node.op, SLIDING):
            lanes = reader_of(Draft(""), node.view("x")).lanes
            images, height, width, channels = node.result.type.shape
            return strip_for(ceildiv(channels, lanes), (height, width), images, self.gpu)
        return None

    def scratch_bytes(self, node: Node) -> int:
        """None: what threads share lies in the memory of their block."""
        return 0

    def predict(self, node: Node) -> Prediction:
        """Cycles of the GPU's clock, and what bounds them."""
        return predict_cycles(node, self.gpu)

    def buffer_bytes(self, type: TensorType) -> int:
        """The dense tensor in whole multiples of what devices ask of regions."""
        return round_up(type.bytes, ALIGNMENT)

    def reads_one_buffer(self, node: Node, role: str) -> bool:
        """Never: kernels read the parts of a view where they are."""
        return False

    def may_alias(self, node: Node, role: str) -> bool:
        """Never: compilers are told that a kernel's arguments lie apart."""
        return False

    def overlap_bytes(self, node: Node, role: str) -> int | None:
        """None: threads have no order."""
        return None
