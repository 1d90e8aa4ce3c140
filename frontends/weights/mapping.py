"""Which tensor of a file is which parameter of a network, and in which order of axes.

Names are compared after renaming rules; a batch norm's names of PyTorch are ours where ours are
meant. A shape decides between orders only if it fits one of them alone. Whatever remains open on
either side is an error, and all of it is told at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mbc.diag import Diagnostic, MbcError
from mbc.frontends.weights.listings import count, extents, listing
from mbc.frontends.weights.names import PYTORCH, hints
from mbc.frontends.weights.orders import Order, Target, targets
from mbc.frontends.weights.stored import Listing, Stored
from mbc.frontends.weights.types import type_problems
from mbc.ir.graph import Graph
from mbc.records import dataclass

Rename = Callable[[str], str | None]


def same_name(name: str) -> str | None:
    """Rename nothing."""
    return name


@dataclass(frozen=True)
class Match:
    """A tensor of a file and the parameter that it is."""

    target: Target
    stored: Stored
    order: Order
    """The order of the tensor's axes."""


@dataclass(frozen=True)
class Matching:
    """How to match a file with a network."""

    path: Path
    """The file, for messages."""
    rename: Rename = same_name
    """Returns the new name of a tensor, or None to leave it out."""
    order: Order | None = None
    """The order of all tensors; None where their shapes have to tell."""
    whole: bool = False
    """Whether messages list all names, not only the first."""

    def listing(self, names: Sequence[str]) -> str:
        """List names for a message."""
        return "\n".join(names) if self.whole else listing(names)


def match(graph: Graph, listing: Listing, how: Matching) -> list[Match]:
    """Match all parameters with all tensors.

    Raises, all at once, E0404 (missing), E0405 (unknown), E0406 (shape), E0407 (type), E0413
    (several orders), E0415 (several tensors).
    """
    known = targets(graph)
    claims = _claims(known, listing.tensors, how.rename)
    found = [(known[name], claims[name][0]) for name in known if name in claims]
    problems = [
        *_name_problems(known, claims, how),
        *_shape_problems(found, how),
        *type_problems([(target.constant, stored) for target, stored in found]),
    ]
    if problems:
        raise MbcError(*problems)
    return [Match(target, stored, _orders(target, stored, how)[0]) for target, stored in found]


Claims = Mapping[str, Sequence[Stored]]


def _claims(known: Mapping[str, Target], tensors: Mapping[str, Stored], rename: Rename) -> Claims:
    """Return the tensors by the name of the parameter that they are meant for."""
    claims: dict[str, list[Stored]] = {}
    for name, stored in tensors.items():
        new = rename(name)
        if new is not None:
            claims.setdefault(_parameter(new, known), []).append(stored)
    return claims


def _parameter(name: str, known: Mapping[str, Target]) -> str:
    """Return our name where a batch norm's of PyTorch is given."""
    layer, dot, role = name.rpartition(".")
    ours = f"{layer}{dot}{PYTORCH.get(role, role)}"
    return ours if name not in known and ours in known else name


def _name_problems(
    known: Mapping[str, Target], claims: Claims, how: Matching
) -> Iterator[Diagnostic]:
    missing = [name for name in known if name not in claims]
    extra = {name: stored[0] for name, stored in claims.items() if name not in known}
    several = {name: stored for name, stored in claims.items() if len(stored) > 1 and name in known}
    if missing:
        message = f"{how.path} lacks {count(missing)}"
        shapes = [f"{name} {extents(known[name].shape)}" for name in missing]
        yield Diagnostic("E0404", message, label=how.listing(shapes))
    if extra:
        yield _extra(extra, missing, known, how)
    if several:
        lines = [f"{n}: {', '.join(s.name for s in stored)}" for n, stored in several.items()]
        message = f"{count(lines)} for which there are several tensors"
        yield Diagnostic("E0415", message, label=how.listing(lines))


def _extra(
    extra: Mapping[str, Stored],
    missing: Sequence[str],
    known: Mapping[str, Target],
    how: Matching,
) -> Diagnostic:
    names = [
        f"{stored.name} {extents(stored.shape)}" + (f" as {name}" if name != stored.name else "")
        for name, stored in extra.items()
    ]
    constants = {name: target.constant for name, target in known.items()}
    helps = (*hints([*extra], missing, constants, extra), _how_to_rename(how))
    message = f"{how.path} has {count(names)} that the network does not"
    return Diagnostic("E0405", message, label=how.listing(names), helps=helps)


def _how_to_rename(how: Matching) -> str:
    if how.whole:
        return "--rules FILE renames tensors, and drops those that are not wanted"
    return "mbc weights map lists all names, and renames by rules"


def _orders(target: Target, stored: Stored, how: Matching) -> tuple[Order, ...]:
    if how.order is None:
        return target.orders(stored.shape)
    return (how.order,) if target.fits(stored.shape, how.order) else ()


def _shape_problems(found: Iterable[tuple[Target, Stored]], how: Matching) -> Iterator[Diagnostic]:
    fitting = [(t, s, len(_orders(t, s, how))) for t, s in found]
    wrong = [
        f"{t.constant.name}: {s.name} is {extents(s.shape)}, not {extents(t.shape)}"
        for t, s, orders in fitting
        if orders == 0
    ]
    unclear = [
        f"{t.constant.name}: {s.name} {extents(s.shape)}" for t, s, orders in fitting if orders > 1
    ]
    if wrong:
        yield Diagnostic("E0406", f"{count(wrong)} of another shape", label=how.listing(wrong))
    if unclear:
        helps = ("mbc weights map takes --layout pytorch (OIHW, OI) or mbc (HWIO, IO)",)
        message = f"{count(unclear)} whose shape fits two orders of axes"
        yield Diagnostic("E0413", message, label=how.listing(unclear), helps=helps)
