"""How each op of TensorFlow Lite is brought to the form that all frontends share."""

from __future__ import annotations

from collections.abc import Mapping

from mbc.frontends.tflite.ops import moves, pointwise, quantised, reductions, windows
from mbc.frontends.tflite.translation import Translator

TRANSLATORS: Mapping[str, Translator] = {
    **moves.TRANSLATORS,
    **pointwise.TRANSLATORS,
    **quantised.TRANSLATORS,
    **reductions.TRANSLATORS,
    **windows.TRANSLATORS,
}
"""How each op is translated; the first line of its text is its documentation."""
