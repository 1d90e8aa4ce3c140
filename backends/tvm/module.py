"""From a graph to a module of TVM: one relax function `main`, a call a node.

Who runs a node is asked of a `Caller`; what it declines is left to TVM's own ops. The function
takes the network's inputs and returns its outputs, a tuple if there are several.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from mbc.backends.tvm.legal.expressions import Emit, Expr, gather
from mbc.backends.tvm.legal.nodes import emit_node
from mbc.backends.tvm.require import tvm
from mbc.ir.graph import Graph, Node
from mbc.ir.types import TensorType
from mbc.ir.views import Value
from mbc.runtime.names import c_identifier
from mbc.targets.elements import refuse_elements


class Caller(Protocol):
    """Calls kernels for nodes."""

    def emit(
        self, builder: Any, node: Node, known: Mapping[Value, Expr]
    ) -> tuple[Expr, ...] | None:
        """Emit calls that run a node and return its results; None leaves it to TVM's ops."""


def relax_module(graph: Graph, caller: Caller) -> Any:
    """Build an IRModule of `main` and the functions that the caller adds. Raises E0509."""
    refuse_elements(graph, "TVM")
    builder = tvm().relax.BlockBuilder()
    known = {value: _parameter(value) for value in graph.inputs}
    with builder.function("main", params=list(known.values())):
        with builder.dataflow():
            for node in graph.topo():
                results = caller.emit(builder, node, known)
                if results is None:
                    results = emit_node(builder.emit, node, known)
                known |= zip(node.results, results, strict=True)
            outputs = _outputs(graph, builder, known)
        builder.emit_func_output(outputs)
    return builder.get()


def _outputs(graph: Graph, builder: Any, known: Mapping[Value, Expr]) -> Expr:
    emit: Emit = builder.emit
    found = [gather(emit, view, known) for view in graph.outputs]
    return builder.emit_output(found[0] if len(found) == 1 else tvm().relax.Tuple(found))


def _parameter(value: Value) -> Expr:
    return tvm().relax.Var(c_identifier(value.name), tensor_type(value.type))


def tensor_type(type: TensorType) -> Any:
    """Return the type of relax."""
    return tvm().relax.TensorType(type.shape, str(type.element.numpy))
