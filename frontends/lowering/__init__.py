"""Lowering of imported models to graphs, with one table of rules for all frontends.

A frontend brings its model to one form (`model.py`): the ops, orders of axes and layouts of
weights are those of ONNX, shapes are static, and constants are folded.
"""

from __future__ import annotations

from mbc.frontends.lowered import Lowered
from mbc.frontends.lowering.clips import without_idle_clips
from mbc.frontends.lowering.formulas import NUMERIC, recognise_activations
from mbc.frontends.lowering.model import Model
from mbc.frontends.lowering.pads import absorb_pads
from mbc.frontends.lowering.rules import IMPORTERS
from mbc.frontends.lowering.walk import lower
from mbc.frontends.options import Layout
from mbc.ir.graph import Graph

__all__ = ["IMPORTERS", "NUMERIC", "graph_of", "lowered"]


def graph_of(model: Model, name: str, input_layout: Layout = "nhwc") -> Graph:
    """Return the graph of a model that is not quantised; raises what `lowered` raises."""
    return lowered(model, name, input_layout).graph


def lowered(model: Model, name: str, input_layout: Layout = "nhwc") -> Lowered:
    """Return a model as a graph, with images as NHWC but for the inputs, which callers give in
    `input_layout`.

    Raises E0802 with all that is not supported, E0807 for what is too large.
    """
    model = recognise_activations(model)
    if model.quantised:
        model = without_idle_clips(model)
    return lower(absorb_pads(model), name, input_layout)
