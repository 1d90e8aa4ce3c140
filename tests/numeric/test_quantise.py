"""Networks on codes: how close to float they are, and that no pass changes a bit afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mbc.backends.llvm.backend import LlvmBackend
from mbc.diag import MbcError
from mbc.driver.calibration import calibrate, prepared
from mbc.driver.platforms import resolve
from mbc.frontends.weights import initialise
from mbc.int8.quantisation import Quantisation, Range
from mbc.interp import run
from mbc.ir.elements import Q8, S8, S32
from mbc.ir.graph import Constant, Graph
from mbc.ir.text import parse, print_graph
from mbc.ir.verify import verify
from mbc.ops import OPS, Quantize, Requantize
from mbc.ops.unary import UNARY
from mbc.passes.pipelines import LEVELS, O2_MEMORY, with_fuse_mode
from mbc.passes.quantise import Quantise
from mbc.passes.quantising.forms import FORMS, Form
from mbc.passes.quantising.rewrite import INTEGERS, rewrite
from mbc.passmgr.instruments import Verify
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext, PassResult, Pipeline
from mbc.passmgr.pipeline import single_stage
from mbc.targets.backend import Backend
from tests.everyday import part_of
from tests.example_networks import EXAMPLE_NETWORKS, LEADING, PAIR, Example
from tests.fake_backend import FakeBackend
from tests.golden_cases import Case, cases
from tests.numeric.test_passes import bind
from tests.quantised_networks import (
    cosine,
    drawn,
    quantised,
    quantised_graph,
    signal_to_noise,
)
from tests.random_graphs import graphs
from tests.unit.test_origins import check, shapes

PIPELINES: dict[str, Pipeline] = {
    **{f"O{level}": pipeline for level, pipeline in enumerate(LEVELS[:3])},
    "memory": O2_MEMORY,
    "always": with_fuse_mode(LEVELS[2], "always"),
}
BACKENDS: dict[str, Backend] = {
    "x86_64": LlvmBackend(resolve("x86_64")),
    "fake": FakeBackend(),
    "no views": FakeBackend(views=False),
}


def outputs(graph: Graph, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    return [*run(graph, inputs).values()]


def test_every_op_has_a_form() -> None:
    assert set(FORMS) == set(OPS)
    made_here = {op for op in FORMS if op.__module__ == "mbc.ops.quantized"}
    integer = {op for op, form in FORMS.items() if form is Form.INTEGER}
    assert set(INTEGERS) == integer - made_here - set(UNARY)  # which have tables


FLOORS = dict(zip(LEADING, (24.0, 21.0, 33.0, 25.0), strict=True))
"""Signal to noise of the logits at 64x64, in dB; larger images have less noise."""


@pytest.mark.parametrize(
    ("example", "resolution"),
    part_of(
        ((e, resolution) for e in EXAMPLE_NETWORKS for resolution in (64, 224)),
        lambda example, resolution: example in LEADING and resolution == 64,
        lambda example, resolution: f"{example}-{resolution}",
    ),
)
def test_examples_keep_close_to_float(example: Example, resolution: int) -> None:
    """By their logits, as softmax of a seeded network is flat."""
    net = quantised(example, resolution=resolution)
    verify(net.graph)
    logits = next(node for node in net.graph.topo() if node.op.mnemonic == "dense").result
    real = run_of(net.real, logits.name, net.inputs)
    found = net.values[logits.name]
    assert found.dtype == np.float32
    assert signal_to_noise(found, real) >= (27 if resolution > 64 else FLOORS.get(example, 21.0))
    assert cosine(found, real) >= (0.999 if resolution > 64 else 0.996)
    kinds = [node.op.mnemonic for node in net.graph.topo()]
    assert kinds.count("quantize") == 1
    assert not {"dequantize", "requantize", "batch_norm"} & set(kinds)


def run_of(graph: Graph, name: str, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """What the oracle computes of a value."""
    copy = graph.clone()
    value = next(v for node in copy.topo() for v in node.results if v.name == name)
    copy.set_outputs([value], ["value"])
    return run(copy, inputs)["value"]


@pytest.mark.parametrize(
    ("example", "pipeline", "backend"),
    part_of(
        ((e, p, b) for e in LEADING for p in PIPELINES for b in BACKENDS),
        lambda example, pipeline, backend: (
            example in PAIR and (pipeline, backend) == ("O2", "x86_64")
        ),
        lambda example, pipeline, backend: f"{example}-{pipeline}-{backend}",
    ),
)
def test_later_passes_keep_every_bit(example: Example, pipeline: str, backend: str) -> None:
    net = quantised(example)
    copy = net.copy()
    run_pipeline(copy, PIPELINES[pipeline], PassContext(BACKENDS[backend]), [Verify()])
    for found, wanted in zip(outputs(copy, net.inputs), net.outputs.values(), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_the_target_and_the_level_change_nothing() -> None:
    net = quantised(PAIR[1])
    for backend in (FakeBackend(residuals=False, views=False, activations=False), FakeBackend()):
        graph = PAIR[1].graph(resolution="64")
        initialise(graph, 0)
        context = PassContext(backend, net.quantisation)
        (record,) = run_pipeline(graph, single_stage([Quantise()]), context, [Verify()])
        assert record.result.changed
        assert print_graph(graph) == print_graph(net.graph)


def test_values_as_written_are_accounted_for() -> None:
    check(quantised(PAIR[1]).copy(), shapes(PAIR[1].graph(resolution="64")))


WITH_RANGES = [case for case in cases() if case.ranges and not case.is_error]


@pytest.mark.parametrize("case", [case for case in WITH_RANGES if not case.is_unchanged], ids=str)
def test_golden_networks_with_ranges_that_fit(case: Case) -> None:
    graph = case.graph()
    bind(graph)
    given = case.quantisation()
    assert given is not None
    real = prepared(graph)
    inputs = drawn(graph, 3)
    found = calibrate(real, [inputs], keep_float=given.keep_float, weight_bits=given.weight_bits)
    assert set(found.ranges) == set(given.ranges)
    copy = real.clone()
    rewrite(copy, found, PassResult())
    for ours, wanted in zip(outputs(copy, inputs), outputs(graph, inputs), strict=True):
        assert cosine(ours, wanted) >= 0.998


LAYER = """
graph @g(%x: f32[1,2,2,2]) {
  const @l.weight : f32[1,1,2,4]
  const @l.bias : f32[4]
  %0 = conv2d(%x, @l.weight, @l.bias) : f32[1,2,2,4]
  %1 = max_pool(%0) : f32[1,1,1,4]
  %2 = conv2d(%1, @l.weight.2, @l.bias) : f32[1,1,1,4]
  return %2
}""".replace("  const @l.bias", "  const @l.weight.2 : f32[1,1,4,4]\n  const @l.bias")

WEIGHTS = [[0.5, -0.25, 0.0, 0.0], [0.1, -1.0, 0.0, 0.0]]
WIDE = Range(-3.0, 1.0)
BIAS = [0.75, -0.125, 3.0, 0.0]


def layer(
    bits: int = 8,
    weights: Sequence[Sequence[float]] = WEIGHTS,
    bias: Sequence[float] = BIAS,
    result: Range = WIDE,
    corrections: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Constant]:
    """The constants of a layer, with x 0 to 5.1."""
    graph = parse(LAYER)
    data = {"l.weight": np.array([[weights]]), "l.bias": np.array(bias)}
    data["l.weight.2"] = np.ones((1, 1, 4, 4))
    for name, constant in graph.constants().items():
        constant.data = Constant.of(name, data[name]).data
    ranges = {"x": Range(0.0, 5.1), "0": result}
    rewrite(
        graph, Quantisation(ranges, weight_bits=bits, corrections=corrections or {}), PassResult()
    )
    verify(graph)
    return graph.constants()


def test_constants_of_a_layer() -> None:
    """Dead channels: with a bias, whose scale follows from it, and without."""
    x, to = Range(0.0, 5.1).element, Range(-3.0, 1.0).element
    assert (to.zero, x.zero) == (191, 0)
    found = layer()
    weight, bias, multiplier = (
        found[name] for name in ("l.weight.s8", "l.bias.s32", "l.multiplier")
    )
    assert [c.type.element for c in (weight, bias, multiplier)] == [
        S8,
        S32,
        multiplier.type.element,
    ]
    assert weight.array[0, 0].tolist() == [[127, -32, 0, 0], [25, -127, 0, 0]]
    scales = np.array([0.5 / 127, 1 / 127, 3 / (x.scale * 2.0**30), 1.0])
    assert bias.array.tolist() == [
        *np.rint([0.75 / (x.scale * scales[0]), -0.125 / (x.scale * scales[1])]),
        2**30,
        0,
    ]
    expected = (x.scale * scales / to.scale).astype(np.float32)
    np.testing.assert_array_equal(multiplier.array, expected)


def test_weights_of_seven_bits() -> None:
    assert layer(bits=7)["l.weight.s8"].array[0, 0].tolist() == [[63, -16, 0, 0], [13, -63, 0, 0]]


def test_a_correction_is_part_of_the_bias() -> None:
    plain = layer(bias=[1.0, 0.0, 2.5, 0.5])
    shift = np.array([1.0, 0.0, 2.5, 0.5]) - BIAS
    found = layer(corrections={"0": shift})
    for name in ("l.weight.s8", "l.bias.s32", "l.multiplier"):
        np.testing.assert_array_equal(found[name].array, plain[name].array)


def test_a_range_that_is_too_narrow_is_refused() -> None:
    with pytest.raises(MbcError, match=r"E0552: the sums of %0 may be .* steps of its range"):
        layer(result=Range(0.0, 1e-7))


@pytest.mark.parametrize(
    ("range", "element"),
    [
        (Range(0.0, 6.0), Q8.of(6 / 255, 0)),
        (Range(-1.0, 0.0), Q8.of(1 / 255, 255)),
        (Range(-1.0, 1.0), Q8.of(2 / 255, 127)),
        (Range(0.0, 0.0), Q8(1.0, 0)),
        (Range(-1e-40, 1e-40), Q8(1.0, 0)),
        (Range.of(2.0, 3.0), Q8.of(3 / 255, 0)),
    ],
)
def test_elements_of_ranges(range: Range, element: Q8) -> None:
    assert range.element == element


@pytest.mark.parametrize("ends", [(0.1, 1.0), (-1.0, -0.5), (0.0, np.inf), (np.nan, 1.0)])
def test_what_is_no_range(ends: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="a range is finite and has 0 in it"):
        Range(*ends)


JOIN = """
graph @g(%x: f32[1,2,2,4]) {{
  const @a.weight : f32[1,1,4,4]
  const @b.weight : f32[1,1,4,4]
  const @c.weight : f32[1,1,8,4]
  %a = conv2d(%x, @a.weight) : f32[1,2,2,4]
  %b = conv2d(%x, @b.weight) : f32[1,2,2,4]
  %c = concat(%a, %b) : f32[1,2,2,8]
  %d = conv2d(%c, @c.weight) : f32[1,2,2,4]
  %e = concat(%d, %a) : f32[1,2,2,8]
  %f = conv2d(%e, @c.weight) : f32[1,2,2,4]
  return %f
}}""".replace("{{", "{").replace("}}", "}")


@pytest.mark.parametrize(
    ("a", "b", "d", "parts"),
    [
        ((-1, 1), (-1, 7), (-1, 1), []),
        ((-1, 1), (-1, 7.5), (-1, 1), ["a"]),
        ((-1, 1), (-7.5, 0), (0, 1), ["a"]),  # the union has both signs
        ((0, 0), (-9, 9), (-9, 9), []),  # nothing but 0, which every scale has
        ((-1, 1), (-2, 2), (-4.5, 4.5), ["a"]),  # only at the second
        ((-1, 1), (-0.1, 0.1), (-3, 3), ["b"]),
        ((-1, 1), (-3, 3), (-9, 9), ["a"]),
    ],
)
def test_parts_of_concatenations(
    a: tuple[float, float], b: tuple[float, float], d: tuple[float, float], parts: list[str]
) -> None:
    """Members share a scale unless theirs would be more than 4 times as wide."""
    graph = parse(JOIN)
    ranges = {"x": (-1, 1), "a": a, "b": b, "d": d}
    rewrite(graph, Quantisation({n: Range(*r) for n, r in ranges.items()}), PassResult())
    verify(graph)
    again = [n.view("x").value.name for n in graph.topo() if isinstance(n.op, Requantize)]
    assert again == parts


@given(graph=graphs(max_nodes=10), level=st.sampled_from(LEVELS[:3]))
@settings(max_examples=25, deadline=None)
def test_random_networks(graph: Graph, level: Pipeline) -> None:
    """Any network can be quantised, and no later pass changes a bit of it."""
    bind(graph)
    net = quantised_graph(graph)
    verify(net.graph)
    assert print_graph(parse(print_graph(net.graph))) == print_graph(net.graph)
    copy = net.copy()
    run_pipeline(copy, level, PassContext(FakeBackend()), [Verify()])
    for found, wanted in zip(outputs(copy, net.inputs), net.outputs.values(), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_an_input_that_nothing_multiplies_stays_as_it_is() -> None:
    graph = parse("graph @g(%x: f32[1,4]) {\n  %0 = softmax(%x) : f32[1,4]\n  return %0\n}")
    net = quantised_graph(graph)
    assert not any(isinstance(node.op, Quantize) for node in net.graph.topo())
    np.testing.assert_array_equal(net.outputs["y"], answer_of(graph, net.inputs))


def answer_of(graph: Graph, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    (found,) = outputs(graph, inputs)
    return found
