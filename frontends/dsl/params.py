"""The typed parameters of a network: read from its signature, set by `-D name=value`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

from mbc.diag import Location, error, nearest
from mbc.frontends.dsl.numbers import as_bool, as_float, as_integer
from mbc.records import dataclass

ParameterValue: TypeAlias = bool | int | float | str
ParameterType: TypeAlias = type[bool] | type[int] | type[float] | type[str]

TYPES: tuple[ParameterType, ...] = (bool, int, float, str)
NOUNS = {bool: "true or false", int: "an integer", float: "a number", str: "text"}
BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


MAX_SHOWN = 80  # characters of a wrong value


@dataclass(frozen=True)
class Parameter:
    """A keyword parameter of a network."""

    name: str
    """Name in the signature and after `-D`."""
    type: ParameterType
    """Annotated type, or that of the Literal's choices."""
    default: ParameterValue
    """Default value, of that type."""
    choices: tuple[ParameterValue, ...] = ()
    """Values of a Literal annotation; empty for any other."""

    @property
    def expects(self) -> str:
        """The accepted values, in words: "a number", "1, 2, 3, 4 or 8"."""
        if not self.choices:
            return NOUNS[self.type]
        *others, last = map(show, self.choices)
        return f"{', '.join(others)} or {last}" if others else last

    def convert(self, given: object) -> ParameterValue:
        """Convert a value, given as text or typed, to the parameter's type.

        Raises E0111 for a value of another type, E0112 for one that is not among the choices.
        """
        value = parse(self.type, given) if isinstance(given, str) else coerce(self.type, given)
        if value is None:
            raise error(
                "E0111",
                f"parameter '{self.name}' takes {self.expects}, found {shown(given)}",
                helps=[f"the default is -D {self.name}={show(self.default)}"],
            )
        if self.choices and value not in self.choices:
            raise error(
                "E0112",
                f"parameter '{self.name}' takes {self.expects}, found {show(value)}",
                helps=nearest(str(given), map(show, self.choices)) if self.type is str else (),
            )
        return value


def shown(given: object) -> str:
    """Format a wrong value for a message, cut off after MAX_SHOWN characters."""
    text = repr(given)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def show(value: ParameterValue) -> str:
    """Format a value as `-D` takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def parse(type: ParameterType, text: str) -> ParameterValue | None:
    """Parse the text of a value; None if it is not of the type."""
    if type is str:
        return text
    if type is bool:
        return BOOLEANS.get(text.strip().lower())
    try:
        return coerce(type, int(text) if type is int else float(text))
    except ValueError:
        return None


def coerce(type: ParameterType, given: object) -> ParameterValue | None:
    """Convert a typed value to the wanted type without loss; None if it is not of the type."""
    if type is bool:
        return as_bool(given)
    if type is int:
        return as_integer(given)
    if type is float:
        return as_float(given)
    return str(given) if isinstance(given, str) else None


def read_signature(function: Callable[..., Any], at: Location) -> tuple[Parameter, ...]:
    """Read the parameters after the first (which receives the layers).

    Raises E0215 for a missing first parameter, type or default, and for one that does not fit.
    """
    declared = list(inspect.signature(function).parameters.values())
    if not declared or declared[0].kind not in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    ):
        raise error(
            "E0215",
            f"network '{function.__name__}' has no parameter that receives the layers",
            at=at,
            helps=[f"write: def {function.__name__}(nn: Net, *, resolution: int = 224)"],
        )
    hints = _hints(function, at)
    return tuple(_read(parameter, hints, at) for parameter in declared[1:])


def _hints(function: Callable[..., Any], at: Location) -> dict[str, Any]:
    try:
        return get_type_hints(function)
    except NameError as problem:
        message = f"an annotation of network '{function.__name__}' is unknown: {problem}"
        raise error("E0215", message, at=at) from None


def _read(declared: inspect.Parameter, hints: Mapping[str, Any], at: Location) -> Parameter:
    name, default = declared.name, declared.default
    annotated = _kind(hints.get(name))
    if annotated is None or default is declared.empty:
        raise error(
            "E0215",
            f"parameter '{name}' needs a type and a default",
            at=at,
            label=f"'{name}' is declared as {declared}",
            helps=[f"write {name}: int = 1; types are int, float, bool, str and Literal"],
        )
    type, choices = annotated
    value = coerce(type, default)
    if value is None or (choices and value not in choices):
        raise error(
            "E0215",
            f"the default of parameter '{name}' does not fit its type",
            at=at,
            label=f"'{name}' is declared as {declared}",
        )
    return Parameter(name, type, value, choices)


def _kind(hint: Any) -> tuple[ParameterType, tuple[ParameterValue, ...]] | None:
    if hint in TYPES:
        return hint, ()
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    for type_ in TYPES:
        if choices and all(type(choice) is type_ for choice in choices):
            return type_, choices
    return None


def resolve(
    network: str, parameters: tuple[Parameter, ...], given: Mapping[str, object]
) -> dict[str, ParameterValue]:
    """Return every parameter with its value, in order of declaration.

    Raises E0110 for an unknown name, E0111 and E0112 for a value that does not fit.
    """
    known = {parameter.name: parameter for parameter in parameters}
    for name in given:
        if name not in known:
            takes = ", ".join(known) if known else "no parameters"
            raise error(
                "E0110",
                f"network '{network}' has no parameter '{name}'",
                helps=[*nearest(name, known), f"it takes {takes}"],
            )
    return {
        name: parameter.convert(given[name]) if name in given else parameter.default
        for name, parameter in known.items()
    }
