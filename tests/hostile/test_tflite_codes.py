"""Codes of TensorFlow Lite models that make no sense, or that mbc does not compute with."""

from __future__ import annotations

import struct
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hostile.test_tflite_files import codes, messages, quantised, refused
from tests.tflite_models import Drawing, imported

CODES: dict[str, Any] = {"element": "INT8", "scales": (0.1,)}


def on_codes(d: Drawing, kind: str, *inputs: str, **changes: Any) -> bytes:
    """One node between codes; the result may differ from what is read."""
    d.tensors[0] = replace(d.tensors[0], **CODES)
    given = {name: changes.pop(name) for name in [*changes] if name[0].isupper()}
    name = d.op(kind, *inputs, options=changes.pop("options", ""), **given)
    fields = {"shape": (1, 6, 6, 8), **CODES, **changes}
    d.tensors[-1] = replace(d.tensors[-1], **fields)
    return d.written([name])


def test_codes_that_are_kept_have_one_scale(tmp_path: Path) -> None:
    """LiteRT would move the codes, and so say other numbers."""
    pool = {"options": "Pool2DOptions", "FilterWidth": 1, "FilterHeight": 1}
    pool |= {"StrideW": 1, "StrideH": 1}
    content = on_codes(Drawing(), "MAX_POOL_2D", "x", **pool, scales=(0.2,))
    (message,) = messages(content, tmp_path)
    assert message == (
        "MAX_POOL_2D: it keeps codes, and 'max_pool_2d0' has the scale q8(0.2,128), 'x' q8(0.1,128)"
    )
    content = on_codes(Drawing(), "RESHAPE", "x", scales=(0.1,), zeros=(3,))
    assert "q8(0.1,131)" in messages(content, tmp_path)[0]
    near = on_codes(Drawing(), "MAX_POOL_2D", "x", **pool, scales=(0.1000001,))
    assert len(imported(near, tmp_path).topo()) == 1
    assert imported(on_codes(Drawing(), "ABS", "x", scales=(0.2,)), tmp_path).topo()
    d = Drawing()
    other = d.constant([3], np.int8, scales=(0.2,))
    assert "keeps codes" in messages(on_codes(d, "MAXIMUM", "x", other), tmp_path)[0]


