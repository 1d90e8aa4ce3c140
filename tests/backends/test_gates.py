"""Which fused bodies of squeeze-and-excitation the LLVM backend has kernels for, what they need,
and what its cost model says of them."""

from __future__ import annotations

import pytest

from mbc.backends.llvm.backend import LlvmBackend
from mbc.driver.platforms import resolve
from mbc.ir.graph import Node
from mbc.ir.text.parser import parse
from mbc.passes.pipelines import O2
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext
from mbc.schedules import ChannelBlocks
from tests.backends.kernel_check import host_target

BACKEND = LlvmBackend(host_target())

SCALED = """
graph @g(%x: f32[2,4,6,8], %s: f32[2,8], %r: f32[2,4,6,16]) {
  const @w : f32[1,1,8,16]
  const @other : f32[8]
  %y = fused scaled(%a = %x, %b = %s, %residual = %r) {
    %m = mul(%a, %b) : f32[2,4,6,8]
    %z = conv2d(%m, @w) {residual=%residual} : f32[2,4,6,16]
    return %z
  } : f32[2,4,6,16]
  return %y
}
"""

MEANS = """
graph @g(%x: f32[2,4,6,8]) {
  const @w : f32[3,3,1,8]
  %y, %rows = fused dw_means(%x = %x) {
    %c = conv2d(%x, @w) {pad=(1,1,1,1), groups=8} : f32[2,4,6,8]
    %p = avg_pool(%c) {kernel=(1,6), stride=(1,6)} : f32[2,4,1,8]
    return %c, %p
  } : f32[2,4,6,8], f32[2,4,1,8]
  return %y, %rows
}
"""


def fused(text: str, *changes: tuple[str, str]) -> Node:
    """The fused node of a graph after changes of its text, each of which is there."""
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (node,) = parse(text, "case.mbc").topo()
    return node


VECTOR = "it does not just multiply by a vector of channels for each image"
VIEWS = "its operands are read through views"
GROUPS = "only weights of a pointwise convolution without groups can be multiplied instead"
WIDE = [("f32[1,1,8,16]", "f32[1,1,8000,16]"), ("6,8]", "6,8000]"), ("[2,8]", "[2,8000]")]
FILTER = "@w : f32[1,1,8,16]"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ([], ""),
        ([("mul(%a, %b)", "mul(%b, %a)")], ""),
        ([("%s: f32[2,8]", "%s: f32[2,1,1,8]")], ""),
        ([("mul(%a, %b)", "mul(%a, %b) {act=relu}")], VECTOR),
        ([("%s: f32[2,8]", "%s: f32[1,8]")], VECTOR),
        ([("%s: f32[2,8]", "%s: f32[2,4,6,1]")], VECTOR),
        ([("%s: f32[2,8]", "%s: f32[2,4,6,8]")], VECTOR),
        ([("mul(%a, %b)", "mul(%a, @other)"), ("%b = %s, ", "")], VECTOR),
        (
            [("@w : f32[1,1,8,16]", "@w : f32[1,1,4,16]"), ("{residual", "{groups=2, residual")],
            GROUPS,
        ),
        ([("@w : f32[1,1,8,16]", "@w : f32[3,3,8,16]"), ("{res", "{pad=(1,1,1,1), res")], GROUPS),
        ([("mul(%a, %b)", "mul(%a[perm 1 0 2 3 4 5 6 7], %b)")], VIEWS),
        ([("mul(%a, %b)", "mul(%a, %b[perm 1 0 2 3 4 5 6 7])")], VIEWS),
        ([("conv2d(%m, @w)", "conv2d(%m[perm 1 0 2 3 4 5 6 7], @w)")], VIEWS),
        ([("residual=%residual", "residual=[%residual[8:16], %residual[0:8]]")], VIEWS),
        ([("return %z", "return %z[c -> (c mod 2)*8 + c floordiv 2]")], "the body returns a view"),
        (
            [("f32[1,1,8,16]", "f32[1,1,8000,16]"), ("6,8]", "6,8000]"), ("[2,8]", "[2,8000]")],
            "512064",
        ),
    ],
)
def test_what_is_multiplied_in_the_weights(changes: list[tuple[str, str]], reason: str) -> None:
    support = BACKEND.supports(fused(SCALED, *changes))
    assert bool(support) == (not reason)
    assert reason in support.reason


