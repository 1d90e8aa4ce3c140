"""What a model has that mbc does not support: collected, and told all at once."""

from __future__ import annotations

from collections.abc import Iterable

from mbc.diag import Diagnostic, MbcError
from mbc.frontends.lowering.model import HINT, Node
from mbc.records import dataclass

HELPS = {
    "DynamicQuantizeLinear": "quantise the model statically, or export it unquantised",
    "Erf": "it is read as part of gelu, x * (1 + erf(x / sqrt(2))) / 2, and by itself not",
    "If": "export the model with the branch decided: without data-dependent control flow",
    "Loop": "export the model with the loop unrolled",
    "Scan": "export the model with the loop unrolled",
    "NonMaxSuppression": "export the network without its post-processing",
}
"""What to do about some ops."""


class Unsupported(Exception):
    """An op, or a use of one, that mbc does not support; raised by rules."""

    def __init__(self, reason: str, help: str = "") -> None:
        super().__init__(reason)
        self.reason, self.help = reason, help


@dataclass(frozen=True)
class Problem:
    """A node that cannot be imported."""

    node: Node
    reason: str
    """What of it is not supported; "" for all of it."""
    help: str = ""
    """What to do about it."""


def refuse(problems: Iterable[Problem], hint: str = HINT) -> None:
    """Raise E0802 with one entry for each op and reason, if there are any."""
    if found := diagnostics(problems, hint):
        raise MbcError(*found)


def diagnostics(problems: Iterable[Problem], hint: str) -> list[Diagnostic]:
    """Return an entry of E0802 for each op and reason."""
    grouped: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        grouped.setdefault((_op(problem.node), problem.reason), []).append(problem)
    return [_diagnostic(group, hint) for group in grouped.values()]


def _op(node: Node) -> str:
    """Return the op of a node as the user knows it."""
    return node.spelled or node.kind


def _diagnostic(group: list[Problem], hint: str) -> Diagnostic:
    first = group[0]
    node, count = first.node, len(group)
    place = f"'{node.name}'" + (f" in module {node.module}" if node.module else "")
    nodes = f"node {place}" if count == 1 else f"{count} nodes, the first is {place}"
    op = _op(node)
    what = f"{op}: {first.reason}" if first.reason else f"{op} is not supported"
    help = first.help or HELPS.get(node.kind, hint)
    return Diagnostic("E0802", what, node.location, nodes, (help,))
