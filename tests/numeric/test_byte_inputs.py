"""Networks that take bytes: what they compute in float and on codes, beside the float network on
numbers that numpy makes of the bytes."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.llvm.jit import JitNet
from mbc.backends.llvm.lower import lower
from mbc.driver.calibration import calibrate, prepared
from mbc.int8.file import network_digest, weights_digest
from mbc.int8.quantisation import Quantisation
from mbc.interp import run
from mbc.ir.elements import Q8
from mbc.ir.graph import Constant, Graph
from mbc.ir.text import parse
from mbc.ir.text.printer import print_graph
from mbc.ir.verify import verify
from mbc.ops import (
    Conv2d,
    Dequantize,
    Fused,
    Lookup,
    Mul,
    Sub,
)
from mbc.passes.byte_inputs import BYTE, Numbers, read_bytes, without_bytes
from mbc.passes.pipelines import GOALS, LEVELS, with_fuse_mode, with_quantisation
from mbc.passes.quantise import Quantise
from mbc.passes.quantising.portable import Portable
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext, Pipeline
from mbc.runtime.normalisation import Normalisation
from tests.backends.kernel_check import host_target
from tests.byte_networks import (
    IMAGENET,
    KINDS,
    NETWORKS,
    TF,
    network,
    numbers,
    on_bytes,
    photo,
)
from tests.everyday import part_of
from tests.numeric.test_passes import bind


def compiled(graph: Graph, pipeline: Pipeline, quantisation: Quantisation | None = None) -> Graph:
    copy = graph.clone()
    if quantisation is not None:
        pipeline = with_quantisation(pipeline)
    run_pipeline(copy, pipeline, PassContext(LlvmBackend(host_target()), quantisation), [])
    return copy


def by_kernels(graph: Graph, bytes: np.ndarray) -> np.ndarray:
    """What LLVM's kernels make of a planned graph."""
    (found,) = JitNet(lower(graph, host_target()))({"x": bytes}).values()
    return found


CASES = [
    (name, kind, planar)
    for name, kind, planar in product(NETWORKS, KINDS, (False, True))
    if len(NETWORKS[name][0]) == 4 or not planar
]
EVERYDAY = {("tf", False), ("imagenet", True)}
"""Of what has not the numbers of ImageNet: a table for all channels; of images in NCHW."""


def _everyday(name: str, kind: str, planar: object) -> bool:
    usual = kind == "imagenet" and not planar
    return usual or (name == "padded" and (kind, planar) in EVERYDAY)


SOME = part_of(CASES, _everyday, "{}-{}-{}".format)


def ops(graph: Graph) -> list[type]:
    return [type(node.op) for node in graph.topo()]


@pytest.mark.parametrize(("name", "kind", "planar"), SOME)
def test_floats_of_bytes(name: str, kind: str, planar: bool) -> None:
    real, how = network(name, planar=planar), KINDS[kind]
    graph, bytes = on_bytes(real, how), photo(real)
    assert graph.inputs[0].type.element == BYTE
    (wanted,) = run(real, {"x": numbers(real, bytes, how)}).values()
    near = 1e-5 * float(np.abs(wanted).max())
    for pipeline in (LEVELS[0], LEVELS[2], GOALS["memory"][2]):
        planned = compiled(graph, pipeline)
        for found in (run(planned, {"x": bytes})["y"], by_kernels(planned, bytes)):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=near)


@pytest.mark.parametrize(
    ("name", "kind", "left"),
    [
        ("unpadded", "imagenet", [Dequantize]),
        ("unpadded", "tf", [Dequantize]),
        ("depthwise", "imagenet", [Dequantize]),
        ("padded", "imagenet", [Dequantize, Sub]),
        ("padded", "unit", [Dequantize]),
        ("dense", "imagenet", [Dequantize]),
        ("pooled", "imagenet", [Dequantize, Sub, Mul]),
    ],
)
def test_what_is_left_of_it_in_float(name: str, kind: str, left: list[type]) -> None:
    found = ops(compiled(on_bytes(network(name), KINDS[kind]), with_fuse_mode(LEVELS[2], "never")))
    assert [op for op in found if op in (Dequantize, Sub, Mul)] == left


