"""Pass specs as text, and pipelines up to a stage.

    specs := spec { "," spec }
    spec  := NAME [ "{" OPTION "=" VALUE { "," OPTION "=" VALUE } "}" ]

The options of a pass are the fields of its dataclass, so this file knows none of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from mbc.diag import error, nearest
from mbc.passmgr.passes import Pass, Pipeline, Stage
from mbc.records import dataclass

OptionValue = str | int | float | bool

SPEC = re.compile(r"\s*(?P<name>[^\s{},]+)\s*(?:\{(?P<options>[^{}]*)\})?\s*(?:,|$)")


@dataclass(frozen=True)
class Option:
    """An option of a pass."""

    name: str
    type: type
    default: OptionValue
    choices: tuple[str, ...] = ()
    """The allowed values of a Literal."""

    def __str__(self) -> str:
        values = "|".join(self.choices) or self.type.__name__
        return f"{self.name}={values} (default {_text(self.default)})"


def options_of(pass_class: type[Pass]) -> tuple[Option, ...]:
    """Return the options of a pass, from its dataclass fields."""
    return tuple(_options(pass_class))


def _options(pass_class: Any) -> Iterator[Option]:
    hints = get_type_hints(pass_class)
    for field in fields(pass_class):
        if field.default is MISSING:
            raise TypeError(f"option {field.name} of pass {pass_class.name} needs a default")
        hint = hints[field.name]
        choices = get_args(hint) if get_origin(hint) is Literal else ()
        yield Option(field.name, str if choices else hint, field.default, choices)


def parse_passes(text: str, known: Sequence[type[Pass]]) -> tuple[Pass, ...]:
    """Parse a list of specs ("fold-batch-norm,fuse-activation").

    Raises MbcError E0510 to E0513 for malformed text, and for unknown passes, options or values."""
    passes, position = [], 0
    while position < len(text.rstrip()):
        match = SPEC.match(text, position)
        if match is None:
            raise error(
                "E0513",
                f"cannot read this list of passes at '{text[position:]}'",
                helps=["write name,name{option=value,option=value},name"],
            )
        passes.append(_make(match["name"], match["options"] or "", known))
        position = match.end()
    return tuple(passes)


def _make(name: str, options: str, known: Sequence[type[Pass]]) -> Pass:
    pass_class = find_pass(name, known)
    available = {option.name: option for option in options_of(pass_class)}
    values: dict[str, OptionValue] = {}
    for item in filter(None, (part.strip() for part in options.split(","))):
        key, _, value = (part.strip() for part in item.partition("="))
        if key not in available:
            listed = ", ".join(map(str, available.values())) or "none"
            raise error(
                "E0511",
                f"pass {name} has no option '{key}'",
                helps=[*nearest(key, available), f"its options: {listed}"],
            )
        values[key] = _value(name, available[key], value)
    return pass_class(**values)


def find_pass(name: str, known: Sequence[type[Pass]]) -> type[Pass]:
    """Find a pass by name. Raises MbcError E0510 if there is none."""
    for pass_class in known:
        if pass_class.name == name:
            return pass_class
    helps = nearest(name, [p.name for p in known]) or ("`mbc passes` lists the passes",)
    raise error("E0510", f"there is no pass '{name}'", helps=helps)


def _value(name: str, option: Option, text: str) -> OptionValue:
    expected = "|".join(option.choices) or option.type.__name__
    try:
        value = _convert(option, text)
    except ValueError:
        raise error(
            "E0512",
            f"pass {name}: '{text}' is no value of option {option.name}",
            helps=[*nearest(text, option.choices), f"expected {option.name}={expected}"],
        ) from None
    return value


def _convert(option: Option, text: str) -> OptionValue:
    if option.choices:
        return option.choices[option.choices.index(text)]
    if option.type is bool:
        return ("false", "true").index(text) == 1
    converted = option.type(text)
    assert isinstance(converted, str | int | float)
    return converted


def spec_of(instance: Any) -> str:
    """Format a pass for `parse_passes`: its name and the options that differ from defaults."""
    changed = [
        f"{field.name}={_text(getattr(instance, field.name))}"
        for field in fields(instance)
        if getattr(instance, field.name) != field.default
    ]
    name: str = instance.name
    return name + (f"{{{','.join(changed)}}}" if changed else "")


def _text(value: OptionValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def single_stage(passes: Sequence[Pass], name: str = "passes") -> Pipeline:
    """Return a pipeline of exactly these passes, as for `--passes`."""
    return Pipeline((Stage("import", ()), Stage(name, tuple(passes))))


def ending_with(pipeline: Pipeline, name: str, known: Sequence[type[Pass]]) -> Pipeline:
    """Return a pipeline up to the last run of a pass.

    Raises E0510 if there is no such pass, E0106 if the pipeline does not run it."""
    find_pass(name, known)
    runs = [number for number, (_, each) in enumerate(pipeline.all_passes()) if each.name == name]
    if not runs:
        helps = ["`mbc passes` lists those of each level"]
        raise error("E0106", f"pass {name} is not run here", helps=helps)
    left, stages = runs[-1] + 1, list[Stage]()
    for stage in pipeline.stages:
        stages.append(Stage(stage.name, stage.passes[:left]))
        left = max(left - len(stage.passes), 0)
    return Pipeline(tuple(stages))


def stop_after(
    pipeline: Pipeline, stage: str, later: Sequence[str] = ("lower", "emit")
) -> Pipeline:
    """Cut a pipeline after a stage; for a `later` stage, which the driver runs, return all of it.
    Raises MbcError E0514 for an unknown stage."""
    names = [s.name for s in pipeline.stages]
    if stage in names:
        return Pipeline(pipeline.stages[: names.index(stage) + 1])
    if stage in later:
        return pipeline
    known = [*names, *later]
    helps = [*nearest(stage, known), f"the stages: {', '.join(known)}"]
    raise error("E0514", f"there is no stage '{stage}'", helps=helps)
