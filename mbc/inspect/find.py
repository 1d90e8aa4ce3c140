"""Stages and values by the names that a user gives."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from mbc.diag import error, nearest
from mbc.inspect.model import Inspected
from mbc.inspect.nodes import NodeRecord
from mbc.inspect.stages import GraphRecord, StageRecord

LISTED = 8


def find_stage(inspected: Inspected, name: str) -> StageRecord:
    """Find a stage by its number or its name, of several the last. Raises E0106 for a pass that is
    not run, or that there is not."""
    stages = inspected.stages
    if name.isdigit() and int(name) < len(stages):
        return stages[int(name)]
    found = [stage for stage in stages if stage.name == name]
    if found:
        return found[-1]
    known = list(dict.fromkeys(stage.name for stage in stages))
    listed = f"the stages are 0 to {len(stages) - 1}: {', '.join(known)}"
    raise error("E0106", f"there is no stage '{name}'", helps=[*nearest(name, known), listed])


def find_value(inspected: Inspected, name: str) -> str:
    """Return the name of a value that some stage has; raises E0120 for another."""
    wanted = name.removeprefix("%").strip('"')
    known = dict.fromkeys(each for graph in inspected.graphs for each in _names(graph))
    if wanted in known:
        return wanted
    within = [
        each for each in known if each.startswith(f"{wanted}.") or each.endswith(f".{wanted}")
    ]
    helps = list(nearest(wanted, known))
    if not helps and not within and (similar := get_close_matches(wanted, known)):
        helps.append(f"similar names: {', '.join(similar)}")
    if within:
        more = f", and {len(within) - LISTED} more" if len(within) > LISTED else ""
        helps.append(f"values with that in their names: {', '.join(within[:LISTED])}{more}")
    helps = helps or ["`mbc inspect FILE --pass import` shows the names of all"]
    raise error("E0120", f"the network has no value '{wanted}'", helps=helps)


def _names(graph: GraphRecord) -> Iterator[str]:
    yield from (value.name for value in graph.inputs)
    for node in graph.nodes:
        yield from names_of(node)
        yield from node.origins


def names_of(node: NodeRecord) -> Iterator[str]:
    """Yield the names of a node's results, and of those in its body."""
    yield from (value.name for value in node.results)
    for inner in node.body:
        yield from names_of(inner)


def accounting(graph: GraphRecord, name: str) -> list[NodeRecord]:
    """Return the nodes of a graph that make a value, or account for it."""
    exact = [node for node in graph.nodes if name in names_of(node)]
    return exact or [node for node in graph.nodes if name in node.origins]
