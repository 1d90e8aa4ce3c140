"""Import of ONNX models: a file becomes a graph with weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mbc.frontends.lowered import Lowered
from mbc.frontends.lowering import IMPORTERS, NUMERIC, lowered
from mbc.frontends.onnx.importer.expansion import EXPANDED
from mbc.frontends.onnx.importer.folding import FOLDABLE
from mbc.frontends.onnx.importer.prepare import prepare
from mbc.frontends.options import AS_IT_IS, ModelOptions

__all__ = ["EXPANDED", "FOLDABLE", "IMPORTERS", "NUMERIC", "import_onnx"]


def _discard(text: str) -> None:
    """Take a note for nobody."""


def import_onnx(
    path: Path, options: ModelOptions = AS_IT_IS, note: Callable[[str], None] = _discard
) -> Lowered:
    """Return an ONNX model as a graph, named by its file; images are NHWC in it.

    `note` takes what the user should know. Raises E0610 without the package `onnx`, E0701 for an
    unreadable file, E0801 to E0808 for what the model holds.
    """
    model = prepare(path, options, {*IMPORTERS, *NUMERIC, *EXPANDED}, note)
    return lowered(model, path.stem, options.input_layout)
