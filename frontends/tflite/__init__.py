"""Import of TensorFlow Lite models: a file becomes a graph with weights."""

from __future__ import annotations

from pathlib import Path

from mbc.frontends.lowering import graph_of
from mbc.frontends.options import AS_IT_IS, ModelOptions
from mbc.frontends.tflite.cut import cut
from mbc.frontends.tflite.folding import FOLDS
from mbc.frontends.tflite.ops import TRANSLATORS
from mbc.frontends.tflite.prepare import LEARNT, prepared
from mbc.frontends.tflite.read import read_model
from mbc.ir.graph import Graph

__all__ = ["FOLDS", "LEARNT", "TRANSLATORS", "import_tflite"]


def import_tflite(path: Path, options: ModelOptions = AS_IT_IS) -> Graph:
    """Return the graph of a TensorFlow Lite model, named by its file; images are NHWC, as there.

    Raises E0610 without the package `tflite`, E0701 for an unreadable file, E0801 to E0808 for what
    the model holds.
    """
    model = cut(read_model(path), options.inputs, options.outputs)
    return graph_of(prepared(model), path.stem, options.input_layout)
