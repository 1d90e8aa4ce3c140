"""After an error in a text: what else is reported, and where it ends."""

from __future__ import annotations

import contextlib
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mbc.diag import MbcError, render
from mbc.ir.graph import Graph
from mbc.ir.text import parse, print_graph
from tests.random_graphs import graphs

HEADER = """\
graph @g(%x: f32[1,4,4,8]) {
  const @w : f32[1,1,8,8]
  const @v : f32[3,3,1,8]
"""


def errors(text: str) -> str:
    with pytest.raises(MbcError) as caught:
        parse(textwrap.dedent(text), "net.mbc")
    return "\n".join(render(diagnostic) for diagnostic in caught.value.diagnostics) + "\n"


def test_independent_errors_come_together_and_no_echo_of_them() -> None:
    text = """\
        graph @g(%x: f32[1,4,4,8]) {
          const @w : f64[1,1,8,8]
          %0 = rlu(%x) : f32[1,4,4,8]
          %1 = relu(%0) : f32[1,4,4,8]
          %2 = fused f(%a = %x) {
            %0 = relu(%x) : f32[1,4,4,8]
            %1 = add(%a, %0) : f32[1,4,4,8]
            %2 = relu(%a) {k=3} : f32[1,4,4,8]
            return %1
          } : f32[1,4,4,8]
          %3 = conv2d(%2, @w) : f32[1,4,4,8]
          %4 = relu(%x) : f32[1,4,4,7]
          return %2, %4, %9 }
        """
    assert errors(text) == textwrap.dedent("""\
        error[E0302]: unknown element type 'f64'
         --> net.mbc:2:14
          |
        2 |   const @w : f64[1,1,8,8]
          |              ^^^
          = help: the element types are f32, f16, s8, u8, s32 and q8(scale,zero)
        error[E0303]: there is no op 'rlu'
         --> net.mbc:3:8
          |
        3 |   %0 = rlu(%x) : f32[1,4,4,8]
          |        ^^^
          = help: did you mean 'relu'?
        error[E0305]: '%x' is not defined above
         --> net.mbc:6:15
          |
        6 |     %0 = relu(%x) : f32[1,4,4,8]
          |               ^^
        error[E0304]: relu has no attribute 'k'
         --> net.mbc:8:20
          |
        8 |     %2 = relu(%a) {k=3} : f32[1,4,4,8]
          |                    ^
        error[E0307]: the op gives f32[1,4,4,8], the text says f32[1,4,4,7]
          --> net.mbc:12:19
           |
        12 |   %4 = relu(%x) : f32[1,4,4,7]
           |                   ^^^^^^^^^^^^
        """)


def test_a_broken_header_of_a_body_does_not_spill() -> None:
    text = """\
        graph @g(%x: f32[1,4,4,8]) {
          %0 = fused f(%a = %7) {
            %0 = relu(%a) : f32[1,4,4,8]
            return %0
          } : f32[1,4,4,8]
          return %0
        }
        """
    assert errors(text).count("error[") == 1


def test_views_join_equal_shapes_only() -> None:
    text = """\
        graph @g(%x: f32[1,4,4,8]) {
          %0 = max_pool(%x) : f32[1,2,2,8]
          %1 = relu([%0, %x]) : f32[1,2,2,16]
          return %1
        }
        """
    assert "E0309]: a view joins values of different types: %0: f32[1,2,2,8], %x" in errors(text)


def test_the_number_of_errors_has_an_end() -> None:
    nodes = "\n".join(f"%{i} = nonsense(%x)" for i in range(1000))
    assert errors(f"graph @g(%x: f32[8]) {{\n{nodes}\nreturn %x\n}}").count("error[") == 20


def nested(depth: int) -> str:
    inner = "  %0 = relu(%x) : f32[8]\n  return %0\n"
    for _ in range(depth):
        inner = f"  %0 = fused f(%x = %x) {{\n{inner}  }} : f32[8]\n  return %0\n"
    return f"graph @g(%x: f32[8]) {{\n{inner}}}\n"


def test_deep_nesting_has_an_end() -> None:
    parse(nested(16))
    assert "E0306]: fused nodes nest at most 16 deep" in errors(nested(17))
    assert "E0306]: fused nodes nest at most 16 deep" in errors(nested(10_000))


def test_absurd_views_have_an_end() -> None:
    views = ", ".join(["%x[0:100000]"] * 50)
    text = f"graph @g(%x: f32[1,100000]) {{\n%0 = concat({views}) : f32[1,8]\nreturn %x\n}}"
    assert "E0306]: a file has at most 4194304 channels in all" in errors(text)


@given(graphs(max_nodes=4), st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_text_parses_or_is_an_error(graph: Graph, data: st.DataObject) -> None:
    text = print_graph(graph)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = start + data.draw(st.integers(0, 6))
        junk = st.sampled_from(["", "}", "{", "(", "[", '"', "%0", "@", "-1", "99", "\n", "return"])
        text = text[:start] + data.draw(junk) + text[end:]
    with contextlib.suppress(MbcError):
        again = print_graph(parse(text))
        assert print_graph(parse(again)) == again


@given(st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_garbage_is_an_error(text: str) -> None:
    with pytest.raises(MbcError):
        parse(text)
