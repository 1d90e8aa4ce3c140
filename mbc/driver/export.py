"""Export of networks to other formats."""

from __future__ import annotations

from mbc.backends.llvm.backend import LlvmBackend
from mbc.driver.byte_inputs import load_for_callers
from mbc.driver.configuration import resolve_request
from mbc.driver.instrumentation import Inspection
from mbc.driver.pipeline import pipeline_of, quantisation_of, run_passes
from mbc.driver.platforms import resolve
from mbc.driver.request import Observer, Request
from mbc.driver.source import Source
from mbc.frontends.onnx.export import OnnxModel, export_onnx
from mbc.ir.graph import Graph
from mbc.passes.eliminate_dead_nodes import EliminateDeadNodes
from mbc.passes.fold_batch_norm import FoldBatchNorm
from mbc.passes.fold_constants import FoldConstants
from mbc.passes.pipelines import PASSES
from mbc.passes.raise_channel_shuffle import RaiseChannelShuffle
from mbc.passmgr.passes import Pass, PassContext
from mbc.passmgr.pipeline import ending_with, single_stage

TIDY: tuple[Pass, ...] = (
    FoldConstants(),
    EliminateDeadNodes(),
    RaiseChannelShuffle(),
    FoldBatchNorm(),
)
"""Passes that every engine runs itself, or should; run here so that all get the same network."""


def tidied(graph: Graph) -> Graph:
    """Return a copy of a graph as imported, with its batch norms folded and its shuffles
    recognised."""
    copy = graph.clone()
    anyone = LlvmBackend(resolve("x86_64"))  # none of these passes asks about kernels
    run_passes(copy, single_stage(TIDY), PassContext(anyone), Inspection(), lambda _: None)
    return copy


def onnx_after(request: Request, name: str, observer: Observer) -> tuple[Source, OnnxModel]:
    """Return a network, and the ONNX model of it as it is after a pass, with fused kernels and
    channel views as functions. Raises E0106, E0510, and what compiling raises."""
    configuration = resolve_request(request)
    producer = configuration.producer
    source = load_for_callers(request, observer)
    quantisation = quantisation_of(request, source)
    planned = pipeline_of(request, producer.plans, quantisation is not None)
    pipeline = ending_with(planned, name, PASSES)
    graph = source.graph.clone()
    observer.step("running passes")
    context = PassContext(producer.backend(), quantisation)
    run_passes(graph, pipeline, context, Inspection(), observer.note)
    return source, export_onnx(graph, kernels=True)


def onnx_model(graph: Graph, *, as_written: bool = False) -> OnnxModel:
    """Return the ONNX model of a graph as imported, or on codes."""
    return export_onnx(graph if as_written else tidied(graph))
