"""Import of TensorFlow Lite models: a file becomes a graph with weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mbc.frontends.lowered import Lowered
from mbc.frontends.lowering import lowered
from mbc.frontends.options import AS_IT_IS, ModelOptions
from mbc.frontends.tflite.cut import cut
from mbc.frontends.tflite.folding import FOLDS
from mbc.frontends.tflite.ops import TRANSLATORS
from mbc.frontends.tflite.prepare import LEARNT, prepared
from mbc.frontends.tflite.read import read_model

__all__ = ["FOLDS", "LEARNT", "TRANSLATORS", "import_tflite"]


def _discard(text: str) -> None:
    """Take a remark, and drop it."""


def import_tflite(
    path: Path, options: ModelOptions = AS_IT_IS, note: Callable[[str], None] = _discard
) -> Lowered:
    """Return a TensorFlow Lite model as a graph, named by its file; images are NHWC, as there.

    `note` takes what the user should know. Raises E0610 without the package `tflite`, E0701 for an
    unreadable file, E0801 to E0808 for what the model holds.
    """
    model = cut(read_model(path), options.inputs, options.outputs)
    return lowered(prepared(model, note, floats=options.floats), path.stem, options.input_layout)
