"""The element types that backends and exporters support."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mbc.diag import Location, error
from mbc.ir.elements import F32, S32, Element
from mbc.ir.graph import Graph, Node
from mbc.ir.op import Op
from mbc.ir.types import TensorType
from mbc.ops.argmax import ArgMax
from mbc.ops.fused import Fused
from mbc.ops.quantized import Dequantize, Quantize

KERNELS: tuple[Element, ...] = (F32,)
"""Elements that kernels compute with, on CPUs and on GPUs."""

MOVED: tuple[Element, ...] = (F32, S32)
"""Elements that they move: those of outputs."""

WITHOUT_KERNELS: tuple[type[Op], ...] = (Quantize, Dequantize)
"""Ops that have no kernels, since all their forms have other elements too."""


def refuse_elements(graph: Graph, who: str) -> None:
    """Raise E0509 at the first node with a tensor whose element has no kernels there.

    `who` is named in the message: "LLVM for arm64".
    """
    for type, where, elements in _types(graph):
        if type.element not in elements:
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


def _types(graph: Graph) -> Iterator[tuple[TensorType, Location | None, Sequence[Element]]]:
    """Yield the types of all tensors, with the lines of the nodes that read or compute them and the
    elements that these may have there."""
    for node in graph.topo():
        where = node.locations[0] if node.locations else None
        indexes = isinstance(node.op, ArgMax)
        read = MOVED if node.op.moves_data_only else KERNELS
        made = MOVED if indexes else read
        yield from ((result.type, where, made) for result in node.results)
        yield from ((type, where, read) for type in node.operand_types if type is not None)
        if isinstance(node.op, Fused):
            yield from _types(node.op.body)
    yield from ((value.type, None, KERNELS) for value in graph.inputs)


def _types_at(node: Node) -> Iterator[TensorType]:
    yield from (result.type for result in node.results)
    yield from (type for type in node.operand_types if type is not None)
