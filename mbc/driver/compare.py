"""`mbc compare`: two evaluations of a network, layer by layer, by the stable names.

One is the code for this machine, with every layer as an output: nothing is fused or remapped then,
so each layer is computed by itself (-O0). The other is the oracle, onnxruntime, or the code of
another file. The network as it is compiled has only its outputs to compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np

from mbc.accuracy import Difference, Steps, difference
from mbc.diag import Location, error
from mbc.driver.byte_inputs import load_for_callers, with_byte_inputs
from mbc.driver.configuration import resolve_request
from mbc.driver.instrumentation import Inspection
from mbc.driver.net import make_net
from mbc.driver.pipeline import compile_source, on_codes, quantisation_of
from mbc.driver.probe import Evaluate, Inputs, Probe, Values, numbers, read_of, results_of
from mbc.driver.request import Observer, Request
from mbc.driver.source import Source, load
from mbc.frontends.options import AS_IT_IS
from mbc.interp import evaluate
from mbc.ir.elements import F32, Q8
from mbc.ir.graph import Graph
from mbc.ops import Quantize
from mbc.records import dataclass
from mbc.runtime.abi import IoSpec, interface_of

ORACLE, ONNXRUNTIME = "oracle", "onnxruntime"

OUTPUT = "output"
"""What rows of outputs have for an op."""
STEPS = 3
"""How many steps onnxruntime's own roundings may put codes off."""
COARSE = STEPS / 255
"""Relative error of what is computed from codes that are off so far."""


@dataclass(frozen=True)
class Row:
    """One layer, or one output of the network as it is compiled."""

    name: str
    op: str
    shape: tuple[int, ...]
    found: Difference
    other: tuple[int, ...]
    """Shape in the other evaluation."""
    location: Location | None = None
    """The user's line."""
    steps: Steps | None = None
    """How far the codes are off, where both evaluations have the same."""

    def is_within(self, tolerance: float, steps: int) -> bool:
        """Whether it is no further off than allowed."""
        if self.steps is not None:
            return self.steps.most <= steps
        return self.found.error <= tolerance


@dataclass(frozen=True)
class Comparison:
    """The table, and what it lacks."""

    rows: tuple[Row, ...]
    apart: int
    """How many layers only one of the evaluations has."""

    def first(self, tolerance: float, steps: int) -> Row | None:
        """Return the first row that is further off than allowed."""
        return next((row for row in self.rows if not row.is_within(tolerance, steps)), None)


@dataclass(frozen=True)
class Pair:
    """Two evaluations of a network."""

    graph: Graph
    """The network as written, on codes if it is quantised."""
    ours: Evaluate
    theirs: Evaluate
    whole: Callable[[Inputs], tuple[np.ndarray, ...]]
    """Computes the outputs as compiled."""
    rounded: bool = False
    """Whether the other rounds to codes by its own arithmetic."""

    @property
    def inputs(self) -> Sequence[IoSpec]:
        """Inputs of the network."""
        return interface_of(self.graph)[0]

    def compare(self, inputs: Inputs) -> Comparison:
        """Evaluate both; E0729 if they have nothing in common."""
        ours, theirs = self.ours(inputs), self.theirs(inputs)
        layers = [*self._layers(ours, theirs)]
        if not layers and len(ours.outputs) != len(theirs.outputs):
            raise error(
                "E0729",
                "the two have no layer of one name, and not as many outputs: "
                f"{len(ours.outputs)} and {len(theirs.outputs)}",
            )
        return Comparison(
            (*layers, *self._outputs(self.whole(inputs), theirs.outputs, theirs.elements)),
            len(ours.layers.keys() ^ theirs.layers.keys()),
        )

    def _layers(self, ours: Values, theirs: Values) -> Iterator[Row]:
        nodes = {value.name: node for node, value in results_of(self.graph)}
        for name in (name for name in ours.layers if name in theirs.layers):
            node = nodes.get(name)
            where = node.locations[0] if node is not None and node.locations else None
            op = "" if node is None else node.op.label
            element = ours.elements.get(name)
            same = element if theirs.elements.get(name) == element else None
            yield _row(name, op, ours.layers[name], theirs.layers[name], where, same)

    def _outputs(
        self,
        ours: Sequence[np.ndarray],
        theirs: Sequence[np.ndarray],
        elements: Mapping[str, Q8],
    ) -> Iterator[Row]:
        if len(ours) == len(theirs):
            rows = zip(self.graph.output_names, ours, theirs, self.graph.outputs, strict=True)
            for name, found, wanted, view in rows:
                own = read_of(self.graph, view)
                same = own if own in elements.values() else None
                yield _row(name, OUTPUT, found, wanted, None, same)


