"""The ops and activations that the rules make, read from their code.

A rule makes what its code names, or that of a function or table of the importer, or of a method of
its builder, that it names in turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, partial
from types import CodeType, FunctionType, ModuleType
from typing import Any, TypeAlias, cast

from mbc.frontends.lowering.builder import Builder
from mbc.frontends.lowering.rules import IMPORTERS
from mbc.ir.activations import Activation, Spelled
from mbc.ir.op import Op

Made: TypeAlias = type[Op] | type[Activation]

IMPORTER = __name__.rpartition(".")[0]


@cache
def made_by_rules() -> frozenset[Made]:
    """Return the ops and activations that any rule makes."""
    found: set[Made] = set()
    _visit([*IMPORTERS.values()], found, set())
    return frozenset(found)


def _visit(things: list[Any], found: set[Made], seen: set[int]) -> None:
    for thing in things:
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, type) and issubclass(thing, Op | Spelled):
            found.add(cast("Made", thing))
        else:
            _visit([*_named(thing)], found, seen)


def _named(thing: Any) -> Iterator[Any]:
    """Yield what a function, table or activation names."""
    match thing:
        case FunctionType(__module__=module) if module.startswith(IMPORTER):
            cells = thing.__closure__ or ()
            yield from (cell.cell_contents for cell in cells)
            yield from _globals(thing.__code__, thing.__globals__)
        case partial():
            yield from (thing.func, *thing.args, *thing.keywords.values())
        case Mapping():
            yield from thing.values()
        case tuple() | list():
            yield from thing
        case Op() | Spelled():
            yield type(thing)


def _globals(code: CodeType, known: Mapping[str, Any]) -> Iterator[Any]:
    modules = [known[name] for name in code.co_names if isinstance(known.get(name), ModuleType)]
    for place in (known, *map(vars, modules), vars(Builder)):
        yield from (place[name] for name in code.co_names if name in place)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals(constant, known)
