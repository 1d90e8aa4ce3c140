"""Element types: they print and parse exactly, and constants hold them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mbc.backends.llvm.isa import LLVM_TYPES
from mbc.diag import MbcError
from mbc.frontends.weights.types import CONVERTED, INTEGERS
from mbc.ir.elements import Q8, S8, U8, Element, Scalar
from mbc.ir.graph import Constant, Graph
from mbc.ir.text import parse, print_graph
from mbc.ir.types import TensorType
from mbc.ir.verify import verify
from mbc.ir.views import ChannelView
from mbc.ops.move import Concat, Split
from mbc.runtime import abi
from mbc.runtime.abi import IoSpec

SMALLEST, LARGEST = float(np.finfo(np.float32).smallest_normal), float(np.finfo(np.float32).max)
SCALES = st.floats(SMALLEST, LARGEST, width=32)
QUANTISED = st.builds(Q8, SCALES, st.integers(0, 255))
ELEMENTS: st.SearchStrategy[Element] = st.sampled_from(list(Scalar)) | QUANTISED


def copies(element: Element) -> Graph:
    """A graph of moves, which take any element."""
    graph = Graph("g")
    x = graph.add_input("x", TensorType((1, 2, 3, 8), element))
    first, second = graph.add(Split(sizes=(3, 5)), [x]).results
    graph.set_outputs([graph.add(Concat(), [second, first]).result])
    return graph


@given(ELEMENTS)
@settings(max_examples=300, deadline=None)
def test_elements_come_back_as_text(element: Element) -> None:
    graph = copies(element)
    verify(graph)
    text = print_graph(graph)
    again = parse(text)
    assert again.inputs[0].type.element == element
    assert [r.type for n in again.topo() for r in n.results] == [
        TensorType((1, 2, 3, count), element) for count in (3, 5, 8)
    ]
    assert print_graph(again) == text


@given(SCALES)
@settings(max_examples=300, deadline=None)
def test_a_scale_prints_in_as_few_digits_as_give_it_back(scale: float) -> None:
    digits = str(Q8(scale, 0)).removeprefix("q8(").removesuffix(",0)")
    assert np.float32(float(digits)) == np.float32(scale)
    count = len(digits.partition("e")[0].replace(".", "").strip("0"))
    shorter = float(f"{scale:.{max(count - 2, 0)}e}")
    assert count == 1 or np.float32(shorter) != np.float32(scale)


def test_every_element_has_a_type_in_llvm_in_c_and_in_files() -> None:
    assert set(LLVM_TYPES) == set(Scalar)
    assert set(abi.ELEMENTS) == {element.value for element in Scalar}
    integers = {element for element in Scalar if not element.is_float}
    assert set(INTEGERS) == integers
    assert set(CONVERTED) == {"f64", "bf16", *(element.value for element in set(Scalar) - integers)}


def test_scales_print_plainly() -> None:
    printed = [str(Q8.of(scale, 7)) for scale in (0.1, 1, 1 / 255, 1e-5, 3e20)]
    assert printed == [
        "q8(0.1,7)", "q8(1.0,7)", "q8(0.003921569,7)", "q8(1e-05,7)", "q8(3e+20,7)"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("scale", "zero", "message"),
    [
        (0.0, 0, "positive normal float32, found 0.0"),
        (-0.5, 0, "positive normal float32, found -0.5"),
        (1e-40, 0, "positive normal float32"),
        (1e39, 0, "positive normal float32, found inf"),
        (1.0, 256, "a zero point is 0 to 255, found 256"),
        (1.0, -1, "a zero point is 0 to 255, found -1"),
    ],
)
def test_what_no_q8_can_have(scale: float, zero: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Q8.of(scale, zero)
    text = f"graph @g(%x: q8({scale!r},{zero})[1,8]) {{\n  return %x\n}}\n"
    with pytest.raises(MbcError, match=f"E0306: .*{message}"):
        parse(text)


def test_a_scale_that_is_no_float32() -> None:
    with pytest.raises(ValueError, match=r"0\.1 is no float32"):
        Q8(0.1, 0)
    with pytest.raises(ValueError, match="is no float32"):
        Q8(float("nan"), 0)


def test_sizes() -> None:
    sizes = {str(element): TensorType((3, 5), element).bytes for element in (*Scalar, Q8(1.0, 0))}
    assert sizes == {"f32": 60, "f16": 30, "s8": 15, "u8": 15, "s32": 60, "q8(1.0,0)": 15}


def test_a_view_joins_values_of_one_scale() -> None:
    graph = Graph("g")
    one, other = (
        graph.add_input(name, TensorType((1, 4), Q8(scale, 0)))
        for name, scale in (("a", 0.5), ("b", 0.25))
    )
    graph.set_outputs([ChannelView.concat([ChannelView.of(one), ChannelView.of(other)])])
    with pytest.raises(MbcError, match=r"E0309: .*joins values of different types"):
        verify(graph)


def test_integers_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="@w has elements that are no s8"):
        Constant.of("w", np.array([1.0, 127.5]), S8)
    with pytest.raises(ValueError, match="@w has elements that are no u8"):
        Constant.of("w", np.array([256]), U8)


def test_callers_see_codes() -> None:
    spec = IoSpec.of("x", TensorType((1, 8), Q8(0.5, 3)))
    assert (spec.dtype, spec.scale, spec.zero_point) == ("u8", 0.5, 3)
    assert IoSpec.of("x", TensorType((1, 8))) == IoSpec("x", (1, 8), "f32")
