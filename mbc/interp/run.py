"""Evaluate a graph node by node; views gather channels, fused bodies are evaluated in place.

Each value has its own element. f16 is computed in f32, and a node's results are rounded.
Subnormal f32 numbers count as zero in constants, inputs and results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from mbc.diag import error
from mbc.interp.kernels import KERNELS
from mbc.interp.quantized import INTEGER, compute_integers, computes_integers
from mbc.interp.strips import compute
from mbc.ir.elements import F32, Element
from mbc.ir.graph import Constant, Graph, Node, Operand
from mbc.ir.op import Op
from mbc.ir.subnormals import flush, flushed
from mbc.ir.views import ChannelView, Value
from mbc.ops.fused import Fused
from mbc.runtime.abi import interface_of
from mbc.runtime.tensors import check_inputs

Array: TypeAlias = np.ndarray
OnNode: TypeAlias = Callable[[Node, tuple[Array, ...]], None]


def run(
    graph: Graph, inputs: Mapping[str, Array], *, dtype: DTypeLike = np.float32
) -> dict[str, Array]:
    """Compute the outputs by name from inputs by name.

    f32 is computed in `dtype` (float64 for references). Raises the errors of `evaluate`.
    """
    return dict(zip(graph.output_names, evaluate(graph, inputs, dtype=dtype), strict=True))


def evaluate(
    graph: Graph,
    inputs: Mapping[str, Array],
    on_node: OnNode | None = None,
    *,
    dtype: DTypeLike = np.float32,
) -> tuple[Array, ...]:
    """Compute the outputs in order; `on_node` is called after each top-level node with its results.

    Raises E0710 if the inputs do not fit, E0711 if a constant has no data.
    """
    given = check_inputs(interface_of(graph)[0], inputs)
    _check_constants(graph)
    with np.errstate(over="ignore"):
        arrays = [
            flushed(given[value.name].astype(_held(value.type.element, dtype), copy=False))
            for value in graph.inputs
        ]
    # NaN and infinities are results like others
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        results = _evaluate(graph, arrays, dtype, on_node)
    return tuple(
        found.copy() if any(np.may_share_memory(found, array) for array in arrays) else found
        for found in results
    )


def evaluates(op: type[Op]) -> bool:
    """Whether an op is defined: by a function on real numbers, one on integers, or its body."""
    return op is Fused or op in KERNELS or op in INTEGER


def _evaluate(
    graph: Graph, inputs: Sequence[Array], dtype: DTypeLike, on_node: OnNode | None = None
) -> tuple[Array, ...]:
    """Evaluate a graph, and release each value after its last use."""
    known: dict[Value, Array] = dict(zip(graph.inputs, inputs, strict=True))
    order = graph.topo()
    for node, done in zip(order, _done_after(graph, order), strict=True):
        results = _apply(node, known, dtype)
        known.update(zip(node.results, results, strict=True))
        if on_node is not None:
            on_node(node, results)
        del results
        for value in done:
            del known[value]
    return tuple(np.ascontiguousarray(gather(view, known)) for view in graph.outputs)


def _done_after(graph: Graph, order: Sequence[Node]) -> list[set[Value]]:
    """Return for each node the values whose last use it is; outputs are used at the end."""
    read = {value for view in graph.outputs for value in view.values}
    done: list[set[Value]] = []
    for node in reversed(order):
        views = (operand for operand in node.operands if isinstance(operand, ChannelView))
        seen = {value for view in views for value in view.values}
        done.append((seen | set(node.results)) - read)
        read |= seen
    return done[::-1]


def _apply(node: Node, known: Mapping[Value, Array], dtype: DTypeLike) -> tuple[Array, ...]:
    if isinstance(node.op, Fused):
        return _evaluate(node.op.body, [gather(view, known) for view in node.views], dtype)
    operands = tuple(_read(operand, known, dtype) for operand in node.operands)
    if computes_integers(node):
        results = compute_integers(node, operands)
    else:
        results = compute(node.op, operands)
    for result in results:
        flush(result)
    return tuple(
        result.astype(_held(value.type.element, dtype), copy=False)
        for result, value in zip(results, node.results, strict=True)
    )


def _held(element: Element, dtype: DTypeLike) -> DTypeLike:
    """Return the numpy type of the arrays that hold an element."""
    return dtype if element is F32 else element.numpy


def _widened(array: Array) -> Array:
    """Convert f16 to f32, in which it is computed."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _read(operand: Operand | None, known: Mapping[Value, Array], dtype: DTypeLike) -> Array | None:
    match operand:
        case None:
            return None
        case Constant():
            held = _held(operand.type.element, dtype)
            return _widened(flushed(operand.array).astype(held, copy=False))
        case ChannelView():
            return _widened(gather(operand, known))


def gather(view: ChannelView, known: Mapping[Value, Array]) -> Array:
    """Read a view: its segments concatenated, then permuted by its order."""
    parts = [known[s.value][..., s.start : s.start + s.length] for s in view.segments]
    joined = np.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
    return joined if view.order.is_identity else joined[..., list(view.order.indices)]


def _check_constants(graph: Graph) -> None:
    unbound = [f"@{c.name}" for c in graph.constants().values() if c.data is None]
    if unbound:
        more = f" and {len(unbound) - 3} more" if len(unbound) > 3 else ""
        raise error("E0711", f"constants without data: {', '.join(unbound[:3])}{more}")
