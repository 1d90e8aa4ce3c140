"""The formats of models that are read, and what is imported from them, as text."""

from __future__ import annotations

import inspect

FORMATS = {".onnx": "ONNX", ".tflite": "TensorFlow Lite", ".pt2": "PyTorch"}
"""The formats of models, by the end of their files' names."""
LISTED = ", ".join(FORMATS)
"""Those ends, for messages."""
KINDS = {".mbc": "IR text", **{end: f"{name} models" for end, name in FORMATS.items()}}
"""What files hold one finished graph, by the end of their names."""

CUTS = {"--inputs", "--outputs", "--input-layout"}
OPTIONS = {
    ".onnx": {"--shape", "--external-data", "--float", *CUTS},
    ".tflite": {"--float", *CUTS},
    ".pt2": {"--input-layout"},
}
"""The options of the import that a format has."""

FOLDED = "Folded where all operands are constant."
ON_FLOATS = "{}, on floats, with a clip to the range of its result."
CLIPS = "A clip to the range of the integers; folded where its operand is constant."
NOTHING = "What QuantizeLinear gives; folded where its operand is constant."
IN_FORMULAS = "In activations that are written out, which are recognised."
AS_DEFINED = "By the other ops with which ONNX defines it."


def onnx_rows() -> list[tuple[str, str]]:
    """Return each op of ONNX that is imported, and what of it, from the code that imports it."""
    from mbc.frontends.onnx.importer import EXPANDED, FOLDABLE, IMPORTERS, NUMERIC  # takes time
    from mbc.frontends.onnx.importer.quantised_ops import plain_kinds

    rules = {kind: _summary(rule) for kind, rule in IMPORTERS.items()}
    folded = dict.fromkeys(FOLDABLE - IMPORTERS.keys(), FOLDED)
    quantised = {kind: ON_FLOATS.format(plain) for kind, plain in plain_kinds().items()}
    quantised |= {"QuantizeLinear": CLIPS, "DequantizeLinear": NOTHING}
    parts = dict.fromkeys(NUMERIC - rules.keys() - folded.keys(), IN_FORMULAS)
    defined = dict.fromkeys(EXPANDED, AS_DEFINED)
    return sorted((rules | folded | parts | quantised | defined).items())


def tflite_rows() -> list[tuple[str, str]]:
    """Return each op of TensorFlow Lite that is imported, and what of it, from the code."""
    from mbc.frontends.tflite import FOLDS, LEARNT, TRANSLATORS  # takes time to import

    rules = {kind: _summary(rule) for kind, rule in TRANSLATORS.items()}
    folded = dict.fromkeys({*FOLDS, *LEARNT} - rules.keys(), FOLDED)
    return sorted((rules | folded).items())


def torch_rows() -> list[tuple[str, str]]:
    """Return each op of PyTorch that is imported, and what of it, from the code."""
    from mbc.frontends.torch import ATEN, FOLDABLE  # takes time to import

    folded = dict.fromkeys(FOLDABLE, FOLDED)
    rules = {op: _summary(rule) for op, rule in ATEN.items()}
    return sorted((f"aten.{op}", text) for op, text in (folded | rules).items())


def _summary(rule: object) -> str:
    return (inspect.getdoc(rule) or "").partition("\n")[0]
