"""What the report says of a graph, counted by hand."""

import numpy as np
import pytest

from mbc.diag import Location
from mbc.ir.activations import RELU
from mbc.ir.graph import Constant, Graph
from mbc.ir.text.parser import parse
from mbc.ir.types import TensorType
from mbc.ir.views import Place
from mbc.ops import BatchNorm, Conv2d, Dense, Fused, GlobalAvgPool
from mbc.ops.cost import bytes_moved_by_data_movement, layer_name, layers, short_form
from mbc.ops.elementwise import Activate
from mbc.report.costs import Report, Totals, shares


def small() -> Graph:
    """conv 3->8 on 4x4, batch norm, relu, pool, dense 8->10."""
    graph = Graph("small")
    x = graph.add_input("x", TensorType((1, 4, 4, 3)))
    weight = Constant("stem.conv.weight", TensorType((3, 3, 3, 8)))
    conv = graph.add(
        Conv2d(pad=(1, 1, 1, 1)), [x, weight], locations=[Location("net.py", 7, 5)]
    ).result
    vectors = [
        Constant(f"stem.conv.bn.{role}", TensorType((8,)))
        for role in ("gamma", "beta", "mean", "variance")
    ]
    normal = graph.add(BatchNorm(), [conv, *vectors]).result
    pooled = graph.add(GlobalAvgPool(), [graph.add(Activate(RELU), [normal]).result]).result
    fc = [Constant("fc.weight", TensorType((8, 10))), Constant("fc.bias", TensorType((10,)))]
    graph.set_outputs([graph.add(Dense(), [pooled, *fc]).result])
    return graph


def test_totals_count_as_the_papers_do() -> None:
    assert Totals.of(small()) == Totals(macs=16 * 27 * 8 + 80, params=27 * 8 + 16 + 80 + 10)


def test_a_layer() -> None:
    conv = layers(small())[0]
    assert (conv.name, conv.origins) == ("0", ("0",))
    assert (conv.op, conv.shape) == ("conv2d", (1, 4, 4, 8))
    assert (conv.macs, conv.params) == (3456, 216)
    assert conv.bytes == 4 * (16 * 3 + 216 + 16 * 8)
    assert conv.intensity == pytest.approx(2 * 3456 / 1568, abs=1e-3)
    assert conv.location == "net.py:7:5"


def test_layers_are_called_after_their_value() -> None:
    assert [layer.name for layer in layers(small())] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("origins", "short"),
    [
        ("", ""),
        ("conv conv.bn conv.relu", "conv"),
        ("a.0.dw a.0.dw.bn a.0.pw a.0.pw.relu", "a.0.{dw,pw}"),
        ("stem.conv a.0.dw a.0.pw a.1.add", "stem.conv+a.0.{dw,pw}+a.1.add"),
        ("conv conv2 add", "conv+conv2+add"),
        ("a.dw.bn a.dw", "a.dw"),
    ],
)
def test_short_forms_of_origins(origins: str, short: str) -> None:
    assert short_form(origins.split()) == short


@pytest.mark.parametrize(
    ("origins", "width", "short"),
    [
        ("a.dw a.pw b", 20, "a.{dw,pw}+b"),
        ("a.dw a.pw b", 11, "a.{dw,pw}+b"),
        ("a.dw a.dw.bn a.pw b", 10, "a.dw +2 more"),
        ("a.dw a.pw b.one b.two", 17, "a.{dw,pw} +2 more"),
        ("a.dw a.pw b.one b.two", 16, "a.dw +3 more"),
        ("much.too.long", 3, "much.too.long"),
        ("", 3, ""),
    ],
)
def test_the_first_origins_and_how_many_more(origins: str, width: int, short: str) -> None:
    assert short_form(origins.split(), width) == short


def test_layers_add_up_to_the_total() -> None:
    assert sum(layer.macs for layer in layers(small())) == Totals.of(small()).macs


def test_a_fused_layer_accounts_for_its_body() -> None:
    body = Graph("body")
    x = body.add_input("x", TensorType((1, 4, 4, 8)))
    dw, pw = np.ones((1, 1, 1, 8)), np.ones((1, 1, 8, 2))
    depthwise = body.add(Conv2d(groups=8), [x, Constant.of("dw.weight", dw)], names=["b.dw"])
    last = body.add(Conv2d(), [depthwise.result, Constant.of("pw.weight", pw)], names=["b.pw.relu"])
    last.result.account_for(["b.pw"])
    body.set_outputs([last.result])
    graph = Graph("g")
    x = graph.add_input("x", TensorType((1, 4, 4, 8)))
    node = graph.add(Fused("dw_pw", body), [x], names=["b.pw.relu"])
    graph.set_outputs([node.result])
    (layer,) = layers(graph)
    assert (layer_name(node), layer.op) == ("b.{dw,pw}", "fused dw_pw")
    assert (layer.name, layer.origins) == ("b.pw.relu", ("b.dw", "b.pw", "b.pw.relu"))
    assert (layer.macs, layer.params) == (16 * 8 + 16 * 16, 8 + 16)
    assert layer.bytes == 4 * (16 * 8 + 16 * 2 + 24)  # nothing for what stays inside


MOVES = """
graph @g(%x: f32[1,4,4,8]) {{
  %0 = relu(%x) : f32[1,4,4,8]
  %1 = concat(%0, %x) : f32[1,4,4,16]
  %2 = fused shuffle(%x = %1) {{
    %0 = channel_shuffle(%x) {{groups=2}} : f32[1,4,4,16]
    %1 = relu6(%0) : f32[1,4,4,16]
    return %1
  }} : f32[1,4,4,16]
  return {}
}}"""


@pytest.mark.parametrize(
    ("outputs", "copied"),
    [
        ("%2", 0),
        ("%2 as a, %0 as b", 0),
        ("%0[0:4]", 4 * 16 * 4),
        ("%0 as a, %0 as b", 4 * 16 * 8),
        ("%2 as a, %x as b", 4 * 16 * 8),
        ("[%0, %x]", 4 * 16 * 16),
    ],
)
def test_bytes_moved_by_data_movement(outputs: str, copied: int) -> None:
    """The concat and the shuffle in the body, and what must be copied to outputs."""
    graph = parse(MOVES.format(outputs))
    assert bytes_moved_by_data_movement(graph) == 2 * 4 * 16 * 16 + copied


def test_an_output_that_has_its_place_in_the_arena_is_copied() -> None:
    graph = small()
    assert bytes_moved_by_data_movement(graph) == 0
    (view,) = graph.outputs
    view.value.place = Place(0)
    assert bytes_moved_by_data_movement(graph) == view.type.bytes


def test_shares() -> None:
    assert shares([1, 3]) == (0.25, 0.75)
    assert shares([0, 0]) == (0.0, 0.0)


def test_json_has_the_documented_keys() -> None:
    report = Report("n", {"alpha": 1.0}, "arm64", 1, 2, 3, 4, 5, layers(small()))
    data = report.to_json()
    assert " ".join(data) == (
        "network parameters target macs params arena_bytes weights_bytes "
        "bytes_moved_by_data_movement layers roofline integer_macs"
    )
    layer = data["layers"][0]
    assert " ".join(layer) == "name origins op shape macs params bytes intensity location"
