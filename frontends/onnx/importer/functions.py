"""Functions of a model, put in the places of the nodes that call them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from mbc.diag import error
from mbc.frontends.onnx.importer.structure import MAX_NODES

MAX_DEPTH = 64
"""How deep functions may call each other."""

Key: TypeAlias = tuple[str, str, str]
"""Domain, name and overload of a function."""


def inlined(onnx: Any, model: Any) -> Any:
    """Return a model without functions. Raises E0806 for functions that call themselves, and E0807
    where they call each other too deeply or make too many nodes."""
    _check_size(model)
    try:
        from onnx.inliner import inline_local_functions

        return inline_local_functions(model)
    except Exception as problem:  # noqa: BLE001  what C++ raises has no class of its own
        raise error("E0806", f"functions of the model cannot be inlined: {problem}") from None


def _check_size(model: Any) -> None:
    functions = {_key(each, each.name): each for each in model.functions}
    sizes: dict[Key, int] = {}

    def size(nodes: Iterable[Any], above: tuple[Key, ...]) -> int:
        total = 0
        for node in _all(nodes):
            key = _key(node, node.op_type)
            if key not in functions:
                total += 1
                continue
            if key in above:
                raise error("E0806", f"function '{key[1]}' calls itself")
            if len(above) >= MAX_DEPTH:
                raise error("E0807", f"functions call each other more than {MAX_DEPTH} deep")
            if key not in sizes:
                sizes[key] = size(functions[key].node, (*above, key))
            total += sizes[key]
        return total

    if (total := size(model.graph.node, ())) > MAX_NODES:
        raise error("E0807", f"the functions make {total:,} nodes, mbc takes {MAX_NODES:,}")


def _key(item: Any, name: str) -> Key:
    return item.domain, name, item.overload


def _all(nodes: Iterable[Any]) -> Iterator[Any]:
    """Yield nodes, and those of the graphs in their attributes."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _all(graph.node)