@pytest.mark.parametrize(("name", "kind", "planar"), CASES)
def test_the_float_network_comes_back(name: str, kind: str, planar: bool) -> None:
    real = network(name, planar=planar)
    graph = on_bytes(real, KINDS[kind])
    back = without_bytes(graph)
    assert print_graph(back) == print_graph(real)
    assert network_digest(back) == network_digest(real)
    assert weights_digest(back) == weights_digest(real)
    assert print_graph(parse(print_graph(graph))) == print_graph(graph)
    assert without_bytes(real) is real


@pytest.mark.parametrize("name", ["unpadded", "padded"])
def test_a_first_layer_makes_floats_of_bytes_row_by_row(name: str) -> None:
    """So the image in floats lies nowhere."""
    real = network(name)
    graph = compiled(on_bytes(real, IMAGENET), GOALS["memory"][2])
    plain = compiled(real, GOALS["memory"][2])
    first = graph.topo()[0].op
    assert isinstance(first, Fused)
    assert isinstance(first.body.topo()[0].op, Dequantize)
    assert graph.arena_bytes is not None
    assert plain.arena_bytes is not None
    band = 3 * real.inputs[0].type.shape[2] * 3 * 4
    assert graph.arena_bytes <= plain.arena_bytes + band + 128


def measured(real: Graph, how: Normalisation, keep: frozenset[str] = frozenset()) -> Quantisation:
    samples = [{"x": numbers(real, photo(real, seed), how)} for seed in range(4)]
    return calibrate(prepared(real), samples, keep_float=keep)


@pytest.mark.parametrize(("name", "kind", "planar"), SOME)
def test_codes_of_bytes(name: str, kind: str, planar: bool) -> None:
    """Kernels give the oracle's bits, which are near what the float network computes."""
    if name == "nothing":
        return  # nothing is on codes
    real, how = network(name, planar=planar), KINDS[kind]
    found, bytes = measured(real, how), photo(real)
    graph = on_bytes(real, how)
    pure = graph.clone()
    Quantise().run(pure, PassContext(Portable(), found))
    verify(pure)
    assert pure.inputs[0].type.element == BYTE
    wanted = run(pure, {"x": bytes})["y"]
    for level in (0, 2):
        np.testing.assert_array_equal(
            by_kernels(compiled(graph, LEVELS[level], found), bytes), wanted
        )
    exact = run(real, {"x": numbers(real, bytes, how)})["y"]
    assert np.abs(wanted - exact).max() < 0.03 * np.abs(exact).max()


@pytest.mark.parametrize(
    ("name", "kind", "tables"),
    [
        ("unpadded", "imagenet", []),
        ("depthwise", "tf", []),
        ("dense", "imagenet", []),
        ("padded", "unit", []),
        ("padded", "tf", [(256,)]),
        ("padded", "imagenet", [(256, 3)]),
        ("pooled", "imagenet", [(256, 3)]),
        ("several", "imagenet", [(256, 3)]),
    ],
)
def test_how_codes_are_made_of_bytes(name: str, kind: str, tables: list[tuple[int, ...]]) -> None:
    real, how = network(name), KINDS[kind]
    graph = on_bytes(real, how)
    Quantise().run(graph, PassContext(Portable(), measured(real, how)))
    found = [node.constant("table") for node in graph.topo() if isinstance(node.op, Lookup)]
    assert [table.type.shape for table in found if table] == tables


def test_all_behind_a_table_is_the_network_of_floats() -> None:
    """The table gives the codes that are nearest; what follows has the same constants."""
    real, how = network("padded"), IMAGENET
    found, bytes = measured(real, how), photo(real)
    plain, graph = real.clone(), on_bytes(real, how)
    for each in (plain, graph):
        Quantise().run(each, PassContext(Portable(), found))
    first, node = graph.topo()[0], plain.topo()[0]
    table = first.constant("table")
    assert table is not None
    to = found.ranges["x"].element
    exact = (bytes.astype(np.float64) / 255 - how.mean) / how.std / to.scale + to.zero
    codes = table.array[bytes, np.arange(3)]
    assert first.result.type.element == node.result.type.element == to
    assert np.abs(codes - exact).max() < 0.5 + 1e-4
    for ours, theirs in zip(graph.topo()[1:], plain.topo()[1:], strict=True):
        assert ours.op == theirs.op
        for a, b in zip(ours.operands[1:], theirs.operands[1:], strict=True):
            if isinstance(a, Constant) and isinstance(b, Constant):
                np.testing.assert_array_equal(a.array, b.array)


