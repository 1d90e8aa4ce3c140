"""The element types that backends and exporters support."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mbc.diag import Location, MbcError, error
from mbc.ir.elements import F32, Q8, S32, Element
from mbc.ir.graph import Graph, Node
from mbc.ir.op import Op
from mbc.ir.types import TensorType
from mbc.ops.argmax import ArgMax
from mbc.ops.fused import Fused
from mbc.ops.grid import Pad
from mbc.ops.quantized import Dequantize, Lookup, Quantize, Requantize

Allowed = Element | type[Q8]
"""An element, or all quantised ones."""

KERNELS: tuple[Element, ...] = (F32,)
"""Elements that all kernels compute with, on CPUs and on GPUs."""

MOVED: tuple[Element, ...] = (F32, S32)
"""Elements that they move: those of outputs."""

CONVERSIONS: tuple[type[Op], ...] = (Quantize, Dequantize, Requantize, Lookup)
"""Ops on codes alone, or between floats and codes, which have no kernel where codes have none."""


def on_codes(node: Node) -> bool:
    """Return whether a node computes with codes; moves of codes do not."""
    moves = node.op.moves_data_only and not isinstance(node.op, Pad)
    if moves or isinstance(node.op, ArgMax) or makes_floats(node):
        return False
    return any(isinstance(type.element, Q8) for type in _types_at(node))


def makes_floats(node: Node) -> bool:
    """Whether a fused body computes with floats that it makes of the codes that it reads."""
    body = node.op.body.topo() if isinstance(node.op, Fused) else []
    return bool(body) and isinstance(body[0].op, Dequantize)


def refuse_elements(
    graph: Graph, who: str, integer_refusal: Callable[[Node], str] | None = None
) -> None:
    """Raise E0509 at the first node with a tensor whose element has no kernels there.

    `who` is named in the message: "LLVM for arm64". `integer_refusal` returns why there is no
    kernel for a node that computes with codes, "" if there is one; without it there are none, and
    codes are not moved either.
    """
    for node in graph.topo():
        where = node.locations[0] if node.locations else None
        if integer_refusal is not None and on_codes(node):
            if reason := integer_refusal(node):
                raise _refused(
                    f"{who} has no int8 kernel for {node.op.label}: {reason}",
                    node.results[0].type,
                    where,
                )
            continue
        for type, elements in _types_of(node, codes=integer_refusal is not None):
            _check(who, type, where, elements)
        for body in node.op.bodies:
            refuse_elements(body, who, integer_refusal)
    for value in graph.inputs:
        _check(who, value.type, None, () if integer_refusal is None else (Q8,))


def _check(who: str, type: TensorType, where: Location | None, more: Sequence[Allowed]) -> None:
    element = type.element
    if element not in (*KERNELS, *more) and not (Q8 in more and isinstance(element, Q8)):
        raise _refused(f"{who} takes f32 tensors only, found {element}", type, where)


def _refused(message: str, type: TensorType, where: Location | None) -> MbcError:
    label = f"this has a tensor {type}"
    helps = ["mbc run --backend oracle evaluates it"]
    if isinstance(type.element, Q8):
        helps.append("--float takes a quantised model in float32")
    return error("E0509", message, at=where, label=label, helps=helps)


def element_refusal(node: Node) -> str:
    """Return why no fused kernel can run a node; "" if its elements do not prevent it."""
    others = (type.element for type in _types_at(node) if type.element not in KERNELS)
    return next((f"there are no fused kernels for {element}" for element in others), "")


def _types_of(node: Node, *, codes: bool) -> Iterator[tuple[TensorType, Sequence[Allowed]]]:
    """Yield the types of a node's tensors, with the elements besides f32 that these may have."""
    moved: Sequence[Allowed] = (*MOVED, *((Q8,) if codes else ()))
    read: Sequence[Allowed] = moved if node.op.moves_data_only else ()
    made = moved if isinstance(node.op, ArgMax) else read
    if codes and makes_floats(node):
        read = (Q8,)
    yield from ((result.type, made) for result in node.results)
    yield from ((type, read) for type in node.operand_types if type is not None)


def _types_at(node: Node) -> Iterator[TensorType]:
    yield from (result.type for result in node.results)
    yield from (type for type in node.operand_types if type is not None)