def _row(
    name: str,
    op: str,
    found: np.ndarray,
    wanted: np.ndarray,
    where: Location | None = None,
    element: Q8 | None = None,
) -> Row:
    wanted = nearest_order(wanted, found)
    fits = element is not None and found.shape == wanted.shape
    steps = Steps.of(found, wanted, element.scale) if element is not None and fits else None
    return Row(name, op, found.shape, difference(found, wanted), wanted.shape, where, steps)


def open_pair(request: Request, other: str, observer: Observer) -> Pair:
    """Load a network and what it is compared with: `ORACLE`, `ONNXRUNTIME` or a file. Raises what
    `load_for_callers` raises, E0106 for onnxruntime on what it cannot be given, E0610 where it is
    missing."""
    source = load_for_callers(request, observer)
    codes = quantisation_of(request, source)
    graph = on_codes(source.graph, codes)
    probe = Probe.of(graph)
    if other == ONNXRUNTIME and codes is None:
        ours, theirs = _with_onnxruntime(request, source.graph, observer)
    else:
        ours = _by_code(request, source, probe, observer)
        if other == ONNXRUNTIME:
            theirs = _codes_of_onnxruntime(request, graph, probe, observer)
        else:
            theirs = _of(request, Path(other), observer) if other != ORACLE else _by_oracle(probe)

    def whole(inputs: Inputs) -> tuple[np.ndarray, ...]:
        return _computed(request, source, inputs, observer)

    rounded = other == ONNXRUNTIME and codes is not None
    return Pair(graph, ours, theirs, whole, rounded)


def _computed(
    request: Request, source: Source, inputs: Inputs, observer: Observer
) -> tuple[np.ndarray, ...]:
    """Compile for this machine and run."""
    compiled = compile_source(
        resolve_request(request), source, Inspection(), observer, observer.note
    )
    return tuple(make_net(compiled, observer).run(inputs).values())


def _by_code(request: Request, source: Source, probe: Probe, observer: Observer) -> Evaluate:
    plain = replace(request, level=0, passes=None, optimize=None, fuse=None, strassen=True)
    plain, probed = replace(plain, quantize=None), replace(source, graph=probe.graph)
    probed = replace(probed, quantisation=None)
    return lambda inputs: probe.values(_computed(plain, probed, inputs, observer))


def _by_oracle(probe: Probe) -> Evaluate:
    return lambda inputs: probe.values(evaluate(probe.graph, inputs))


def _of(request: Request, file: Path, observer: Observer) -> Evaluate:
    """Return the code of another file, whose inputs come in the same order. Options of networks
    apply to files in Python, options of models to models, those of bytes to all that takes
    floats."""
    own = replace(request, file=file, quantize=None)
    if file.suffix == ".py":
        own = replace(own, model=AS_IT_IS)
    else:
        own = replace(own, params={}, batch=None, network=None, weights_from=None)
        own = replace(own, weights=None, seed=None)
    if file.suffix == ".mbc":
        own = replace(own, model=AS_IT_IS)
    source = load(own, observer)
    if any(spec.element is F32 for spec in interface_of(source.graph)[0]):
        source = with_byte_inputs(source, request, observer)
    graph = on_codes(source.graph, source.quantisation)
    compute = _by_code(own, source, Probe.of(graph), observer)
    names = [spec.name for spec in interface_of(source.graph)[0]]
    return lambda inputs: compute(dict(zip(names, inputs.values(), strict=False)))


