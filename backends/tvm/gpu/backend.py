"""The answers of GPU kernels to passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mbc.alignment import round_up
from mbc.backends.tvm.gpu.candidates import candidates
from mbc.backends.tvm.gpu.cost import predict_cycles
from mbc.backends.tvm.gpu.launch import ALIGNMENT
from mbc.backends.tvm.gpu.linear import fused_refusal
from mbc.ir.graph import Node
from mbc.ir.schedule import Schedule
from mbc.ir.types import TensorType
from mbc.ops import Fused
from mbc.targets.backend import Prediction, Support, schedule_refusal
from mbc.targets.elements import element_refusal
from mbc.targets.gpu import Gpu


@dataclass(frozen=True)
class GpuBackend:
    """Kernels in TVM's tensor IR for one GPU."""

    gpu: Gpu
    name: str = "tvm"

    def supports(self, node: Node) -> Support:
        """Every op, and every view of its operands: kernels gather. Of fused nodes only depthwise
        with pointwise convolutions, since blocks of a GPU share no rows with each other."""
        refusal = ""
        if isinstance(node.op, Fused):
            refusal = element_refusal(node) or fused_refusal(node)
        refusal = refusal or schedule_refusal(node, self)
        return Support(not refusal, refusal)

    def candidates(self, node: Node) -> Sequence[Schedule]:
        """Tiles of products, strips of windows, blocks of pools, threads of a softmax's rows."""
        return () if element_refusal(node) else candidates(node, self.gpu)

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
