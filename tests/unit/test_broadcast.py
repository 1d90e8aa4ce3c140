"""Which shapes broadcast, and what passes, kernels and the oracle know of operands that do."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

from mbc.backends.llvm.backend import LlvmBackend
from mbc.diag import MbcError
from mbc.driver.platforms import resolve
from mbc.interp.strips import STRIP_BYTES, compute
from mbc.ir.graph import Constant, Graph
from mbc.ir.op import OpError
from mbc.ir.text import parse
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView
from mbc.ops import Add, GlobalAvgPool, Mul, Sub
from mbc.ops.broadcast import aligned
from mbc.passes.pixels import output_with_pixels
from mbc.passes.rewrite import candidate

IMAGE = TensorType((2, 4, 6, 8))


@pytest.mark.parametrize(
    ("shape", "as_four"),
    [
        ((8,), (1, 1, 1, 8)),
        ((1,), (1, 1, 1, 1)),
        ((2, 8), (2, 1, 1, 8)),
        ((2, 1), (2, 1, 1, 1)),
        ((2, 4, 6, 1), (2, 4, 6, 1)),
        ((1, 4, 6, 8), (1, 4, 6, 8)),
    ],
)
def test_what_broadcasts_to_an_image(shape: tuple[int, ...], as_four: tuple[int, ...]) -> None:
    assert aligned(shape, 4) == as_four
    for types in ([IMAGE, TensorType(shape)], [TensorType(shape), IMAGE]):
        assert Mul().infer(types) == (IMAGE,)


@pytest.mark.parametrize(
    "shape", [(6,), (4, 8), (6, 8), (8, 2), (6, 1, 8), (4, 6, 8), (2, 4, 1, 4), (3, 1, 1, 8)]
)
def test_what_does_not(shape: tuple[int, ...]) -> None:
    for types in ([IMAGE, TensorType(shape)], [TensorType(shape), IMAGE]):
        with pytest.raises(OpError, match="mul needs equal shapes") as caught:
            Mul().infer(types)
        assert caught.value.code == "E0202"


def test_both_operands_do_not_grow() -> None:
    with pytest.raises(OpError):
        Add().infer([TensorType((2, 4, 6, 1)), TensorType((2, 1, 1, 8))])


def test_what_is_broadcast_along_channels_is_along_none() -> None:
    for shape, along in (((8,), ("out",)), ((2, 8), ("out",)), ((1,), ()), ((2, 4, 6, 1), ())):
        first, second = Mul().specs([TensorType(shape), IMAGE])
        assert (first.axes, second.axes) == (along, ("out",))
    ones = [TensorType((2, 1)), TensorType((1,))]
    assert [spec.axes for spec in Mul().specs(ones)] == [("out",), ("out",)]


def test_results_lie_over_operands_of_their_own_shape_alone() -> None:
    graph, backend = Graph("g"), LlvmBackend(resolve("arm64"))
    x, gate = graph.add_input("x", IMAGE), graph.add_input("gate", TensorType((2, 8)))
    node = candidate(Mul(), [ChannelView.of(gate), ChannelView.of(x)])
    assert not backend.may_alias(node, "a")
    assert backend.may_alias(node, "b")


def test_large_operands_give_the_same_in_strips() -> None:
    """Of which only those of equal shapes, or without pixels, are taken apart."""
    rng, shape = np.random.default_rng(0), (2, 300, 300, 16)
    x = rng.standard_normal(shape, np.float32)
    assert x.nbytes > 2 * STRIP_BYTES
    for other in ((16,), (2, 16), (2, 1, 1, 16), (2, 300, 300, 1), (1, 300, 1, 16), shape):
        b = rng.standard_normal(other, np.float32)
        wanted = x - b.reshape(aligned(other, 4) or other)
        assert np.array_equal(compute(Sub(), [x, b])[0], wanted)
        assert np.array_equal(compute(Sub(), [b, x])[0], -wanted)


def test_pixels_in_what_is_broadcast_are_not_followed_further() -> None:
    """A value that has the pixels of an image as channels is no map of them once it is spread."""
    graph = parse("""graph @g(%x: f32[1,2,4,1], %y: f32[1,3,3,8]) {
      %0 = relu(%x) : f32[1,2,4,1]
      %1 = reshape(%0) {shape=(1,8)} : f32[1,8]
      %2 = mul(%y, %1) : f32[1,3,3,8]
      %3 = global_avg_pool(%2) : f32[1,8]
      return %3 as mask
    }""")
    (relu, *_, pool) = graph.topo()
    assert isinstance(pool.op, GlobalAvgPool)
    assert prod(relu.result.type.shape[1:-1]) > 1
    assert output_with_pixels(graph, relu.result) == "mask"


def test_one_operand_is_a_value() -> None:
    graph = Graph("g")
    a, b = Constant("a", TensorType((8,))), Constant("b", TensorType((8,)))
    graph.set_outputs([graph.add(Mul(), [a, b]).result])
    with pytest.raises(MbcError, match=r"E0308.*one must be a value"):
        parse("graph @g() {\n const @a : f32[8]\n %0 = mul(@a, @a) : f32[8]\n return %0\n}\n")


@pytest.mark.parametrize(
    ("type", "number", "message"),
    [
        ("f32[2]", "1.0", r"a number is data of f32\[1\], not of f32\[2\]"),
        ("s8[1]", "1", r"a number is data of f32\[1\], not of s8\[1\]"),
        ("f32[1]", "1e39", "'1e39' is too large for f32"),
    ],
)
def test_what_is_no_literal(type: str, number: str, message: str) -> None:
    text = f"graph @g(%x: f32[1,8]) {{\n const @a : {type} = {number}\n return %x\n}}\n"
    with pytest.raises(MbcError, match=message):
        parse(text)
