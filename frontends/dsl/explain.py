"""Exceptions raised by the user's code, turned into errors at the user's line."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

from mbc.diag import Location, MbcError, error
from mbc.frontends.dsl.builder import Builder, Tensor
from mbc.frontends.dsl.elsewhere import argument_hints, layer_hints
from mbc.frontends.dsl.location import in_traceback
from mbc.frontends.dsl.net import Net

KINDS = [kind for kind in Net.__mro__ if issubclass(kind, Builder) and kind is not Builder]
LAYERS = tuple(
    name for kind in KINDS for name in vars(kind) if not name.startswith("_") and name != "require"
)
_NET = rf"({'|'.join(kind.__name__ for kind in KINDS)})"

UNKNOWN_KEYWORD = re.compile(
    rf"{_NET}\.(?P<layer>\w+)\(\) got an unexpected keyword argument '(?P<name>\w+)'"
)
MISSING = re.compile(
    rf"{_NET}\.(?P<layer>\w+)\(\) missing \d+ required positional arguments?: (?P<names>.*)"
)
TOO_MANY = re.compile(rf"{_NET}\.(?P<layer>\w+)\(\) takes .* positional arguments? .*were given")
TWICE = re.compile(rf"{_NET}\.(?P<layer>\w+)\(\) got multiple values for argument '(?P<name>\w+)'")


def explain(problem: BaseException, file: str) -> MbcError | None:
    """Turn an exception of the user's code into an error at the user's line.

    Returns E0213 for invalid Python, E0218 for a misused layer or tensor, else E0214; None for
    an exception raised by mbc itself.
    """
    if isinstance(problem, SyntaxError) and problem.lineno:
        return syntax_error(problem)
    at = in_traceback(problem.__traceback__, file)
    if at is None:
        return None
    return _misuse(problem, at) or _raised(problem, at)


def _raised(problem: BaseException, at: Location) -> MbcError:
    text = str(problem) or "no message"
    message = f"the network raised {type(problem).__name__}: {text}"
    return error("E0214", message, at=at, helps=_hints(problem))


def _hints(problem: BaseException) -> tuple[str, ...]:
    if isinstance(problem, NameError) and problem.name in LAYERS:
        return (f"layers are methods of the network's first parameter: nn.{problem.name}(…)",)
    if "'NetworkDef' object is not callable" in str(problem):
        return ("what networks share goes into a plain function, which takes nn and tensors",)
    return ()


def _misuse(problem: BaseException, at: Location) -> MbcError | None:
    """Return E0218 if the exception comes from a misused layer or tensor, else None."""
    if isinstance(problem, AttributeError):
        return _no_attribute(problem, at)
    if not isinstance(problem, TypeError):
        return None
    for pattern, explanation in _CALLS:
        if found := pattern.match(str(problem)):
            return explanation(found, at)
    return None


def _no_attribute(problem: AttributeError, at: Location) -> MbcError | None:
    name = problem.name or ""
    match problem.obj:
        case Net():
            helps = (*layer_hints(name, [*LAYERS, "require", "scope"]), _listed())
            return error("E0218", f"there is no layer '{name}'", at=at, helps=helps)
        case Tensor():
            helps = (f"layers are methods of nn: nn.{name}(x)",) if name in LAYERS else ()
            helps = helps or ("a tensor has x.shape and x.channels; layers are methods of nn",)
            return error("E0218", f"a tensor has no '{name}'", at=at, helps=helps)
    return None


def _listed() -> str:
    return f"layers are {', '.join(LAYERS)}"


def _missing(found: re.Match[str], at: Location) -> MbcError:
    takes = ", ".join(_arguments(found["layer"]))
    message = f"layer '{found['layer']}' lacks {found['names']}"
    return error("E0218", message, at=at, helps=[_call(found["layer"]), f"it takes {takes}"])


def _too_many(found: re.Match[str], at: Location) -> MbcError:
    layer = found["layer"]
    *first, last = _positional(layer)
    listed = f"{', '.join(first)} and {last}" if first else last
    named = [name for name in _arguments(layer) if name not in (*first, last)]
    helps = [f"name the others: {', '.join(f'{name}=…' for name in named)}"] if named else []
    message = f"layer '{layer}' takes only {listed} by position"
    return error("E0218", message, at=at, helps=helps)


def _twice(found: re.Match[str], at: Location) -> MbcError:
    message = f"layer '{found['layer']}' is given '{found['name']}' twice, by position and by name"
    return error("E0218", message, at=at, helps=[_call(found["layer"])])


def _unknown_keyword(found: re.Match[str], at: Location) -> MbcError:
    layer, name = found["layer"], found["name"]
    takes = _arguments(layer)
    helps = [*argument_hints(layer, name, takes), f"it takes {', '.join(takes)}"]
    return error("E0218", f"layer '{layer}' does not take '{name}'", at=at, helps=helps)


_CALLS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], Location], MbcError]], ...] = (
    (MISSING, _missing),
    (TOO_MANY, _too_many),
    (TWICE, _twice),
    (UNKNOWN_KEYWORD, _unknown_keyword),
)


def _call(layer: str) -> str:
    """Show a call of a layer with only its required arguments."""
    parameters = inspect.signature(getattr(Net, layer)).parameters.values()
    needed = [p.name for p in parameters if p.default is p.empty and p.name != "self"]
    return f"write nn.{layer}({', '.join(needed)})"


def _arguments(layer: str) -> list[str]:
    return [name for name in inspect.signature(getattr(Net, layer)).parameters if name != "self"]


def _positional(layer: str) -> list[str]:
    parameters = inspect.signature(getattr(Net, layer)).parameters.values()
    return [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY and p.name != "self"]


def syntax_error(problem: SyntaxError) -> MbcError:
    """Return E0213 at the position that Python reports."""
    same_line = problem.end_lineno in (None, problem.lineno)
    end = (problem.end_offset or 0) if same_line else 0
    at = Location(problem.filename or "", problem.lineno or 0, problem.offset or 0, max(end, 0))
    return error("E0213", "this is not valid Python", at=at, label=problem.msg, source=problem.text)
