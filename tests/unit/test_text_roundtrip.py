"""Printing and parsing: canonical text comes back unchanged, and means the same."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from mbc.diag import Location, MbcError
from mbc.interp import run
from mbc.ir import activations
from mbc.ir.activations import RELU
from mbc.ir.graph import Constant, Graph
from mbc.ir.schedule import Schedule
from mbc.ir.text import parse, print_graph
from mbc.ir.types import TensorType
from mbc.ir.verify import verify
from mbc.ir.views import ChannelMap, ChannelView
from mbc.ops import OPS
from mbc.ops.elementwise import Activate
from mbc.ops.linear import Conv2d
from mbc.schedules import SCHEDULES
from tests.random_graphs import graphs

CANONICAL = """\
module {network="mobilenet \\"v1\\"", target="arm64", "-D α"="0.5\\n"}
graph @unit(%x: f32[1,28,28,240]) {
  const @g1.w : f32[1,1,80,60]
  const @g1.b : f32[60] = #1f2e3d4c5b6a7988
  const @"a/b:0" : f32[3,3,1,60]
  const @dw.b : f32[60]
  const @g2 : f32[1,1,20,240]
  const @tc.w : f32[2,2,30,8]
  const @dw.w : f32[3,3,1,60]
  const @pw.w : f32[1,1,60,64]
  const @bn.gamma : f32[64]
  const @bn.beta : f32[64]
  const @bn.mean : f32[64]
  const @bn.variance : f32[64]
  const @fc.weight : f32[64,10]
  const @table : u8[256]
  const @scale : f32[10]
  const @"2.0" : f32[1] = 2.0
  const @tiny : f32[1] = 1e-06
  const @least : f32[1] = -0.1
  arena 4816896
  %0 = conv2d(%x, @g1.w, @g1.b) {groups=3, act=relu} : f32[1,28,28,60] at 401408
  %1 = channel_shuffle(%0) {groups=3} : f32[1,28,28,60]
  %2 = conv2d(%1, @"a/b:0", @dw.b) {pad=(1,1,1,1), groups=60} : f32[1,28,28,60]
  %3 = conv2d(%2[c -> (c mod 3)*20 + c floordiv 3], @g2) {groups=3, residual=%x, act=relu6} \
: f32[1,28,28,240]
  %4, %5 = split(%3) {sizes=(120,120)} : f32[1,28,28,120], f32[1,28,28,120] at 64
  %6 = max_pool([%0[0:15], %0[30:45]][c -> (c mod 2)*15 + c floordiv 2]) : f32[1,14,14,30]
  %7 = avg_pool(%1[perm 59 0:59]) {pad=(1,1,0,0), count_pad=true} : f32[1,15,14,60]
  %larger = resize(%7) {size=(30,20), mode="nearest", coordinates="asymmetric"} : f32[1,30,20,60]
  %up = transposed_conv(%7, @tc.w) {stride=(2,2), pad=(1,0,0,1), more=(1,0), groups=2, act=relu} \
: f32[1,30,27,8]
  %8 = fused dw_pw(%x = %2, %r = %x[0:64]) {
    arena 192
    %0 = conv2d(%x, @dw.w) {pad=(1,1,1,1), groups=60, act=relu} : f32[1,28,28,60] at 0
    %1 = conv2d(%0, @pw.w) {residual=%r} : f32[1,28,28,64]
    return %1
  } : f32[1,28,28,64] at 128
  %normal = layer_norm(%8, @bn.gamma, @bn.beta) {epsilon=1e-06} : f32[1,28,28,64]
  %9 = batch_norm(%8, @bn.gamma, @bn.beta, @bn.mean, @bn.variance) {epsilon=0.001} : f32[1,28,28,64]
  %10 = relu(%9) : f32[1,28,28,64]
  %11 = relu6(%9) : f32[1,28,28,64]
  %12 = add(%10, %11) {act=relu} : f32[1,28,28,64]
  %13 = concat(%10, %12, %0) : f32[1,28,28,188]
  %14 = reshape(%12) {shape=(1,784,64)} : f32[1,784,64]
  %15 = transpose(%14) {perm=(0,2,1)} : f32[1,64,784]
  %cut = slice(%15) {axis=1, start=2, stop=64, step=3} : f32[1,21,784]
  %joined = concat_along(%cut, %cut) {axis=1} : f32[1,42,784]
  %padded = pad(%12) {before=(0,1,0,0), after=(0,1,2,0), value=-1.5} : f32[1,30,30,64]
  %lowest = pad(%12) {before=(0,0,1,0), after=(0,0,0,0), lowest=true} : f32[1,28,29,64]
  %pixels = depth_to_space(%12) : f32[1,56,56,16]
  %deep = space_to_depth(%pixels) {block=4} : f32[1,14,14,256]
  %16 = global_avg_pool(%12) : f32[1,64]
  %17 = dense(%16, @fc.weight) : f32[1,10]
  %18 = softmax(%17) : f32[1,10]
  %19 = quantize(%18) {to=q8(0.00390625,0)} : q8(0.00390625,0)[1,10]
  %finer = requantize(%19) {to=q8(0.0625,7)} : q8(0.0625,7)[1,10]
  %found = lookup(%finer, @table) {to=q8(0.5,3)} : q8(0.5,3)[1,10]
  %20 = dequantize(%19) : f32[1,10]
  %21 = clip(%17) {lo=-1.5, hi=20.0} : f32[1,10]
  %22 = leaky_relu(%20) {alpha=0.25} : f32[1,10]
  %23 = sigmoid(%22) : f32[1,10]
  %24 = add(%23, %21) {act=clip(hi=3.0)} : f32[1,10]
  %25 = hard_sigmoid(%24) {alpha=0.2} : f32[1,10]
  %26 = hard_swish(%25) : f32[1,10]
  %27 = add(%26, %25) {act=hard_sigmoid(beta=0.25)} : f32[1,10]
  %28 = silu(%27) : f32[1,10]
  %29 = tanh(%28) : f32[1,10]
  %30 = gelu(%29) : f32[1,10]
  %31 = gelu_tanh(%30) : f32[1,10]
  %32 = elu(%31) {alpha=0.5} : f32[1,10]
  %33 = mul(%32, @scale) {act=relu6} : f32[1,10]
  %34 = sub(@"2.0", %33) : f32[1,10]
  %35 = div(%34, @tiny) : f32[1,10]
  %36 = max(@least, %35) : f32[1,10]
  %37 = min(%36, %16[0:10]) : f32[1,10]
  %38 = reduce_mean(%0) {axes=(1,2), keep=true} : f32[1,1,1,60]
  %39 = reduce_max(%38) {axes=(0,3)} : f32[1,1]
  %40 = reduce_sum(%39) {axes=(1)} : f32[1]
  %41 = abs(%37) : f32[1,10]
  %labels = argmax(%41) {axis=1, keep=true} : s32[1,1]
  %42 = neg(%41) : f32[1,10]
  %43 = exp(%42) : f32[1,10]
  %44 = log(%43) : f32[1,10]
  %45 = sqrt(%44) : f32[1,10]
  %46 = reciprocal(%45) : f32[1,10]
  %47 = pow(%46) {exponent=2.5} : f32[1,10]
  %48 = gather(%47) {axis=1, indices=(2,0,0,1)} : f32[1,4]
  %49 = log_softmax(%48) : f32[1,4]
  %50 = l2_normalize(%49) {epsilon=0.001} : f32[1,4]
  %51 = transpose(%50) {perm=(1,0)} : f32[4,1]
  %52 = matmul(%50, %51) : f32[1,1]
  %53 = instance_norm(%9, @bn.gamma, @bn.beta) {epsilon=0.001} : f32[1,28,28,64]
  %54 = prelu(%53, @bn.beta) : f32[1,28,28,64]
  %55 = selu(%52) {gamma=1.5} : f32[1,1]
  %56 = softplus(%55) : f32[1,1]
  %57 = mish(%56) : f32[1,1]
  %58 = lrn(%57) {size=3, beta=0.5} : f32[1,1]
  return %4 as left, [%5[0:60], %0] as right, %13 as all, %15 as turned, \
%48 as y, %40 as z, %58 as p, %54 as q
}
"""


def canonical(body: str) -> str:
    return textwrap.dedent(body).lstrip("\n")


def test_canonical_text_comes_back() -> None:
    graph = parse(CANONICAL)
    hashes = {"g1.b": "1f2e3d4c5b6a7988"}
    assert print_graph(graph, hashes=hashes) == CANONICAL


def test_the_canonical_text_has_every_op() -> None:
    names = {op.mnemonic for op in OPS if op is not Activate} | {*activations.names()}
    assert {name for name in names if f" = {name}" not in CANONICAL} == set()


def test_text_can_hold_every_schedule() -> None:
    kinds = (kind for kind in Schedule.__subclasses__() if "mbc.schedules." in kind.__module__)
    assert set(SCHEDULES) == set(kinds)


@given(graphs())
@settings(max_examples=150, deadline=None)
def test_random_graphs_come_back(graph: Graph) -> None:
    text = print_graph(graph)
    again = parse(text)
    assert print_graph(again) == text
    assert again.meta == graph.meta
    assert again.output_names == graph.output_names


@given(graphs(max_nodes=5))
@settings(max_examples=60, deadline=None)
def test_parsed_graphs_are_sound_and_mean_the_same(graph: Graph) -> None:
    verify(graph)
    again = parse(print_graph(graph))
    verify(again)
    for name, constant in graph.constants().items():
        again.constants()[name].data = constant.data
    inputs = {v.name: np.arange(v.type.elements).reshape(v.type.shape) % 5 for v in graph.inputs}
    expected, found = run(graph, inputs), run(again, inputs)
    assert expected.keys() == found.keys()
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])


def test_text_written_by_hand_is_made_canonical() -> None:
    text = """
    // a comment
    graph @g ( %x : f32[1,4,4,4] ) { const @w:f32[1,1,4,4]
      const @unused : f32[1]
      %out = conv2d(%x,  // the operand
                    @w) {act=relu, residual=%x, groups=1} : f32[1,4,4,4]
      %b = relu([%out[0:2], %out[2:4]][perm 0 1 2 3]) {} : f32[1,4,4,4]
      return %b as y }
    """
    assert print_graph(parse(text)) == canonical("""
        graph @g(%x: f32[1,4,4,4]) {
          const @w : f32[1,1,4,4]
          %out = conv2d(%x, @w) {residual=%x, act=relu} : f32[1,4,4,4]
          %b = relu(%out) : f32[1,4,4,4]
          return %b
        }
        """)


def test_a_bias_given_by_name_is_the_same_operand() -> None:
    graph = parse(
        "graph @g(%x: f32[1,4,4,4]) {\n const @w : f32[1,1,4,4]\n const @b : f32[4]\n"
        " %0 = conv2d(%x, @w) {bias=@b} : f32[1,4,4,4]\n return %0\n}"
    )
    assert "conv2d(%x, @w, @b) :" in print_graph(graph)


def test_a_hole_before_an_operand_is_kept() -> None:
    graph = Graph("g")
    x = graph.add_input("x", TensorType((1, 4, 4, 4)))
    weight = Constant("w", TensorType((1, 1, 4, 4)))
    graph.set_outputs([graph.add(Conv2d(), [x, weight, None, x]).result])
    (node,) = parse(print_graph(graph)).topo()
    assert node["bias"] is None
    assert node["residual"] is not None


def test_locations_are_printed_as_comments() -> None:
    graph = Graph("g")
    x = graph.add_input("x", TensorType((1, 4, 4, 4)))
    places = (Location("net.py", 7, 5), Location("net.py", 8))
    graph.set_outputs([graph.add(Activate(RELU), [x], locations=places).result])
    text = print_graph(graph, locations=True)
    assert "%0 = relu(%x) : f32[1,4,4,4] // net.py:7:5, net.py:8\n" in text
    assert print_graph(parse(text)) == print_graph(graph)


def test_nodes_know_their_line_of_text() -> None:
    graph = parse(CANONICAL, "unit.mbc")
    first, fused = graph.topo()[0], graph.topo()[9]
    assert CANONICAL.split("\n")[21].startswith("  %0 =")
    assert first.locations == (Location("unit.mbc", 22, 3, 81),)
    assert fused.locations == (Location("unit.mbc", 31, 3),)


NAMED = """\
graph @g(%x: f32[1,4,4,4] from (%"an input/0", %7)) {
  arena 512
  %stem.conv = relu(%x) : f32[1,4,4,4] at 0 from (%0, %1.b) scratch 64
  %"features/0/Conv:0" = fused relus(%x = %stem.conv) {
    %x2 = relu(%x) : f32[1,4,4,4] added
    %a.b = relu(%x2) : f32[1,4,4,4] from (%a)
    return %a.b
  } : f32[1,4,4,4] from (%a)
  %s.0, %"s 1" = split(%"features/0/Conv:0") {sizes=(1,3)} : \
f32[1,4,4,1] added from (%s), f32[1,4,4,3] at 8 pitch 4 added
  return %s.0, [%"s 1", %stem.conv]
}
"""


def test_names_and_origins_come_back() -> None:
    graph = parse(NAMED)
    assert print_graph(graph) == NAMED
    assert print_graph(graph.clone()) == NAMED
    stem, fused, split = graph.topo()
    assert stem.result.origins == ("stem.conv", "0", "1.b")
    assert fused.result.name == "features/0/Conv:0"
    assert [value.origins for value in split.results] == [("s",), ()]


def test_a_number_that_text_has_is_no_fresh_name() -> None:
    graph = parse("graph @g(%x: f32[4]) {\n %1 = relu(%x) : f32[4] from (%0)\n return %1\n}")
    copy = graph.clone()
    graph.add(Activate(RELU), [graph.inputs[0]])
    copy.add(Activate(RELU), [copy.inputs[0]])
    assert [node.result.name for node in graph.topo()] == ["1", "2"]
    assert [node.result.name for node in copy.topo()] == ["1", "2"]


def test_a_name_that_text_cannot_hold_is_an_error() -> None:
    graph = Graph("g")
    graph.set_outputs([graph.add_input("input:0", TensorType((1, 4, 4, 4)))])
    with pytest.raises(MbcError, match=r"E0312: the name of a graph input .* 'input:0'"):
        print_graph(graph)


def test_a_view_prints_segments_and_order() -> None:
    graph = Graph("g")
    x = graph.add_input("x", TensorType((1, 4, 4, 12)))
    view = ChannelView.of(x)
    graph.set_outputs(
        [
            view,
            view.slice(3, 4),
            view.through(ChannelMap.shuffle(3, 12)),
            view.through(ChannelMap((5, 0, 1, 2))),
            view.through(ChannelMap((1, 1, 0))),
        ]
    )
    returned = print_graph(graph).split("\n")[1]
    assert returned == (
        "  return %x, %x[3:7], %x[c -> (c mod 3)*4 + c floordiv 3], "
        "[%x[0:3], %x[5:6]][perm 3 0:3], %x[0:2][perm 1 1 0]"
    )
    assert print_graph(parse(print_graph(graph))) == print_graph(graph)


def documented() -> list[str]:
    page = Path(__file__).resolve().parents[2] / "docs" / "ir.md"
    return re.findall(r"^```mbc\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", documented())
def test_the_examples_of_the_documentation_are_canonical(text: str) -> None:
    graph = parse(text, "ir.md")
    verify(graph)
    assert print_graph(graph) == text


def test_the_documentation_has_examples() -> None:
    assert len(documented()) == 10
