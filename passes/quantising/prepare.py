"""The one form of a float network in which it is measured and quantised, whatever the target and
the level: without dead nodes, batch norms, activations and residuals that a layer can take over."""

from __future__ import annotations

from dataclasses import replace

from mbc.int8.quantisation import Quantisation
from mbc.ir.graph import Graph, Node
from mbc.ir.op import Activated
from mbc.ops.elementwise import Activate
from mbc.passes.eliminate_dead_nodes import EliminateDeadNodes
from mbc.passes.fold_affine import FoldAffine
from mbc.passes.fold_batch_norm import FoldBatchNorm
from mbc.passes.fold_constants import FoldConstants
from mbc.passes.fold_pad import FoldPad
from mbc.passes.fuse_activation import FuseActivation
from mbc.passes.fuse_residual_add import FuseResidualAdd
from mbc.passes.quantising.affine import AffineAsLayer
from mbc.passes.quantising.portable import Portable
from mbc.passes.raise_channel_shuffle import RaiseChannelShuffle
from mbc.passes.rewrite import insert, name_of
from mbc.passmgr.passes import Pass, PassContext, PassResult

PREPARATION: tuple[Pass, ...] = (
    FoldConstants(),
    EliminateDeadNodes(),
    FoldPad(),
    RaiseChannelShuffle(),
    FoldBatchNorm(),
    FoldAffine(),
    AffineAsLayer(),
    FuseActivation(),
    FuseResidualAdd(),
)
"""The passes before a network is quantised, in order."""


def prepare(graph: Graph, quantisation: Quantisation | None = None) -> PassResult:
    """Bring a graph to that form, in place; the remarks have the ids of those passes. What a
    model rounds by itself stays apart."""
    result, context = PassResult(), PassContext(Portable(), quantisation)
    for node in graph.topo():
        _separate(graph, node, result)
    for step in PREPARATION:
        found = step.run(graph, context)
        result.changed |= found.changed
        for remark in found.remarks:
            result.remarks.append(replace(remark, reason=remark.id(step.name)))
    return result


def _separate(graph: Graph, node: Node, result: PassResult) -> None:
    """Take an activation that is no clip out of an epilogue: it has a table, and what it reads a
    range of its own."""
    act = node.op.act if isinstance(node.op, Activated) else None
    if not isinstance(node.op, Activated) or act is None or act.bounds is not None:
        return
    linear = insert(
        graph, node.op.with_act(None), node.operands, f"{node.result.name}.linear", node
    )
    graph.replace(node, Activate(act), [linear.result])
    result.did("separated", f"separated: {act} of {name_of(linear)}", linear)
