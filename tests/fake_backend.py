"""A backend without kernels, for tests of passes: it says what its fields say."""

from dataclasses import dataclass

from mbc.ir.graph import Node, Operand
from mbc.ir.op import Op
from mbc.ir.schedule import Schedule
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView
from mbc.ops.elementwise import Activate, Add, BatchNorm
from mbc.ops.fused import Fused
from mbc.ops.linear import Conv2d, Dense
from mbc.ops.move import ChannelShuffle, Concat, Split
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool
from mbc.schedules import Strassen, Turns
from mbc.targets.backend import Prediction, Support, schedule_refusal

MOVES = Concat | Split | ChannelShuffle
GATHERING = Conv2d | Dense | MaxPool | AvgPool | GlobalAvgPool


@dataclass(frozen=True)
class FakeBackend:
    """Supports everything that its fields do not refuse. Time is one cycle a multiply-add, and
    `fused` times that in a fused body, `longer` times that for each node there beyond two,
    `strassen` times that by Strassen's method; buffers have no padding."""

    views: bool = True
    fusions: bool = True
    activations: bool = True
    residuals: bool = True
    alias: bool = True
    fused: float = 0.9
    longer: float = 1.0
    strassen: float = 0.9
    overlap: int | None = None
    scratch: int = 0

    @property
    def name(self) -> str:
        return "fake"

    def has_kernel(self, op: type[Op]) -> bool:
        return True

    def supports(self, node: Node) -> Support:
        if isinstance(node.op, Fused) and not self.fusions:
            return Support(False, "no fused kernels")
        if not all(self._reads(node, role, operand) for role, operand in node.items()):
            return Support(False, "no such channel views" if self.views else "no channel views")
        if not self.activations and getattr(node.op, "act", "none") != "none":
            return Support(False, "no activations")
        if not self.residuals and isinstance(node.op, Conv2d) and len(node.views) > 1:
            return Support(False, "no residuals")
        refusal = schedule_refusal(node, self)
        return Support(not refusal, refusal)

    def _reads(self, node: Node, role: str, operand: Operand | None) -> bool:
        """Moves read any view; with `views` so do convolutions, dense layers, pools and fused
        nodes, and all else concatenations of whole values."""
        if not isinstance(operand, ChannelView) or operand.is_plain or isinstance(node.op, MOVES):
            return True
        if isinstance(node.op, Fused) or not self.reads_one_buffer(node, role):
            return self.views
        return self.views and operand.is_concatenation

    def candidates(self, node: Node) -> tuple[Schedule, ...]:
        """Convolutions are computed in some turns, or by Strassen's method if that takes less."""
        if not isinstance(node.op, Conv2d):
            return ()
        return Turns(2), Turns(1), *([Strassen()] if self.strassen < 1 else [])

    def scratch_bytes(self, node: Node) -> int:
        """Fused nodes need some."""
        return self.scratch if isinstance(node.op, Fused) else 0

    def predict(self, node: Node) -> Prediction:
        macs = node.op.macs(node.operand_types)
        if isinstance(node.schedule, Strassen):
            return Prediction(macs * self.strassen)
        if not isinstance(node.op, Fused):
            return Prediction(macs)
        return Prediction(macs * self.fused * self.longer ** (len(node.op.body.topo()) - 2))

    def buffer_bytes(self, type: TensorType) -> int:
        return type.bytes

    def reads_one_buffer(self, node: Node, role: str) -> bool:
        """What is not gathered: residuals, what elementwise ops and fused nodes read."""
        if isinstance(node.op, MOVES):
            return False
        return role != "x" or not isinstance(node.op, GATHERING)

    def may_alias(self, node: Node, role: str) -> bool:
        """Elementwise ops may write over what they read, convolutions over their residual."""
        elementwise = isinstance(node.op, Activate | Add | BatchNorm)
        return self.alias and (elementwise or (isinstance(node.op, Conv2d) and role == "residual"))

    def overlap_bytes(self, node: Node, role: str) -> int | None:
        """Fused nodes may write over what they have read."""
        return self.overlap if isinstance(node.op, Fused) else None