def _with_onnxruntime(
    request: Request, graph: Graph, observer: Observer
) -> tuple[Evaluate, Evaluate]:
    """Return both evaluations of an ONNX model: of the values that are results here too, each as
    an output that is imported as outputs are."""
    _refuse_parts(request)
    from mbc.driver.engine_values import engine_values, names_of  # takes time to import

    ours = {value.name for _, value in results_of(graph)}
    layers, outputs = names_of(request.file, request.model)
    names = tuple(name for name in layers if name in ours or name in outputs)
    own = replace(request, model=replace(request.model, outputs=names))
    source = load(own, observer)
    probe = Probe(source.graph, names, tuple(names.index(name) for name in outputs))
    compute = engine_values(request, names, observer)
    return (
        _by_code(own, source, probe, observer),
        lambda inputs: probe.values(compute(inputs)),
    )


def _refuse_parts(request: Request) -> None:
    """Raise E0106 for what onnxruntime cannot be given."""
    if request.file.suffix != ".onnx" or request.model.inputs:
        reason = "of a part" if request.model.inputs else "of another format"
        raise error("E0106", f"onnxruntime runs whole ONNX models; {request.file} is {reason}")
    options = {"--quantize": request.quantize, "--input-dtype": request.input_dtype}
    for option in (name for name, value in options.items() if value is not None):
        raise error("E0106", f"onnxruntime knows nothing of {option}")


def _codes_of_onnxruntime(
    request: Request, graph: Graph, probe: Probe, observer: Observer
) -> Evaluate:
    """Return what onnxruntime has on codes in a quantised model, by the names of the graph."""
    _refuse_parts(request)
    from mbc.driver.engine_values import codes_of, engine_values, names_of

    known, outputs = names_of(request.file, request.model)
    integers = codes_of(request.file, request.model)
    plain = {name: name.removesuffix(f".{Quantize.mnemonic}") for name in probe.elements}
    named = {name: integers.get(plain[name], name) for name in probe.elements}
    named = {name: each for name, each in named.items() if each in known}
    names = (*dict.fromkeys(named.values()), *(name for name in outputs))
    compute = engine_values(request, (*dict.fromkeys(names),), observer)

    def evaluate(inputs: Inputs) -> Values:
        found = dict(zip(dict.fromkeys(names), compute(inputs), strict=True))
        layers = {name: numbers(found[each], probe.elements[name]) for name, each in named.items()}
        read = zip(outputs, graph.outputs, strict=True)
        own = tuple(numbers(found[name], read_of(graph, view)) for name, view in read)
        return Values(layers, own, probe.elements)

    return evaluate


def nearest_order(values: np.ndarray, ours: np.ndarray) -> np.ndarray:
    """Return values in the order of ours. Images are NHWC here, [n,c,1,1] is [n,c], and axes of
    extent 1 may be gone; where several orders of the axes give our shape, the nearest counts."""
    if values.shape == ours.shape and values.ndim != 4:
        return values
    orders = [values.transpose(order) for order in permutations(range(values.ndim))]
    fitting = [each.reshape(ours.shape) for each in orders if _same(each.shape, ours.shape)]
    return min(fitting, key=lambda each: _distance(each, ours), default=values)


def _same(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether shapes are the same but for axes of extent 1."""
    return [extent for extent in one if extent != 1] == [extent for extent in other if extent != 1]


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    with np.errstate(invalid="ignore"):
        return float(np.nan_to_num(np.abs(one - other)).max(initial=0.0))
