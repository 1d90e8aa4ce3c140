"""The rules of a graph: each name defined once, and before it is used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from mbc.diag import MbcError, error, nearest

MAX_NODES = 2**15
SHOWN = 5


def check_structure(graph: Any) -> list[Any]:
    """Return the nodes in dependency order. Raises E0806 for names that are defined twice or
    nowhere, and for cycles; E0807 for too many nodes."""
    if len(graph.node) > MAX_NODES:
        raise error("E0807", f"the graph has {len(graph.node):,} nodes, mbc takes {MAX_NODES:,}")
    if not graph.output:
        raise _malformed("it has no outputs")
    given = _given(graph)
    results = [name for node in graph.node for name in node.output if name]
    _refuse_twice([*given, *results])
    _refuse_undefined(graph, {*given, *results})
    return _sorted(graph.node, set(given))


def check_operands(onnx: Any, nodes: Iterable[Any], opset: int) -> None:
    """Raise E0806 for nodes of ONNX's own that lack operands or results."""
    for node in nodes:
        try:
            schema = onnx.defs.get_schema(node.op_type, opset, node.domain.removeprefix("ai.onnx"))
        except onnx.defs.SchemaError:
            continue  # it is told as unknown
        given = [name for name in node.input[: schema.min_input] if name]
        if len(given) < schema.min_input or len(node.output) < schema.min_output:
            name = next(filter(None, node.output), node.name)
            raise _malformed(f"{node.op_type} '{name}' lacks operands or results")


def _malformed(reason: str, *helps: str) -> MbcError:
    return error("E0806", f"the graph is malformed: {reason}", helps=helps)


def _given(graph: Any) -> list[str]:
    """Return the inputs and initializers; an initialised input is one of them, not two."""
    initializers = [tensor.name for tensor in graph.initializer]
    sparse = [tensor.values.name for tensor in graph.sparse_initializer]
    if sparse:
        raise error("E0802", f"'{sparse[0]}' is a sparse tensor, which mbc does not read")
    return [value.name for value in graph.input] + initializers


def _refuse_twice(names: Iterable[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise _malformed(f"{_listed(twice)} defined more than once")


def _refuse_undefined(graph: Any, defined: set[str]) -> None:
    used = [name for node in graph.node for name in node.input if name]
    used += [value.name for value in graph.output]
    missing = [name for name in dict.fromkeys(used) if name not in defined]
    if missing:
        helps = nearest(missing[0], defined) if len(defined) < 10_000 else ()
        raise _malformed(f"{_listed(missing)} used but defined nowhere", *helps)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    verb = "is" if len(names) == 1 else "are"
    return ", ".join(f"'{name}'" for name in names[:SHOWN]) + f"{more} {verb}"


def _sorted(nodes: Sequence[Any], known: set[str]) -> list[Any]:
    """Sort the nodes so that each follows those that it reads; E0806 for a cycle."""
    readers: dict[str, list[int]] = {}
    missing = [len({*node.input} - known - {""}) for node in nodes]
    for index, node in enumerate(nodes):
        for name in {*node.input} - known - {""}:
            readers.setdefault(name, []).append(index)
    ready = [index for index, count in enumerate(missing) if not count]
    for index in ready:  # which grows
        for reader in (r for name in nodes[index].output for r in readers.get(name, ())):
            missing[reader] -= 1
            if not missing[reader]:
                ready.append(reader)
    if len(ready) < len(nodes):
        stuck = next(node for node, count in zip(nodes, missing, strict=True) if count)
        raise _malformed(f"'{stuck.output[0] if stuck.output else ''}' depends on itself")
    return [nodes[index] for index in ready]