KEEPING = (
    *("AVERAGE_POOL_2D", "MAX_POOL_2D", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"),
    *("DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "EXPAND_DIMS", "RESHAPE", "SQUEEZE", "TRANSPOSE"),
    *("GATHER", "PACK", "UNPACK", "SLICE", "STRIDED_SLICE", "SPLIT", "SPLIT_V"),
    *("MIRROR_PAD", "PAD", "PADV2", "MAXIMUM", "MINIMUM", "REDUCE_MAX", "REDUCE_MIN"),
)


@pytest.mark.parametrize("kind", KEEPING)
def test_ops_that_keep_codes(kind: str, tmp_path: Path) -> None:
    (message,) = messages(on_codes(Drawing(), kind, "x", scales=(0.2,)), tmp_path)
    assert message.startswith(f"{kind}: it keeps codes, and '{kind.lower()}0' has the scale q8(0.2")


def test_codes_that_stand_for_nothing_mbc_computes_with(tmp_path: Path) -> None:
    d = Drawing()
    (message,) = messages(on_codes(d, "ABS", "x", scales=()), tmp_path)
    assert message == "ABS: 'abs0' is int8 without a scale"
    (message,) = messages(on_codes(Drawing(), "ABS", "x", scales=(0.1,) * 8, axis=3), tmp_path)
    assert message == "ABS: 'abs0' is quantised by channels"
    details = on_codes(Drawing(), "ABS", "x", details=1)
    assert messages(details, tmp_path) == ["ABS: 'abs0' has codes that mbc does not know"]
    (message,) = messages(on_codes(Drawing(), "QUANTIZE", "x", element="INT32"), tmp_path)
    assert message == "QUANTIZE: its result is int32, computed from inputs of the model"
    (message,) = messages(on_codes(Drawing(), "ADD", "x", "x", element="FLOAT32"), tmp_path)
    assert message == "ADD: it computes with both floats and codes"


def filtered(d: Drawing, **changes: Any) -> bytes:
    """A convolution on codes, whose weight is changed."""
    d.tensors[0] = replace(d.tensors[0], **CODES)
    d.tensors.append(replace(d.tensors[d.number(quantised(d))], **changes, name="w"))
    made = d.op("CONV_2D", "x", "w", "", options="Conv2DOptions", StrideW=1, StrideH=1)
    d.tensors[-1] = replace(d.tensors[-1], shape=(1, 6, 6, 4), **CODES)
    return d.written([made])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"scales": (float("nan"),)}, "its scale is nan"),
        ({"scales": (float("inf"),)}, "its scale is inf"),
        ({"scales": (-0.1,)}, "its scale is -0.1"),
        ({"scales": (3e38,)}, "its scale is 3e+38"),
        ({"scales": (0.1, 0.1, float("nan"), 0.1)}, "its scale is nan"),
        ({"zeros": (128,)}, "its zero point is 128, which is no int8"),
        ({"zeros": (-(2**40),)}, "its zero point is -1099511627776, which is no int8"),
        ({"element": "UINT8", "zeros": (-1,)}, "its zero point is -1, which is no uint8"),
        ({"zeros": (0, 0)}, "it has 1 scales and 2 zero points"),
        ({"scales": (0.1,) * 3}, "it has 3 scales for 4 places"),
        ({"scales": (0.1,) * 4, "axis": 4}, "it has scales along axis 4 of 4"),
        ({"scales": (0.1,) * 4, "axis": -1}, "it has scales along axis -1 of 4"),
        ({"scales": (0.1,) * 5000}, "it has 5,000 scales for 4 places"),
    ],
    ids=str,
)
def test_scales_that_make_no_sense(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    (found,) = refused(filtered(Drawing(), **changes), tmp_path).diagnostics
    assert found.code == "E0806"
    assert found.message == f"tensor 'w' is malformed: {reason}"


@pytest.mark.parametrize("scale", [0.0, 1e-40])
def test_scales_of_values_that_are_next_to_0(scale: float, tmp_path: Path) -> None:
    """Those of dead channels of a weight may be."""
    (message,) = messages(on_codes(Drawing(), "ABS", "x", scales=(scale,)), tmp_path)
    assert message == f"tensor 'abs0' is malformed: its scale is {np.float32(scale):g}"
    d = Drawing()
    least = d.constant([3], np.int8, scales=(scale,))
    (message,) = messages(on_codes(d, "MAXIMUM", "x", least), tmp_path)
    assert message == f"MAXIMUM: 'c1' has the scale {np.float32(scale):g}"


def test_scales_along_another_axis(tmp_path: Path) -> None:
    (message,) = messages(filtered(Drawing(), scales=(0.1,) * 8, axis=3), tmp_path)
    assert message == "CONV_2D: 'w' has scales along axis 3, not its outputs"
    assert imported(filtered(Drawing(), scales=(0.1,) * 4), tmp_path).topo()


def test_a_list_of_scales_without_end(tmp_path: Path) -> None:
    content = filtered(Drawing(), scales=(0.1, 0.2, 0.3, 0.4))
    scales = struct.pack("<i4f", 4, 0.1, 0.2, 0.3, 0.4)
    place = content.index(scales)
    broken = content[:place] + b"\xff\xff\xff\x7f" + content[place + 4 :]
    assert codes(refused(broken, tmp_path)) == {"E0801"}


def biased(d: Drawing, weight: str, bias: str, step: float = 0.1) -> bytes:
    """A convolution on codes."""
    d.tensors[0] = replace(d.tensors[0], element="INT8", scales=(step,))
    made = d.op("CONV_2D", "x", weight, bias, options="Conv2DOptions", StrideW=1, StrideH=1)
    d.tensors[-1] = replace(d.tensors[-1], shape=(1, 6, 6, 4), **CODES)
    return d.written([made])


def test_weights_and_biases_that_do_not_fit(tmp_path: Path) -> None:
    d = Drawing()
    whole, short = d.constant([1, 2, 3, 4]), d.constant([1, 2, 3])
    real, floats = d.constant([1, 2, 3, 4], np.float32), d.weight(4, 1, 1, 8)
    weight = quantised(d)
    for given, reason in (
        ((weight, short), "its bias does not fit its weight"),
        ((weight, real), "its bias is float, and it computes with codes"),
        ((floats, whole), "its weight is float, and it computes with codes"),
        ((weight, whole, 1e30), "its sums have steps of 1e+29"),
        ((weight, "", 1e30), "its sums have steps of 1e+29"),
    ):
        (message,) = messages(biased(deepcopy(d), *given), tmp_path)
        assert message == f"CONV_2D: {reason}"
