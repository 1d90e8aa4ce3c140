"""conv1x1(x) = conv1x1(x) schedule strassen: fewer multiplications, for more weights.

Each pixel is multiplied together with another one of its image, and gets an error by the larger of
the two. Outputs that tell pixels apart may therefore not depend on it, unless pixels are known to
be alike (`mbc.passes.pixels`).
"""

from __future__ import annotations

from dataclasses import replace
from math import isinf
from typing import ClassVar

from mbc.ir.elements import F32
from mbc.ir.graph import Graph, Node
from mbc.passes.fusion import is_pointwise_node
from mbc.passes.pixels import error_by_strassen, output_with_pixels
from mbc.passes.rewrite import name_of
from mbc.passmgr.passes import ACCEPTED, PassContext, PassResult, Refusal
from mbc.records import dataclass
from mbc.schedules import Strassen

WORTH = 0.04
"""Share of a layer's time that must be saved: it takes 7/4 of the weights, and rounds otherwise."""

ROUGHEST = 8.0
"""By how much a bound on the error of a pixel may be above the direct method's, where it counts."""


@dataclass(frozen=True)
class UseStrassen:
    """Multiply pointwise convolutions by Strassen's method where the backend has such a kernel, its
    cost model says that it pays, and no output can tell; not `enabled`, nowhere."""

    name: ClassVar[str] = "use-strassen"
    tolerance: ClassVar[float] = 0.0

    enabled: bool = True

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Allow it for each convolution that gains, or forbid it for all."""
        result = PassResult()
        for node in graph.topo():
            if not is_pointwise_node(node):
                continue
            if self.enabled:
                _visit(graph, context, node, result)
            else:
                _forbid(node, result)
        return result


def _forbid(node: Node, result: PassResult) -> None:
    message = f"multiplied directly: {name_of(node)}: enabled=false"
    if node.schedule != Strassen():
        result.note("disabled", message, node)
        return
    node.schedule = None
    result.did("disabled", message, node)


def _visit(graph: Graph, context: PassContext, node: Node, result: PassResult) -> None:
    if node.schedule == Strassen():
        return
    gain, refusal = _gain(context, node)
    if reason := refusal or _too_rough(graph, node):
        result.note(reason.reason, f"multiplied directly: {name_of(node)}: {reason}", node)
        return
    node.schedule = Strassen()
    result.did("used", f"by Strassen's method: {name_of(node)}, {gain}", node)


def _gain(context: PassContext, node: Node) -> tuple[str, Refusal]:
    """Return the predicted change of a node's time, and the reason not to change it, if any."""
    backend = context.backend
    if (element := node.view("x").type.element) is not F32:
        return "", Refusal("element", f"it multiplies {element}")
    if Strassen() not in backend.candidates(node):
        return "", Refusal("no-kernel", "the backend has no kernel that halves it")
    halved = backend.predict(replace(node, schedule=Strassen())).cycles
    saved = 1 - halved / backend.predict(node).cycles
    gain = f"predicted {-100 * saved:+.1f} %"
    return gain, Refusal("not-profitable", gain) if saved < WORTH else ACCEPTED


def _too_rough(graph: Graph, node: Node) -> Refusal:
    """Return why errors of pixels might matter, if they do."""
    output = output_with_pixels(graph, node.result)
    if output is None or (error := error_by_strassen(graph, node)) <= ROUGHEST:
        return ACCEPTED
    if isinf(error):
        text = f"output '{output}' has pixels, and nothing bounds how far pixels differ"
    else:
        text = f"output '{output}' has pixels, whose errors could be {error:.3g} times as large"
    return Refusal("too-rough", text)
