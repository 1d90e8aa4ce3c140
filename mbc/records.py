"""Dataclasses that are completed when they are first used.

`dataclasses.dataclass` compiles six methods of each class, which takes most of a millisecond. A
command imports some 300 classes and uses a part of them. So here a class gets its fields, by
`dataclasses`, and its `__init__`, the only method that is compiled, when either is first asked for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from inspect import get_annotations
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass

LATE = ("__init__", "__match_args__", "__dataclass_fields__", "__dataclass_params__")
"""What a class has only when it is complete."""


class _Outline:
    """A class to be completed."""

    def __init__(self, cls: type, frozen: bool) -> None:
        self.cls, self.frozen = cls, frozen
        self.types = get_annotations(cls)
        self.defaults = {name: cls.__dict__[name] for name in self.types if name in cls.__dict__}

    def complete(self) -> None:
        """Have `dataclasses` make a class of the same fields, and take over what is missing."""
        inherited = {f.name: f for base in self.cls.__mro__[:0:-1] for f in _fields_of(base)}
        types = {name: f.type for name, f in inherited.items()} | self.types
        members: dict[str, Any] = {**inherited, **self.defaults, "__annotations__": types}
        members |= {"__module__": self.cls.__module__, "__doc__": "as the class itself"}
        made: Any = type(self.cls.__name__, (), members)
        made = dataclasses.dataclass(init=False, repr=False, eq=False)(made)
        made.__dataclass_params__.frozen = self.frozen
        made.__init__ = _init(self.cls, dataclasses.fields(made), self.frozen)
        for name in LATE:
            if isinstance(self.cls.__dict__.get(name), _Late):
                self.put(name, made.__dict__[name])

    def put(self, name: str, member: object) -> None:
        """Set an attribute of the class."""
        setattr(self.cls, name, member)

    @cached_property
    def values(self) -> Callable[[Any], tuple[Any, ...]]:
        """The function that returns the values of the fields."""
        names = [f.name for f in dataclasses.fields(self.cls)]
        if len(names) > 1:
            return attrgetter(*names)
        return lambda item: tuple(getattr(item, name) for name in names)


class _Late:
    """An attribute of a class that completes it."""

    def __init__(self, outline: _Outline, name: str) -> None:
        self._outline, self._name = outline, name

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        self._outline.complete()
        found = self._outline.cls.__dict__[self._name]
        return found.__get__(instance, owner) if self._name == "__init__" else found


def _fields_of(base: type) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(base) if "__dataclass_fields__" in base.__dict__ else ()


def _outlined(cls: type, frozen: bool, eq: bool) -> type:
    outline = _Outline(cls, frozen)
    for name, default in outline.defaults.items():
        if isinstance(default, dataclasses.Field):
            if default.default is dataclasses.MISSING:
                delattr(cls, name)
            else:
                setattr(cls, name, default.default)
    members: dict[str, Any] = {name: _Late(outline, name) for name in LATE} | {
        "__repr__": _repr(outline)
    }
    if eq:
        members |= {"__eq__": _eq(outline), "__hash__": _hash(outline) if frozen else None}
    if frozen:
        members |= {"__setattr__": _guard(outline, "assign to", "__setattr__")}
        members |= {"__delattr__": _guard(outline, "delete", "__delattr__")}
    for name, member in members.items():
        if name not in cls.__dict__:
            setattr(cls, name, member)
    return cls


def _init(cls: type, fields: Sequence[dataclasses.Field[Any]], frozen: bool) -> Any:
    """Compile `__init__`. Not from text in one step: after Ctrl-C there Python exits by the signal,
    whatever its caller does about it."""
    if any(f.kw_only or not f.init for f in fields):
        raise TypeError(f"{cls.__qualname__} has fields that only dataclasses.dataclass makes")
    lines, names = list[str](), {"_set": object.__setattr__, "_missing": dataclasses.MISSING}
    parameters = ["self"]
    for f in fields:
        parameter = value = f.name
        if f.default is not dataclasses.MISSING:
            names[f"_default_{f.name}"] = f.default
            parameter = f"{f.name}=_default_{f.name}"
        elif f.default_factory is not dataclasses.MISSING:
            names[f"_make_{f.name}"] = f.default_factory
            parameter = f"{f.name}=_missing"
            value = f"_make_{f.name}() if {f.name} is _missing else {f.name}"
        parameters.append(parameter)
        lines.append(f"_set(self, {f.name!r}, {value})" if frozen else f"self.{f.name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    body = "".join(f"\n    {line}" for line in lines or ["pass"])
    text = f"def __init__({', '.join(parameters)}):{body}\n"
    exec(compile(text, "<string>", "exec"), names)
    made: Any = names["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__annotations__ = {f.name: f.type for f in fields} | {"return": None}
    return made


def _repr(outline: _Outline) -> Callable[[Any], str]:
    @recursive_repr()
    def text(self: Any) -> str:
        fields = dataclasses.fields(outline.cls)
        shown = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in fields)
        return f"{type(self).__qualname__}({shown})"

    return text


def _eq(outline: _Outline) -> Callable[[Any, object], Any]:
    def first(self: Any, other: object) -> Any:
        values = outline.values

        def equal(self: Any, other: object) -> Any:
            if other.__class__ is self.__class__:
                return values(self) == values(other)
            return NotImplemented

        outline.put("__eq__", equal)
        return equal(self, other)

    return first


def _hash(outline: _Outline) -> Callable[[Any], int]:
    def first(self: Any) -> int:
        values = outline.values
        outline.put("__hash__", lambda item: hash(values(item)))
        return hash(values(self))

    return first


def _guard(outline: _Outline, what: str, method: str) -> Callable[..., None]:
    """Refuse to change fields, and any attribute but of a subclass."""

    def guard(self: Any, name: str, *value: object) -> None:
        if type(self) is outline.cls or name in (f.name for f in dataclasses.fields(outline.cls)):
            raise dataclasses.FrozenInstanceError(f"cannot {what} field {name!r}")
        getattr(super(outline.cls, self), method)(name, *value)

    return guard


if not TYPE_CHECKING:

    def dataclass(
        cls: type | None = None, /, *, frozen: bool = False, eq: bool = True, **more: Any
    ) -> Any:
        """Make a dataclass as `dataclasses.dataclass` does; with options beyond those named here,
        at once."""
        if cls is None:
            return partial(dataclass, frozen=frozen, eq=eq, **more)
        if more:
            return dataclasses.dataclass(frozen=frozen, eq=eq, **more)(cls)
        return _outlined(cls, frozen, eq)