ROWS = "it averages something else than rows"
WINDOW = "only a depthwise convolution without a residual averages its rows"
KEPT = "it averages or returns a view"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ([], ""),
        ([("(1,6), stride=(1,6)}", "(2,6), stride=(2,6)}"), ("2,4,1,8", "2,2,1,8")], ROWS),
        ([("(1,6), stride=(1,6)}", "(1,3), stride=(1,3)}"), ("2,4,1,8", "2,4,2,8")], ROWS),
        ([("stride=(1,6)}", "stride=(1,6), act=relu}")], ROWS),
        ([("groups=8}", "groups=8, residual=%x}")], WINDOW),
        ([("@w : f32[3,3,1,8]", "@w : f32[3,3,8,8]"), (", groups=8", "")], WINDOW),
        ([("avg_pool(%c)", "avg_pool(%c[perm 1 0 2 3 4 5 6 7])")], KEPT),
        ([("return %c, %p", "return %c, %p[perm 1 0 2 3 4 5 6 7]")], KEPT),
        ([("conv2d(%x, ", "conv2d(%x[perm 1 0 2 3 4 5 6 7], ")], "as it is stored"),
    ],
)
def test_what_averages_its_rows(changes: list[tuple[str, str]], reason: str) -> None:
    support = BACKEND.supports(fused(MEANS, *changes))
    assert bool(support) == (not reason)
    assert reason in support.reason


def test_a_residual_may_be_overwritten() -> None:
    node = fused(SCALED)
    assert [role for role, _ in node.items() if BACKEND.may_alias(node, role)] == ["residual"]
    assert [BACKEND.overlap_bytes(node, role) for role, _ in node.items()] == [None] * 3
    node = fused(MEANS)
    assert not BACKEND.may_alias(node, "x")
    assert BACKEND.overlap_bytes(node, "x") is None


def test_a_panel_of_weights_is_scratch_and_blocks_of_channels_a_schedule() -> None:
    lanes = BACKEND.isa.lanes
    scaled, means = fused(SCALED), fused(MEANS)
    assert BACKEND.scratch_bytes(scaled) == -(-9 * (-(-16 // lanes)) * lanes * 4 // 64) * 64
    assert (BACKEND.scratch_bytes(means), BACKEND.candidates(scaled)) == (0, ())
    assert BACKEND.candidates(means) == (ChannelBlocks(1),)


BLOCK = """
graph @g(%x: f32[1,SIZE,SIZE,C]) {
  const @dw : f32[3,3,1,C]
  const @squeeze : f32[C,4]
  const @excite : f32[4,C]
  const @project : f32[1,1,C,N]
  %y = conv2d(%x, @dw) {pad=(1,1,1,1), groups=C} : f32[1,SIZE,SIZE,C]
  %m = global_avg_pool(%y) : f32[1,C]
  %q = dense(%m, @squeeze) {act=relu} : f32[1,4]
  %g = dense(%q, @excite) {act=hard_sigmoid} : f32[1,C]
  %p = mul(%y, %g) : f32[1,SIZE,SIZE,C]
  %z = conv2d(%p, @project) : f32[1,SIZE,SIZE,N]
  return %z
}
"""


@pytest.mark.parametrize(
    ("size", "channels", "columns", "scaled"),
    [(28, 120, 40, True), (14, 480, 112, True), (7, 672, 160, False), (7, 960, 160, False)],
)
def test_weights_are_multiplied_where_they_are_fewer(
    size: int, channels: int, columns: int, scaled: bool
) -> None:
    """Measured on Zen 3: it saves 9, 1, -5 and -9 % of the two together."""
    text = (
        BLOCK.replace("SIZE", str(size)).replace("C]", f"{channels}]").replace("N]", f"{columns}]")
    )
    text = text.replace("C,", f"{channels},").replace("=C}", f"={channels}}}")
    graph = parse(text, "case.mbc")
    run_pipeline(graph, O2, PassContext(LlvmBackend(resolve("x86_64-v3"))))
    kinds = [vars(node.op).get("kind") for node in graph.topo()]
    assert kinds == ["dw_means", *[None] * 3, *(["scaled"] if scaled else [None, None])]
