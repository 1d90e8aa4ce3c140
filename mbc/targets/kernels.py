"""Ops without kernels on a backend: `mbc ops --backends` lists them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mbc.diag import MbcError, error
from mbc.ir.graph import Graph, Node
from mbc.ir.op import Op
from mbc.ops.fused import Fused
from mbc.targets.backend import Backend
from mbc.targets.elements import CONVERSIONS


def refuse_ops(graph: Graph, has_kernel: Callable[[type[Op]], bool], who: str) -> None:
    """Raise MbcError E0517 at the first node, in bodies too, whose op has no kernel.

    `who` is named in the message: "TVM for opencl". Ops that are refused by their elements are left
    to `refuse_elements`.
    """
    for node in graph.topo():
        if not has_kernel(type(node.op)) and not isinstance(node.op, CONVERSIONS):
            raise without_kernel(node, who)
        for body in node.op.bodies:
            refuse_ops(body, has_kernel, who)


def refuse_bodies(graph: Graph, backend: Backend, who: str) -> None:
    """Raise MbcError E0517 at the first node whose body, or whose slopes, have no kernel."""
    for node in graph.topo():
        if isinstance(node.op, Fused) or node["slope"] is not None:
            support = backend.supports(replace(node, schedule=None))
            if not support:
                raise without_kernel(node, who, support.reason)


def without_kernel(node: Node, who: str, reason: str = "") -> MbcError:
    """Return the error E0517 of a node."""
    return error(
        "E0517",
        f"{who} has no kernel for {node.op.label}" + (f": {reason}" if reason else ""),
        at=node.locations[0] if node.locations else None,
        label=f"this computes a tensor {node.results[0].type}",
        helps=["mbc ops --backends lists the ops of each backend"],
    )


def kernel_refusal(node: Node, backend: Backend) -> str:
    """Return why no schedule or view makes a kernel of a node; "" for ops with kernels, and for
    those that are refused by their elements."""
    if backend.has_kernel(type(node.op)) or isinstance(node.op, CONVERSIONS):
        return ""
    return f"there is no kernel for {node.op.label}"
