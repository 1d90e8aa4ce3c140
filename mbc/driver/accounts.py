"""What quantising costs: signal to noise of each layer and of the network, and equal winners."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from math import inf, isfinite, log10
from typing import Any

import numpy as np

from mbc.driver.calibration import Inputs, look
from mbc.interp.run import gather
from mbc.interp.strips import compute
from mbc.ir.elements import Q8
from mbc.ir.graph import Constant, Graph, Node, Operand
from mbc.ir.views import ChannelView
from mbc.records import dataclass

POOR = 20.0
"""Signal to noise below which a layer by itself is worth keeping in float, in dB."""
MOST_ADVISED = 5


@dataclass
class Noise:
    """Signal and noise, summed up."""

    signal: float = 0.0
    noise: float = 0.0

    def add(self, found: np.ndarray, wanted: np.ndarray) -> None:
        """Add a tensor and what it should be."""
        exact = wanted.astype(np.float64)
        self.signal += float(np.sum(exact * exact))
        self.noise += float(np.sum((found - exact) ** 2))

    @property
    def decibels(self) -> float:
        """10 log10(signal / noise)."""
        if self.noise == 0:
            return inf
        return 10 * log10(self.signal / self.noise) if self.signal else -inf


@dataclass(frozen=True)
class Layer:
    """What a layer loses."""

    name: str
    op: str
    alone: float
    """Signal to noise of this layer on what it reads, in dB."""
    total: float
    """Signal to noise of its result, with the noise of all layers before it."""


@dataclass(frozen=True)
class Account:
    """What a network loses."""

    layers: tuple[Layer, ...]
    """Those on codes, the worst by itself first."""
    outputs: Mapping[str, float]
    """Signal to noise of each output, in dB."""
    agreement: float | None
    """Share of the samples with the same winner as in float; None for outputs without winners."""
    accuracy: tuple[float, float] | None
    """Share of right winners in float and on codes, where labels are known."""

    def to_json(self) -> dict[str, Any]:
        """Return the object that `mbc quantize --json` prints (docs/cli.md); a ratio without noise
        is None."""
        return {
            "layers": [
                {
                    "name": layer.name,
                    "op": layer.op,
                    "alone": _rounded(layer.alone),
                    "total": _rounded(layer.total),
                }
                for layer in self.layers
            ],
            "outputs": {name: _rounded(value) for name, value in self.outputs.items()},
            "agreement": self.agreement,
            "accuracy": self.accuracy,
        }

    @property
    def advised(self) -> list[Layer]:
        """The layers to keep in float."""
        return [layer for layer in self.layers if layer.alone < POOR][:MOST_ADVISED]


def _rounded(decibels: float) -> float | None:
    return round(decibels, 2) if isfinite(decibels) else None


@dataclass
class _Counts:
    alone: dict[str, Noise] = field(default_factory=dict)
    total: dict[str, Noise] = field(default_factory=dict)
    outputs: dict[str, Noise] = field(default_factory=dict)
    winners: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)


def account(
    real: Graph,
    quantised: Graph,
    samples: Sequence[Inputs],
    labels: Iterable[int] | None = None,
    on_sample: Callable[[], None] = lambda: None,
) -> Account:
    """Evaluate a prepared network in float and on codes, over the samples."""
    counts = _Counts()
    layers = [node for node in real.topo() if _is_layer(node, quantised)]
    for inputs in samples:
        _one(real, quantised, layers, inputs, counts)
        on_sample()
    return Account(_listed(layers, counts), _decibels(counts.outputs), *_winners(counts, labels))


def _is_layer(node: Node, quantised: Graph) -> bool:
    """Whether a node is computed on codes, which loses something."""
    made = {value.name: n for n in quantised.topo() for value in n.results}
    twin = made.get(node.results[0].name)
    if twin is None or len(node.results) > 1 or twin.op.moves_data_only:
        return False
    types = [type for type in twin.operand_types if type is not None]
    return any(isinstance(type.element, Q8) for type in types)


def _one(
    real: Graph, quantised: Graph, layers: Sequence[Node], inputs: Inputs, counts: _Counts
) -> None:
    exact: dict[str, np.ndarray] = {}
    look(real, inputs, exact.__setitem__)
    found = numbers(quantised, inputs)
    for node in layers:
        name = node.result.name
        counts.alone.setdefault(name, Noise()).add(found[name], _recomputed(node, found))
        counts.total.setdefault(name, Noise()).add(found[name], exact[name])
    for name, view, same in zip(real.output_names, quantised.outputs, real.outputs, strict=True):
        ours, theirs = _read(view, found), _read(same, exact)
        assert ours is not None
        assert theirs is not None
        if ours.dtype != np.int32:
            counts.outputs.setdefault(name, Noise()).add(ours, theirs)
        if ours.ndim == 2 and ours.dtype != np.int32:
            counts.winners.append((theirs.argmax(axis=1), ours.argmax(axis=1)))


def numbers(graph: Graph, inputs: Inputs) -> dict[str, np.ndarray]:
    """Return all values of a graph as real numbers, by name."""
    found: dict[str, np.ndarray] = {}
    look(graph, inputs, found.__setitem__)
    values = (value for node in graph.topo() for value in node.results)
    for value in values:
        if isinstance(element := value.type.element, Q8):
            codes = found[value.name].astype(np.float32) - np.float32(element.zero)
            found[value.name] = codes * np.float32(element.scale)
    return found


def _recomputed(node: Node, found: Mapping[str, np.ndarray]) -> np.ndarray:
    """Compute a float node of what a network on codes has read."""
    (result,) = compute(node.op, [_read(operand, found) for operand in node.operands])
    return result


def _read(operand: Operand | None, found: Mapping[str, np.ndarray]) -> np.ndarray | None:
    match operand:
        case Constant():
            return operand.array
        case ChannelView():
            return gather(operand, {value: found[value.name] for value in operand.values})
    return None


def _listed(layers: Sequence[Node], counts: _Counts) -> tuple[Layer, ...]:
    rows = [
        Layer(
            node.result.name,
            node.op.label,
            counts.alone[node.result.name].decibels,
            counts.total[node.result.name].decibels,
        )
        for node in layers
        if counts.total[node.result.name].signal > 0 and counts.alone[node.result.name].noise > 0
    ]
    return tuple(sorted(rows, key=lambda layer: layer.alone))


def _decibels(noises: Mapping[str, Noise]) -> dict[str, float]:
    return {name: noise.decibels for name, noise in noises.items()}


def _winners(
    counts: _Counts, labels: Iterable[int] | None
) -> tuple[float | None, tuple[float, float] | None]:
    if not counts.winners or len(counts.outputs) != 1:
        return None, None
    real = np.concatenate([pair[0] for pair in counts.winners])
    ours = np.concatenate([pair[1] for pair in counts.winners])
    agreement = float(np.mean(real == ours))
    if labels is None:
        return agreement, None
    right = np.fromiter(labels, np.int64)
    return agreement, (float(np.mean(real == right)), float(np.mean(ours == right)))
