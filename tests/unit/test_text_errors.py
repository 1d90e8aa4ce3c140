"""What is wrong in IR text is named, with the place, and all of it at once."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from mbc.codes import CODES
from mbc.diag import MbcError
from mbc.ir.activations import names
from mbc.ir.text import parse

HEADER = """\
graph @g(%x: f32[1,4,4,8]) {
  const @w : f32[1,1,8,8]
  const @v : f32[3,3,1,8]
"""


@dataclass(frozen=True)
class Case:
    """A wrong text; `at` is what the carets must mark."""

    text: str
    code: str
    message: str
    at: str
    label: str = ""
    help: str = ""


def node(text: str, code: str, message: str, at: str, label: str = "", help: str = "") -> Case:
    """A wrong node in a graph that is right."""
    return Case(f"{HEADER}  {text}\n  return %x\n}}\n", code, message, at, label, help)


NODES = [
    node("%0 = relu(%x) ; f32[8]", "E0301", "';' cannot stand in IR text", ";"),
    node("%0 = relu(%x) \x00", "E0301", "'\\x00' cannot stand in IR text", "\x00"),
    node('%0 = relu(%x) {k="a', "E0304", "relu has no attribute 'k'", "k"),
    node("%0 = relu(%x : f32[8]", "E0302", "expected ',' or ')', found ':'", ":"),
    node("%0 relu(%x) : f32[8]", "E0302", "expected '=', found 'relu'", "relu"),
    node("frobnicate", "E0302", "expected a statement, found 'frobnicate'", "frobnicate"),
    node(
        "%0 = cnov2d(%x, @w) : f32[8]",
        "E0303",
        "there is no op 'cnov2d'",
        "cnov2d",
        help="did you mean 'conv2d'?",
    ),
    node(
        "%0 = conv2d(%x, @w) {strides=(1,1)} : f32[1,4,4,8]",
        "E0304",
        "conv2d has no attribute 'strides'",
        "strides",
        help="did you mean 'stride'?",
    ),
    node(
        "%0 = conv2d(%x, @w) {stride=2} : f32[1,4,4,8]",
        "E0304",
        "stride: expected 2 integers in parentheses, found '2'",
        "2",
    ),
    node(
        "%0 = conv2d(%x, @w) {stride=(1,2.5)} : f32[1,4,4,8]",
        "E0304",
        "stride: expected 2 integers in parentheses",
        "(1,2.5)",
    ),
    node(
        "%0 = conv2d(%x, @w) {act=swish} : f32[1,4,4,8]",
        "E0304",
        f"act: expected one of {', '.join(names())}, found 'swish'",
        "swish",
    ),
    node(
        "%0 = conv2d(%x, @w) {act=clip(lo=2.0, hi=1.0)} : f32[1,4,4,8]",
        "E0304",
        "act: clip needs lo <= hi, found 2 and 1",
        "clip(lo=2.0, hi=1.0)",
    ),
    node(
        "%0 = conv2d(%x, @w) {act=relu(lo=2.0)} : f32[1,4,4,8]",
        "E0304",
        f"act: expected one of {', '.join(names())}",
        "relu(lo=2.0)",
    ),
    node(
        "%0 = clip(%x) {lo=2.0, hi=1.0} : f32[1,4,4,8]",
        "E0304",
        "clip needs lo <= hi, found 2 and 1",
        "clip",
    ),
    node(
        "%0 = clip(%x) {least=2.0} : f32[1,4,4,8]",
        "E0304",
        "clip has no attribute 'least'",
        "least",
    ),
    node(
        "%0 = leaky_relu(%x) {alpha=1e999} : f32[1,4,4,8]",
        "E0304",
        "alpha: expected a finite number",
        "1e999",
    ),
    node("%0 = clip(%x) {lo=1, lo=2} : f32[1,4,4,8]", "E0304", "'lo' is given twice", "lo"),
    node(
        "%0 = avg_pool(%x) {count_pad=1} : f32[1,2,2,8]",
        "E0304",
        "count_pad: expected true or false, found '1'",
        "1",
    ),
    node(
        "%0 = batch_norm(%x) {epsilon=1e999} : f32[1,4,4,8]",
        "E0304",
        "epsilon: expected a finite number, found '1e999'",
        "1e999",
    ),
    node(
        "%0 = channel_shuffle(%x) {groups=99999999999} : f32[1,4,4,8]",
        "E0304",
        "groups: expected an integer up to 2147483648, found '99999999999'",
        "99999999999",
    ),
    node(
        "%0 = conv2d(%x, @w) {groups=1, groups=1} : f32[1,4,4,8]",
        "E0304",
        "'groups' is given twice",
        "groups",
    ),
    node(
        "%0 = conv2d(%x, @w) {residual=%x, residual=%x} : f32[1,4,4,8]",
        "E0304",
        "'residual' is given twice",
        "residual",
    ),
    node("%0 = relu(%9) : f32[1,4,4,8]", "E0305", "'%9' is not defined above", "%9"),
    node(
        "%0 = conv2d(%x, @ww) : f32[1,4,4,8]",
        "E0305",
        "no constant is named '@ww'",
        "@ww",
    ),
    node("%x = relu(%x) : f32[1,4,4,8]", "E0305", "'%x' is defined twice", "%x"),
    node(
        "%0, %0 = split(%x) {sizes=(4,4)} : f32[1,4,4,4], f32[1,4,4,4]",
        "E0305",
        "'%0' is defined twice",
        "%0",
    ),
    node("const @w : f32[8]", "E0305", "'@w' is defined twice", "@w"),
    node("const @u : f32[8,0]", "E0306", "expected 1 to 2147483648, found 0", "0"),
    node(
        "const @u : f32[]",
        "E0306",
        "a type has 1 to 8 axes and at most 536870912 elements",
        "f32[]",
    ),
    node(
        "const @u : f32[2147483647,2147483647]",
        "E0306",
        "a type has 1 to 8 axes and at most 536870912 elements",
        "f32[2147483647,2147483647]",
    ),
    node(
        "const @u : f64[8]",
        "E0302",
        "unknown element type 'f64'",
        "f64",
        help="the element types are f32, f16, s8, u8, s32 and q8(scale,zero)",
    ),
    node(
        "const @u : q8(0,3)[8]",
        "E0306",
        "a scale is a positive normal float32, found 0.0",
        "q8(0,3)",
    ),
    node("const @u : q8[8]", "E0302", "expected '(', found '['", "["),
    node("const @u : q8(1.0,0.5)[8]", "E0302", "expected an integer, found '0.5'", "0.5"),
    node(
        "const @u : q8(1.0,256)[8]",
        "E0306",
        "a zero point is 0 to 255, found 256",
        "q8(1.0,256)",
    ),
    node(f"arena {'9' * 50}", "E0306", "the number is too long", "9" * 50),
    node("arena 1.5", "E0302", "expected an integer, found '1.5'", "1.5"),
    node(
        "%0 = reshape(%x) {shape=(1,1,1,1,1,1,1,1,128)} : f32[128]",
        "E0306",
        "a shape has at most 8 axes",
        "shape",
    ),
    node(
        "%0 = relu(%x) : f32[1,4,4,9]",
        "E0307",
        "the op gives f32[1,4,4,8], the text says f32[1,4,4,9]",
        "f32[1,4,4,9]",
    ),
    node(
        "%0 = relu(%x) : f32[1,4,4,8], f32[8]",
        "E0307",
        "the op gives f32[1,4,4,8], the text says f32[1,4,4,8], f32[8]",
        "f32[1,4,4,8], f32[8]",
    ),
    node(
        "%0 = conv2d(%x) : f32[1,4,4,8]",
        "E0308",
        "conv2d: operand 'weight' is missing",
        "conv2d(%x)",
    ),
    node(
        "%0 = relu(@w) : f32[1,1,8,8]",
        "E0308",
        "relu: operand 'x' must be a value, found constant @w",
        "relu(@w)",
    ),
    node(
        "%0 = conv2d(%x, %x) : f32[1,4,4,8]",
        "E0308",
        "conv2d: operand 'weight' must be a constant, found a value",
        "conv2d(%x, %x)",
    ),
    node(
        "%0 = relu(%x, %x) : f32[1,4,4,8]",
        "E0308",
        "relu: takes at most 1 operands, found 2",
        "relu(%x, %x)",
    ),
    node(
        "%0, %1 = relu(%x) : f32[1,4,4,8]",
        "E0308",
        "the op gives 1 values, here are names for 2",
        "%0, %1",
    ),
    node("%0 = relu(%x[4:9]) : f32[8]", "E0309", "4:9 is no run of 8 channels", "[4:9"),
    node("%0 = relu(%x[4:4]) : f32[8]", "E0309", "4:4 is no run of 8 channels", "[4:4"),
    node("%0 = relu([]) : f32[8]", "E0309", "a view of no channels", "[]"),
    node("%0 = relu(%x[perm]) : f32[8]", "E0309", "an order of no channels", "[perm]"),
    node("%0 = relu(%x[perm 0 8]) : f32[8]", "E0309", "8 is none of 8 channels", "8"),
    node("%0 = relu(%x[perm 0 6:9]) : f32[8]", "E0309", "6:9 is no run of 8 channels", "6:9"),
    node(
        "%0 = relu(%x[c -> (c mod 3)*4 + c floordiv 3]) : f32[8]",
        "E0309",
        "this is no channel shuffle of 8 channels",
        "[c -> (c mod 3)*4 + c floordiv 3]",
        label="3 groups of 4",
    ),
    node(
        "%0 = conv2d(%x, @v) {pad=(1,1,1,1), groups=4} : f32[1,4,4,8]",
        "E0203",
        "depthwise weight does not match its input",
        "conv2d(%x, @v) {pad=(1,1,1,1), groups=4}",
        label="x has 8 channels, the weight f32[3,3,1,8] expects 4",
        help="groups must equal the input channels of a depthwise convolution",
    ),
    node(
        "%0 = fused a.b(%q = %x) {}",
        "E0312",
        "the name of a fusion is not an identifier: 'a.b'",
        "a.b",
    ),
]

FILES = [
    Case(f"{HEADER}return %x as y, %x }}", "E0302", "name all outputs, or none", "%x"),
    Case(f"{HEADER}return %x as y, %x as y }}", "E0305", "two outputs are named 'y'", "y"),
    Case("", "E0302", "expected 'graph', found the end of the file", ""),
    Case('module {a="b}', "E0301", "the string is not closed", '"b}'),
    Case('module {a="\\q"}', "E0302", "the string has an escape that JSON lacks", '"\\q"'),
    Case('module {a="b", a="c"}', "E0304", "'a' is given twice", "a"),
    Case("graph g", "E0302", "expected a name such as @w, found 'g'", "g"),
    Case(
        "graph @g(%0: f32[8])",
        "E0312",
        "the input '%0' is not an identifier",
        "%0",
    ),
    Case(
        "graph @g(%x: f32[1,99999999])",
        "E0306",
        "a value has at most 131072 channels, found 99999999",
        "f32[1,99999999]",
    ),
    Case(f"{HEADER}}}", "E0302", "expected 'return', found '}'", "}"),
    Case(HEADER, "E0302", "expected 'return', found the end of the file", ""),
    Case(
        f"{HEADER}  %0 = fused f(%a = %x) {{",
        "E0302",
        "expected 'return', found the end of the file",
        "",
    ),
    Case(
        f"{HEADER}  return %x\n}}\nmore",
        "E0302",
        "expected the end of the file, found 'more'",
        "more",
    ),
]


@pytest.mark.parametrize("case", [*NODES, *FILES], ids=lambda case: case.message)
def test_an_error_is_named_with_its_place(case: Case) -> None:
    with pytest.raises(MbcError) as caught:
        parse(case.text, "net.mbc")
    (found,) = caught.value.diagnostics
    assert (found.code, found.message, found.label) == (case.code, case.message, case.label)
    assert found.helps == ((case.help,) if case.help else ())
    assert found.location is not None
    line = case.text.split("\n")[found.location.line - 1]
    assert found.source == line
    assert line[found.location.column - 1 : found.location.end_column - 1] == case.at
    assert found.code in CODES or not found.code.startswith("E03")


@pytest.mark.parametrize("line", ["const @w : f99[8]", "arena 1.5", "%1 = relu(%nothing) : f32[8]"])
def test_a_statement_after_a_broken_one_is_read(line: str) -> None:
    with pytest.raises(MbcError) as caught:
        parse(f"{HEADER}  %0 = nothing(%x) : f32[8]\n  {line}\n  return %x\n}}\n", "net.mbc")
    lines = [found.location.line for found in caught.value.diagnostics if found.location]
    assert len(lines) == 2
    assert lines[1] == lines[0] + 1
