"""The element types that backends and exporters support."""

from __future__ import annotations

from collections.abc import Iterator

from mbc.diag import Location, error
from mbc.ir.elements import F32, Element
from mbc.ir.graph import Graph, Node
from mbc.ir.op import Op
from mbc.ir.types import TensorType
from mbc.ops.fused import Fused
from mbc.ops.quantized import Dequantize, Quantize

KERNELS: tuple[Element, ...] = (F32,)
"""Elements that kernels support, on CPUs and on GPUs."""

WITHOUT_KERNELS: tuple[type[Op], ...] = (Quantize, Dequantize)
"""Ops that have no kernels, since all their forms have other elements too."""


def refuse_elements(graph: Graph, who: str) -> None:
    """Raise E0509 at the first node with a tensor whose element has no kernels.

    `who` is named in the message: "LLVM for arm64".
    """
    for type, where in _types(graph):
        if type.element not in KERNELS:
            raise error(
                "E0509",
                f"{who} takes f32 tensors only, found {type.element}",
                at=where,
                label=f"this has a tensor {type}",
                helps=["mbc run --backend oracle evaluates it"],
            )


def element_refusal(node: Node) -> str:
    """Return why no fused kernel can run a node; "" if its elements do not prevent it."""
    others = (type.element for type in _types_at(node) if type.element not in KERNELS)
    return next((f"there are no fused kernels for {element}" for element in others), "")


def _types(graph: Graph) -> Iterator[tuple[TensorType, Location | None]]:
    """Yield the types of all tensors, with the lines of the nodes that read or compute them."""
    for node in graph.topo():
        where = node.locations[0] if node.locations else None
        yield from ((type, where) for type in _types_at(node))
        if isinstance(node.op, Fused):
            yield from _types(node.op.body)
    yield from ((value.type, None) for value in graph.inputs)


def _types_at(node: Node) -> Iterator[TensorType]:
    yield from (result.type for result in node.results)
    yield from (type for type in node.operand_types if type is not None)
