"""The helpers that passes share."""

import numpy as np
import pytest

from mbc.diag import Location
from mbc.ir.graph import Constant
from mbc.ir.text.parser import parse
from mbc.ir.types import TensorType
from mbc.ir.verify import verify
from mbc.ops.fused import Fused
from mbc.passes.fuse_activation import FuseActivation
from mbc.passes.fuse_depthwise_pointwise import FuseDepthwisePointwise
from mbc.passes.fusion import fused_chain
from mbc.passes.rewrite import ConstantMaker
from mbc.passmgr.passes import PassContext
from tests.fake_backend import FakeBackend

BLOCK = """graph @g(%x: f32[1,4,4,4]) {
  const @w : f32[3,3,1,4]
  const @w.folded : f32[1,1,4,4]
  %0 = conv2d(%x, @w) {pad=(1,1,1,1), groups=4} : f32[1,4,4,4]
  %1 = relu(%0) : f32[1,4,4,4]
  %2 = conv2d(%1, @w.folded) : f32[1,4,4,4]
  return %2
}"""


def doubled(array: np.ndarray) -> np.ndarray:
    return 2 * array.astype("f8")


def test_derived_constants_have_fresh_names() -> None:
    constants = ConstantMaker(parse(BLOCK))
    weight = Constant.of("w", np.ones(3))
    names = [constants.derive("w.folded", weight.type, [weight], doubled).name for _ in range(2)]
    assert names == ["w.folded.2", "w.folded.3"]


def test_derived_constants_have_data_if_all_inputs_have() -> None:
    constants = ConstantMaker(parse(BLOCK))
    bound, unbound = Constant.of("a", np.ones(3)), Constant("b", TensorType((3,)))
    derived = constants.derive("c", bound.type, [bound], doubled)
    assert derived.array.dtype == np.float32
    np.testing.assert_array_equal(derived.array, [2, 2, 2])
    assert constants.derive("d", bound.type, [bound, unbound], np.add).data is None


def test_derived_constants_have_the_type_that_was_promised() -> None:
    weight = Constant.of("w", np.ones(3))
    with pytest.raises(ValueError, match=r"@c should be f32\[4\], not f32\[3\]"):
        ConstantMaker(parse(BLOCK)).derive("c", TensorType((4,)), [weight], doubled)


def test_merged_nodes_keep_all_locations() -> None:
    graph, context = parse(BLOCK, "net.mbc"), PassContext(FakeBackend())
    FuseActivation().run(graph, context)
    FuseDepthwisePointwise().run(graph, context)
    (node,) = graph.topo()
    assert [(at.file, at.line) for at in node.locations] == [("net.mbc", n) for n in (4, 5, 6)]
    assert all(isinstance(at, Location) for at in node.locations)


def test_a_value_with_the_name_of_an_input_has_another_in_a_body() -> None:
    text = BLOCK.replace("%x", "%image").replace("%0", "%x").replace("%2", "%y")
    graph = parse(text, "net.mbc")
    FuseActivation().run(graph, PassContext(FakeBackend()))
    first, last = graph.topo()
    first.result.name, first.result.absorbed = "x", ("0",)
    fused = fused_chain("dw_pw", [first, last])
    assert isinstance(fused.op, Fused)
    body = fused.op.body
    verify(body)
    assert [value.name for value in body.inputs] == ["x"]
    inner = [node.result for node in body.topo()]
    assert [value.name for value in inner] == ["x2", "y"]
    assert [value.origins for value in inner] == [("x", "0"), ("y",)]


def test_a_merged_node_has_the_name_of_the_last() -> None:
    graph = parse(BLOCK, "net.mbc")
    FuseActivation().run(graph, PassContext(FakeBackend()))
    first, _ = graph.topo()
    assert (first.result.name, first.result.origins) == ("1", ("1", "0"))
