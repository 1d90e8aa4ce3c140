"""What a quantised model states of its codes, by the names of the graph that it becomes."""

from __future__ import annotations

from mbc.frontends.lowering.builder import Builder
from mbc.int8.quantisation import Quantisation


def stated(builder: Builder) -> Quantisation | None:
    """Return what the model states of its values and weights, by the names of the graph."""
    model = builder.model
    found = {name: builder.known[name].stored for name in model.elements if name in builder.known}
    elements = {
        view.value.name: model.elements[name] for name, view in found.items() if view.is_plain
    }
    if not elements:
        return None
    weights = {
        constant: model.weights[origin]
        for constant, origin in builder.origins.items()
        if origin in model.weights
    }
    floats = (builder.known[name].stored for name in model.float_layers if name in builder.known)
    keep = frozenset(view.value.name for view in floats if view.is_plain)
    return Quantisation({}, keep, elements=elements, weights=weights)