def test_the_constants_of_a_layer_that_reads_bytes() -> None:
    """As docs/int8.md has them."""
    real, how = network("unpadded"), IMAGENET
    found = measured(real, how)
    graph = on_bytes(real, how)
    Quantise().run(graph, PassContext(Portable(), found))
    layer, float_layer = graph.topo()[0], real.topo()[0]
    w, b = (float_layer.constant(role) for role in ("weight", "bias"))
    codes, bias, multiplier = (layer.constant(r) for r in ("weight", "bias", "multiplier"))
    assert w and b and codes and bias and multiplier  # noqa: PT018
    a, m = (
        np.array(each, np.float32).astype(np.float64)
        for each in ([1 / (255 * std) for std in how.std], [255 * mean for mean in how.mean])
    )
    scaled = w.array.astype(np.float64) * a[:, None]
    sw = np.maximum(np.abs(scaled).max((0, 1, 2)) / 127, np.abs(b.array) / 2.0**30)
    np.testing.assert_array_equal(codes.array, np.rint(scaled / sw))
    shift = (codes.array * m[:, None]).sum((0, 1, 2))
    np.testing.assert_array_equal(bias.array, np.rint(b.array.astype(np.float64) / sw - shift))
    to = layer.result.type.element
    assert isinstance(to, Q8)
    np.testing.assert_array_equal(multiplier.array, np.float32(sw / to.scale))


def test_a_layer_that_is_kept_in_float_normalises_in_float() -> None:
    real, how = network("unpadded"), IMAGENET
    kept = real.topo()[0].result.name
    found = measured(real, how, frozenset({kept}))
    graph, bytes = on_bytes(real, how), photo(real)
    Quantise().run(graph, PassContext(Portable(), found))
    assert ops(graph)[:4] == [Dequantize, Sub, Mul, Conv2d]
    wanted = run(graph, {"x": bytes})["y"]
    done = compiled(on_bytes(real, how), LEVELS[2], found)
    np.testing.assert_allclose(by_kernels(done, bytes), wanted, rtol=0.02, atol=0.02)


def test_a_correction_holds_for_the_weights_that_it_was_measured_with() -> None:
    real = network("unpadded")
    name = real.topo()[0].result.name

    def biases(how: Normalisation, correction: dict[str, np.ndarray]) -> np.ndarray:
        ranges = measured(real, how).ranges
        graph = on_bytes(real, how)
        found = Quantisation(ranges, corrections=correction)
        Quantise().run(graph, PassContext(Portable(), found))
        bias = graph.topo()[0].constant("bias")
        assert bias is not None
        return bias.array

    given = {name: np.full(6, 0.5)}
    assert np.array_equal(biases(IMAGENET, given), biases(IMAGENET, {}))
    assert np.all(biases(TF, given) > biases(TF, {}))


STATED = """
graph @g(%x: f32[1,2,2,3]) {
  const @w : f32[3,3,3,4]
  %in = clip(%x) {lo=-4.8, hi=5.4} : f32[1,2,2,3]
  %c = conv2d(%in, @w) {pad=(1,1,1,1)} : f32[1,2,2,4]
  %a = clip(%c) {lo=0.0, hi=5.1} : f32[1,2,2,4]
  return %a
}"""


def test_a_model_that_is_on_codes_takes_its_own() -> None:
    """Bytes are its codes where nothing else is said, else they are rounded to these."""
    x, a = Q8.of(0.04, 120), Q8.of(0.02, 0)
    stated = Quantisation({}, elements={"in": x, "a": a}, weights={"w": np.full(4, 0.01)})
    plain = parse(STATED)
    bind(plain)
    bytes = photo(plain)
    for numbers_, left in (
        (Numbers.of((0,), (1,), x), [Conv2d, Dequantize]),
        (Numbers.of((120,), (0.04,)), [Lookup, Conv2d, Dequantize]),
        (Numbers.of((120, 120, 120.5), (0.04,)), [Lookup, Conv2d, Dequantize]),
    ):
        graph = plain.clone()
        read_bytes(graph, graph.inputs[0], numbers_)
        Quantise().run(graph, PassContext(Portable(), stated))
        verify(graph)
        assert ops(graph) == left
        given = np.float32(0.04) * (bytes.astype(np.float32) - 120)
        reference = plain.clone()
        Quantise().run(reference, PassContext(Portable(), stated))
        if numbers_.means.size == 1:
            (wanted,) = run(reference, {"x": given}).values()
            (found,) = run(graph, {"x": bytes}).values()
            np.testing.assert_array_equal(found, wanted)
