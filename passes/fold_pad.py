"""Windows pad themselves: window(pad(x)) = window(x) with the pads of both.

    conv2d      pads with 0; 1x1 windows stay products, so they are left alone
    avg_pool    pads with 0 that count: so it counts its padding, and its own pad is 0 or counts too
    max_pool    pads with minus infinity; 0 is as good where every x is at least 0, or NaN

A pool's windows must each still hold an element of x, as `infer` demands.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from mbc.ir.activations import Activation
from mbc.ir.graph import Graph, Node
from mbc.ir.op import Activated, Op, OpError
from mbc.ir.views import ChannelView, Value
from mbc.ops.elementwise import Activate, Softmax
from mbc.ops.grid import Pad
from mbc.ops.linear import Conv2d, present
from mbc.ops.pool import AvgPool, MaxPool
from mbc.passes.rewrite import account, candidate, locations, name_of
from mbc.passmgr.passes import ACCEPTED, PassContext, PassResult, Refusal
from mbc.records import dataclass

Window = Conv2d | AvgPool | MaxPool


@dataclass(frozen=True)
class FoldPad:
    """Fold pads around height and width into the windows that read them."""

    name: ClassVar[str] = "fold-pad"
    tolerance: ClassVar[float] = 0.0

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Fold each pad whose readers can all pad themselves, the last pad of a chain first."""
        result = PassResult()
        for node in reversed(graph.topo()):
            if isinstance(node.op, Pad):
                _visit(graph, context, node, node.op, result)
        return result


class _RefusedError(Exception):
    """Why a pad is not folded."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def _visit(graph: Graph, context: PassContext, pad: Node, op: Pad, result: PassResult) -> None:
    readers = graph.users(pad.result)
    try:
        if graph.is_output(pad.result):
            raise _RefusedError("output", "it is an output")
        new = {reader: _padded(graph, context, pad, op, reader) for reader in readers}
    except _RefusedError as refusal:
        result.note(refusal.reason, f"not folded: {name_of(pad)}: {refusal}", pad)
        return
    for reader, window in new.items():
        operands = reader.operands_with({"x": pad.view("x")})
        made = graph.replace(reader, window, operands, locations=locations([pad, reader]))
        account(made.results, pad.results, earlier=True)
    if new:
        into = ", ".join(map(name_of, readers))
        result.did("folded", f"folded: {name_of(pad)} into {into}", pad)
        graph.erase(pad)


def _padded(graph: Graph, context: PassContext, pad: Node, op: Pad, reader: Node) -> Window:
    """Return the window that pads itself; raises _RefusedError if it cannot."""
    here, window = name_of(reader), reader.op
    if not isinstance(window, Window) or not _reads_as_x(reader, pad.result):
        raise _RefusedError("no-window", f"{here} is no window over it")
    if any(op.before[axis] or op.after[axis] for axis in (0, -1)):
        raise _RefusedError("other-axes", f"{here} pads only height and width")
    if refusal := _refusal(graph, pad, op, reader, window):
        raise _RefusedError(refusal.reason, f"{here} {refusal}")
    sides = (op.before[1], op.after[1], op.before[2], op.after[2])
    top, bottom, left, right = (a + b for a, b in zip(window.pad, sides, strict=True))
    new = replace(window, pad=(top, bottom, left, right))
    if isinstance(new, AvgPool):
        new = replace(new, count_pad=True)
    return _supported(context, pad, reader, new)


def _supported(context: PassContext, pad: Node, reader: Node, new: Window) -> Window:
    try:
        node = candidate(new, reader.operands_with({"x": pad.view("x")}))
    except OpError as problem:
        raise _RefusedError("invalid", f"{name_of(reader)}: {problem.message}") from None
    if not (support := context.backend.supports(node)):
        text = f"{name_of(reader)}: the backend refuses: {support.reason}"
        raise _RefusedError("no-kernel", text)
    return new


def _reads_as_x(reader: Node, value: Value) -> bool:
    """Whether a node reads a whole value as x, and nowhere else."""
    reads = [
        role == "x" and operand.is_plain
        for role, operand in reader.items()
        if isinstance(operand, ChannelView) and value in operand.values
    ]
    return reads == [True]


def _refusal(graph: Graph, pad: Node, op: Pad, reader: Node, window: Window) -> Refusal:
    """Return why a window's own padding is something else, if it is."""
    match window:
        case Conv2d() if present(reader.type_of("weight")).shape[:2] == (1, 1):
            return Refusal("product", "is a product without a window")
        case MaxPool() if op.fill == 0 and not _is_positive(graph, pad.view("x")):
            return Refusal("other-fill", "pads with minus infinity, and x may be below 0")
        case MaxPool() if op.fill and not op.lowest:
            return Refusal("other-fill", f"pads with minus infinity, not with {op.fill}")
        case AvgPool(count_pad=False) if any(window.pad):
            return Refusal("uncounted", "does not count its own padding")
        case Conv2d() | AvgPool() if op.fill:
            return Refusal("other-fill", f"pads with 0, not with {op.fill}")
    return ACCEPTED


def _is_positive(graph: Graph, view: ChannelView) -> bool:
    """Whether no element that a view reads is below 0."""
    producers = [graph.producer(value) for value in view.values]
    return all(node is not None and _has_no_negative(node.op) for node in producers)


def _has_no_negative(op: Op) -> bool:
    act: Activation | None = None
    if isinstance(op, Activate | Activated):
        act = op.act
    return isinstance(op, Softmax) or (act is not None and act.range[0] >= 0)
