"""Import of ONNX models: a file becomes a graph with weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mbc.frontends.lowering import IMPORTERS, NUMERIC, graph_of
from mbc.frontends.lowering.model import Shape
from mbc.frontends.onnx.importer.folding import FOLDABLE
from mbc.frontends.onnx.importer.prepare import prepare
from mbc.ir.graph import Graph

__all__ = ["FOLDABLE", "IMPORTERS", "NUMERIC", "import_onnx"]


def import_onnx(path: Path, shapes: Mapping[str, Shape] | None = None) -> Graph:
    """Return the graph of an ONNX model, named by its file; images are NHWC in it.

    `shapes` sets inputs whose shapes are symbolic. Raises E0610 without the package `onnx`, E0701
    for an unreadable file, E0801 to E0807 for what the model holds.
    """
    return graph_of(prepare(path, shapes or {}, {*IMPORTERS, *NUMERIC}), path.stem)
