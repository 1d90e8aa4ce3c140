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
from typing import TypeAlias

import numpy as np

from mbc.accuracy import Difference, difference
from mbc.diag import Location, error
from mbc.driver.configuration import resolve_request
from mbc.driver.instrumentation import Inspection
from mbc.driver.net import make_net
from mbc.driver.pipeline import compile_source
from mbc.driver.request import Observer, Request
from mbc.driver.source import Source, load
from mbc.frontends.options import AS_IT_IS
from mbc.interp import evaluate
from mbc.ir.graph import Graph, Node
from mbc.ir.views import ChannelView, Value
from mbc.records import dataclass
from mbc.runtime.abi import IoSpec, interface_of

ORACLE, ONNXRUNTIME = "oracle", "onnxruntime"

Inputs: TypeAlias = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Values:
    """What an evaluation gave."""

    layers: Mapping[str, np.ndarray]
    """Values by stable name, in the network's order."""
    outputs: tuple[np.ndarray, ...]


Evaluate: TypeAlias = Callable[[Inputs], Values]


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


@dataclass(frozen=True)
class Comparison:
    """The table, and what it lacks."""

    rows: tuple[Row, ...]
    apart: int
    """How many layers only one of the evaluations has."""

    def first(self, tolerance: float) -> Row | None:
        """Return the first row that is further off than allowed."""
        return next((row for row in self.rows if not row.found.error <= tolerance), None)


@dataclass(frozen=True)
class Pair:
    """Two evaluations of a network."""

    graph: Graph
    """The network as written."""
    ours: Evaluate
    theirs: Evaluate
    whole: Callable[[Inputs], tuple[np.ndarray, ...]]
    """Computes the outputs as compiled."""

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
            (*layers, *self._outputs(self.whole(inputs), theirs.outputs)),
            len(ours.layers.keys() ^ theirs.layers.keys()),
        )

    def _layers(self, ours: Values, theirs: Values) -> Iterator[Row]:
        nodes = {value.name: node for node, value in _results(self.graph)}
        for name in (name for name in ours.layers if name in theirs.layers):
            node = nodes.get(name)
            where = node.locations[0] if node is not None and node.locations else None
            op = "" if node is None else node.op.label
            yield _row(name, op, ours.layers[name], theirs.layers[name], where)

    def _outputs(self, ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> Iterator[Row]:
        if len(ours) == len(theirs):
            names = self.graph.output_names
            for name, found, wanted in zip(names, ours, theirs, strict=True):
                yield _row(name, "output", found, wanted)


def _row(
    name: str, op: str, found: np.ndarray, wanted: np.ndarray, where: Location | None = None
) -> Row:
    wanted = nearest_order(wanted, found)
    return Row(name, op, found.shape, difference(found, wanted), wanted.shape, where)


def open_pair(request: Request, other: str, observer: Observer) -> Pair:
    """Load a network and what it is compared with: `ORACLE`, `ONNXRUNTIME` or a file. Raises what
    `load` raises, E0106 for onnxruntime on what is no ONNX model, E0610 where it is missing."""
    source = load(request, observer)
    if other == ONNXRUNTIME:
        ours, theirs = _with_onnxruntime(request, source.graph, observer)
    else:
        probe = Probe.of(source.graph)
        ours = _by_code(request, source, probe, observer)
        theirs = _of(request, Path(other), observer) if other != ORACLE else _by_oracle(probe)

    def whole(inputs: Inputs) -> tuple[np.ndarray, ...]:
        return _computed(request, source, inputs, observer)

    return Pair(source.graph, ours, theirs, whole)


@dataclass(frozen=True)
class Probe:
    """A network whose outputs are its layers."""

    graph: Graph
    layers: tuple[str, ...]
    """Names of the first outputs."""
    outputs: tuple[int, ...]
    """Which of them are those of the network as written."""

    @staticmethod
    def of(graph: Graph) -> Probe:
        """Make every float result of a node an output."""
        copy = graph.clone()
        values = [value for _, value in _results(copy)]
        views = [ChannelView.of(value) for value in values]
        more = [view for view in copy.outputs if view not in views]
        places = tuple([*views, *more].index(view) for view in copy.outputs)
        names = [f"v{i}" for i in range(len(views) + len(more))]
        copy.set_outputs([*views, *more], names)
        return Probe(copy, tuple(value.name for value in values), places)

    def values(self, results: Sequence[np.ndarray]) -> Values:
        """Sort the outputs into layers and the network's own."""
        layers = dict(zip(self.layers, results, strict=False))
        return Values(layers, tuple(results[place] for place in self.outputs))


def _results(graph: Graph) -> Iterator[tuple[Node, Value]]:
    for node in graph.topo():
        for value in node.results:
            if value.type.element.is_float:
                yield node, value


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
    probed = replace(source, graph=probe.graph)
    return lambda inputs: probe.values(_computed(plain, probed, inputs, observer))


def _by_oracle(probe: Probe) -> Evaluate:
    return lambda inputs: probe.values(evaluate(probe.graph, inputs))


def _of(request: Request, file: Path, observer: Observer) -> Evaluate:
    """Return the code of another file, whose inputs come in the same order. Options of networks
    apply to files in Python, options of models to models."""
    own = replace(request, file=file)
    if file.suffix == ".py":
        own = replace(own, model=AS_IT_IS)
    else:
        own = replace(own, params={}, batch=None, network=None, weights_from=None)
        own = replace(own, weights=None, seed=None)
    if file.suffix == ".mbc":
        own = replace(own, model=AS_IT_IS)
    source = load(own, observer)
    compute = _by_code(own, source, Probe.of(source.graph), observer)
    names = [spec.name for spec in interface_of(source.graph)[0]]
    return lambda inputs: compute(dict(zip(names, inputs.values(), strict=False)))


def _with_onnxruntime(
    request: Request, graph: Graph, observer: Observer
) -> tuple[Evaluate, Evaluate]:
    """Return both evaluations of an ONNX model: of the values that are results here too, each as
    an output that is imported as outputs are."""
    if request.file.suffix != ".onnx" or request.model.inputs:
        reason = "of a part" if request.model.inputs else "of another format"
        raise error("E0106", f"onnxruntime runs whole ONNX models; {request.file} is {reason}")
    from mbc.driver.engine_values import engine_values, results_of  # takes time to import

    ours = {value.name for _, value in _results(graph)}
    layers, outputs = results_of(request.file, request.model)
    names = tuple(name for name in layers if name in ours or name in outputs)
    own = replace(request, model=replace(request.model, outputs=names))
    source = load(own, observer)
    probe = Probe(source.graph, names, tuple(names.index(name) for name in outputs))
    compute = engine_values(request, names, observer)
    return (
        _by_code(own, source, probe, observer),
        lambda inputs: probe.values(compute(inputs)),
    )


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
