"""The `Backend` of GPU kernels, which answers passes."""

from __future__ import annotations

from collections.abc import Sequence

from mbc.alignment import round_up
from mbc.backends.tvm.gpu.candidates import candidates
from mbc.backends.tvm.gpu.cost import predict_cycles
from mbc.backends.tvm.gpu.kernels import BUILDERS
from mbc.backends.tvm.gpu.launch import ALIGNMENT
from mbc.backends.tvm.gpu.linear import fused_refusal, slope_refusal
from mbc.ir.graph import Node
from mbc.ir.op import Op
from mbc.ir.schedule import Schedule
from mbc.ir.types import TensorType
from mbc.ops import Fused
from mbc.records import dataclass
from mbc.targets.backend import Prediction, Support, schedule_refusal
from mbc.targets.elements import element_refusal
from mbc.targets.gpu import Gpu
from mbc.targets.kernels import kernel_refusal


@dataclass(frozen=True)
class GpuBackend:
    """Kernels in TVM's tensor IR for one GPU."""

    gpu: Gpu
    """The GPU."""
    name: str = "tvm"
    """Value of `--backend`."""

    def has_kernel(self, op: type[Op]) -> bool:
        """Return whether there is a builder of the op's kernels."""
        return op in BUILDERS

    def supports(self, node: Node) -> Support:
        """Accept every op that has a kernel, with every view of its operands: kernels gather.

        Of fused nodes only depthwise with pointwise convolutions are supported, since blocks of a
        GPU cannot share rows with each other.
        """
        fused = isinstance(node.op, Fused)
        refusal = element_refusal(node) if fused else kernel_refusal(node, self)
        refusal = refusal or slope_refusal(node)
        refusal = refusal or (fused_refusal(node) if fused else "")
        refusal = refusal or schedule_refusal(node, self)
        return Support(not refusal, refusal)

    def candidates(self, node: Node) -> Sequence[Schedule]:
        """List tiles of products, strips of windows, blocks of pools, or threads of a softmax's
        rows."""
        refused = isinstance(node.op, Fused) and fused_refusal(node)
        return () if element_refusal(node) or refused else candidates(node, self.gpu)

    def scratch_bytes(self, node: Node) -> int:
        """Return 0: threads share data in the shared memory of their block only."""
        return 0

    def predict(self, node: Node) -> Prediction:
        """Predict cycles of the GPU's clock, and what bounds them."""
        return predict_cycles(node, self.gpu)

    def buffer_bytes(self, type: TensorType) -> int:
        """Return the size of the dense tensor, rounded up to the alignment of devices' regions."""
        return round_up(type.bytes, ALIGNMENT)

    def reads_one_buffer(self, node: Node, role: str) -> bool:
        """Return False: kernels read the parts of a view from separate buffers."""
        return False

    def may_alias(self, node: Node, role: str) -> bool:
        """Return False: a kernel's arguments are declared not to overlap."""
        return False

    def overlap_bytes(self, node: Node, role: str) -> int | None:
        """Return None: threads run in no order."""
        return None
