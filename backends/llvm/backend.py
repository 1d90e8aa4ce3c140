"""The `Backend` of LLVM kernels, which answers passes, and the choice of kernel for each op."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mbc.backends.llvm.cost import predict_cycles
from mbc.backends.llvm.integer.kernels import BUILDERS as INTEGER_BUILDERS
from mbc.backends.llvm.integer.kernels import refusal as integer_refusal
from mbc.backends.llvm.integer.kernels import scratch_bytes as integer_scratch
from mbc.backends.llvm.isa import Isa, isa_of
from mbc.backends.llvm.kernels.argmax import build_argmax
from mbc.backends.llvm.kernels.averaged import averaged_refusal, averaged_window, build_averaged
from mbc.backends.llvm.kernels.axes import build_reduction
from mbc.backends.llvm.kernels.base import Buffer, Kernel, Site
from mbc.backends.llvm.kernels.chain import (
    Chain,
    chain_nodes,
    chain_refusal,
    chain_schedules,
    ends_of,
    overlap_bytes,
    plan_chain,
)
from mbc.backends.llvm.kernels.elementwise import build_arithmetic, build_elementwise
from mbc.backends.llvm.kernels.linear import (
    build_pointwise,
    is_gemm_rows,
    panels_refusal,
    plan_halved,
    product_schedules,
)
from mbc.backends.llvm.kernels.lrn import build_lrn, lrn_scratch
from mbc.backends.llvm.kernels.matmul import build_matmul
from mbc.backends.llvm.kernels.move import build_channel_copy, build_reshape
from mbc.backends.llvm.kernels.norm import build_layer_norm
from mbc.backends.llvm.kernels.patch_rows import build_patch_conv
from mbc.backends.llvm.kernels.patches import patch_schedules, patches_of
from mbc.backends.llvm.kernels.reduce import build_global_pool, build_softmax
from mbc.backends.llvm.kernels.resize import build_resize
from mbc.backends.llvm.kernels.rows import (
    build_instance_norm,
    build_l2_normalize,
    build_log_softmax,
)
from mbc.backends.llvm.kernels.scaled import (
    build_scaled,
    scaled_product,
    scaled_refusal,
    scratch_of,
)
from mbc.backends.llvm.kernels.stream import build_stream
from mbc.backends.llvm.kernels.strided import build_strided_copy
from mbc.backends.llvm.kernels.transposed import build_transposed_conv, transposed_of
from mbc.backends.llvm.kernels.windows import (
    build_window,
    is_window_conv,
    window_of,
    window_schedules,
)
from mbc.backends.llvm.storage import as_one_buffer
from mbc.ir.graph import Node
from mbc.ir.op import Op
from mbc.ir.schedule import Schedule
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView
from mbc.ops import (
    ArgMax,
    AvgPool,
    BatchNorm,
    ChannelShuffle,
    Concat,
    Conv2d,
    Dense,
    Fused,
    GlobalAvgPool,
    LayerNorm,
    MaxPool,
    Reshape,
    Resize,
    Softmax,
    Split,
    Transpose,
    TransposedConv,
)
from mbc.ops.elementwise import ARITHMETIC, Activate
from mbc.ops.grid import GRID
from mbc.ops.linear import present
from mbc.ops.matmul import MatMul
from mbc.ops.reduce import REDUCTIONS
from mbc.ops.rows import InstanceNorm, L2Normalize, LogSoftmax, Lrn
from mbc.ops.unary import UNARY
from mbc.records import dataclass
from mbc.schedules import Panels
from mbc.targets.backend import Prediction, Support, schedule_refusal
from mbc.targets.elements import CONVERSIONS, element_refusal, makes_floats, on_codes
from mbc.targets.kernels import kernel_refusal
from mbc.targets.target import Target

Builder = Callable[[Site], Kernel]
"""A kernel family."""

BUILDERS: dict[type[Op], Builder] = {
    Dense: build_pointwise,
    TransposedConv: build_transposed_conv,
    Fused: build_stream,
    MaxPool: build_window,
    AvgPool: build_window,
    GlobalAvgPool: build_global_pool,
    Resize: build_resize,
    **dict.fromkeys(REDUCTIONS, build_reduction),
    ArgMax: build_argmax,
    Softmax: build_softmax,
    LayerNorm: build_layer_norm,
    Activate: build_elementwise,
    **dict.fromkeys(ARITHMETIC, build_arithmetic),
    BatchNorm: build_elementwise,
    **dict.fromkeys(UNARY, build_elementwise),
    LogSoftmax: build_log_softmax,
    L2Normalize: build_l2_normalize,
    InstanceNorm: build_instance_norm,
    Lrn: build_lrn,
    MatMul: build_matmul,
    Concat: build_channel_copy,
    Split: build_channel_copy,
    ChannelShuffle: build_channel_copy,
    Reshape: build_reshape,
    **dict.fromkeys((Transpose, *GRID), build_strided_copy),
}


GATHERING = (build_window, build_global_pool, build_resize)
"""Families that read the parts of `x` from several buffers."""


def builder_of(node: Node) -> Builder:
    """Return the kernel family of a node."""
    if scaled_product(node):
        return build_scaled
    if averaged_window(node):
        return build_averaged
    if not isinstance(node.op, Conv2d):
        return BUILDERS[type(node.op)]
    if is_gemm_rows(node):  # including depthwise ones: only a GEMM reads any view
        return build_pointwise
    return build_window if is_window_conv(node) else build_patch_conv


@dataclass(frozen=True)
class LlvmBackend:
    """Kernels emitted through LLVM for one target."""

    target: Target
    """The CPU and operating system."""
    name: str = "llvm"
    """Value of `--backend`."""

    @property
    def isa(self) -> Isa:
        """The target's vector unit."""
        return isa_of(self.target)

    def has_kernel(self, op: type[Op]) -> bool:
        """Return whether a kernel family builds the op, on floats or on codes."""
        converts = op in CONVERSIONS and op in INTEGER_BUILDERS
        return op is Conv2d or op in BUILDERS or converts

    def supports(self, node: Node) -> Support:
        """Check a node's views and schedule.

        1x1 convolutions, dense layers and channel copies read any view; depthwise convolutions,
        pools and resizes read views without reordering; others read whole values, or concatenations
        of them in one buffer. Schedules are candidates, or any panels.
        """
        if refusal := kernel_refusal(node, self):
            return Support(False, refusal)
        support = self._supports_views(node)
        if support and (refusal := self._schedule_refusal(node)):
            return Support(False, refusal)
        return support

    def _schedule_refusal(self, node: Node) -> str:
        if isinstance(node.schedule, Panels) and is_gemm_rows(node):
            return panels_refusal(self.isa, self._assumed(node), node.schedule)
        return schedule_refusal(node, self)

    def _supports_views(self, node: Node) -> Support:
        if isinstance(node.op, Fused):
            return self._supports_fused(node)
        if isinstance(node.op, Concat | Split | ChannelShuffle):
            return Support(True)
        for i, (role, operand) in enumerate(node.items()):
            if not isinstance(operand, ChannelView) or operand.is_plain:
                continue
            if self.reads_one_buffer(node, role):
                fits = operand.is_concatenation
            else:
                fits = is_gemm_rows(node) or operand.order.is_identity
            if not fits:
                reason = f"{node.op.label} reads operand {i} only as it is stored"
                return Support(False, reason)
        return Support(True)

    def reads_one_buffer(self, node: Node, role: str) -> bool:
        """Return True except for `x` of 1x1 convolutions, dense layers and windows, and for channel
        copies."""
        if isinstance(node.op, Concat | Split | ChannelShuffle):
            return False
        if not self.has_kernel(type(node.op)) or isinstance(node.op, CONVERSIONS):
            return True
        return role != "x" or not (is_gemm_rows(node) or builder_of(node) in GATHERING)

    def _assumed(self, node: Node) -> Node:
        """Return the node with concatenations that must lie in one buffer as plain operands."""
        return as_one_buffer(node, self.reads_one_buffer)

    def _supports_fused(self, node: Node) -> Support:
        if refusal := self._body_refusal(node):
            return Support(False, refusal)
        if not all(view.is_concatenation for view in node.views):
            return Support(False, "a fused kernel reads its operands only as they are stored")
        refusals = (support for inner in chain_nodes(node) if not (support := self.supports(inner)))
        return next(refusals, Support(True))

    def _has_one_schedule(self, node: Node) -> bool:
        """Return whether kernels leave nothing open: those on codes, but for chains."""
        return bool(element_refusal(node)) and not isinstance(node.op, Fused)

    def _body_refusal(self, node: Node) -> str:
        if element_refusal(node) and not makes_floats(node):
            return integer_refusal(node)
        if scaled := scaled_product(node):
            return scaled_refusal(node, scaled, self.isa)
        averaged = averaged_window(node)
        return averaged_refusal(node, averaged) if averaged else chain_refusal(node)

    def candidates(self, node: Node) -> tuple[Schedule, ...]:
        """List panels or Strassen's method for products, turns of rows, or blocks of channels."""
        if not self.has_kernel(type(node.op)) or self._has_one_schedule(node):
            return ()
        node = self._assumed(node)
        if isinstance(node.op, Fused):
            return () if self._body_refusal(node) else self._fused_schedules(node)
        if is_gemm_rows(node):
            return product_schedules(self.isa, node)
        if builder_of(node) is build_window:
            return self._window_schedules(node, self._buffers(node))
        return patch_schedules(node.result.type) if isinstance(node.op, Conv2d) else ()

    def _fused_schedules(self, node: Node) -> tuple[Schedule, ...]:
        if averaged := averaged_window(node):
            return self._window_schedules(averaged.window, self._buffers(node))
        if builder_of(node) is not build_stream:
            return ()
        return chain_schedules(self._chain(replace(node, schedule=None)))

    def _window_schedules(self, node: Node, sources: list[Buffer]) -> tuple[Schedule, ...]:
        out = Buffer.in_arena(node.result.type, self.isa)
        return window_schedules(window_of(self.isa, node, sources, out))

    def _buffers(self, node: Node) -> list[Buffer]:
        values = [value for view in node.views for value in view.values]
        return [Buffer.in_arena(value.type, self.isa) for value in values]

    def _buffer(self, node: Node, role: str) -> Buffer:
        return Buffer.in_arena(node.view(role).value.type, self.isa)

    def _chain(self, node: Node) -> Chain:
        ends = ends_of(node)
        residual = None if ends.residual is None else self._buffer(node, ends.residual)
        out = Buffer.in_arena(node.result.type, self.isa)
        return plan_chain(self.isa, node, self._buffer(node, ends.x), out, residual)

    def scratch_bytes(self, node: Node) -> int:
        """Return the scratch of one thread, in bytes."""
        node = self._assumed(node)
        if on_codes(node) and not isinstance(node.op, Fused):
            return integer_scratch(self.isa, node)
        if scaled := scaled_product(node):
            return scratch_of(scaled, self.isa)
        if self._streams(node):
            return self._chain(node).scratch_bytes
        if isinstance(node.op, Conv2d) and builder_of(node) is build_patch_conv:
            x = self._buffer(node, "x")
            return patches_of(self.isa, node, x, node.result.type).scratch_bytes
        if isinstance(node.op, TransposedConv):
            return transposed_of(self.isa, node, self._buffer(node, "x")).scratch_bytes
        if isinstance(node.op, Lrn):
            return lrn_scratch(self.isa, node.op, node.result.type.channels)
        plan = plan_halved(self.isa, node)
        return plan.scratch_bytes if plan else 0

    def predict(self, node: Node) -> Prediction:
        """Predict cycles of one core, and what bounds them."""
        return predict_cycles(self._assumed(node), self.isa, self.target)

    def buffer_bytes(self, type: TensorType) -> int:
        """Return the bytes of a value in the arena: every pixel padded to whole vectors."""
        return Buffer.in_arena(type, self.isa).bytes

    def may_alias(self, node: Node, role: str) -> bool:
        """Return whether the result may replace an operand in place, since each position is read
        before it is stored: elementwise operands of its shape, and residuals of GEMMs whose stores
        do not spill into the next group's columns."""
        match node.op:
            case op if op.elementwise:
                return present(node.type_of(role)).shape == node.result.type.shape
            case Conv2d():
                return role == "residual" and self._stores_exactly(node)
            case Fused():
                scaled = scaled_product(node)
                residual = scaled.residual if scaled else _residual_of(node)
                return role == residual and self._stores_exactly(chain_nodes(node)[-1])
            case _:
                return False

    def overlap_bytes(self, node: Node, role: str) -> int | None:
        """Return the overlap of chains, which compute rows in order; None for other nodes."""
        node = self._assumed(node)
        if not self._streams(node) or node.result.type.shape[0] > 1:
            return None
        return overlap_bytes(self._chain(node), ends_of(node), role, self._buffer(node, role))

    def _streams(self, node: Node) -> bool:
        """Return whether a node is a body whose kernel streams rows."""
        fused = isinstance(node.op, Fused) and builder_of(node) is build_stream
        return fused and not self._body_refusal(node)

    def _stores_exactly(self, node: Node) -> bool:
        groups = node.op.channel_groups
        return groups == 1 or node.result.type.channels // groups % self.isa.lanes == 0


def _residual_of(node: Node) -> str | None:
    """Return the role of the residual of a fused node; None without one."""
    return ends_of(node).residual if builder_of(node) is build_stream else None
