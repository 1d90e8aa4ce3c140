"""Parts of a model: from values that become the inputs to values that become the outputs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from mbc.diag import error, nearest
from mbc.frontends.tflite.model import Operator, TfliteModel

MOST_COMPARED = 10_000
"""The most names among which similar ones are looked for."""


def cut(model: TfliteModel, inputs: Sequence[str], outputs: Sequence[str]) -> TfliteModel:
    """Return the part of a model between values, which have the names that the importer gives them;
    the model itself where neither is named. Raises E0808 for names that no value has, inputs that
    no output depends on, and outputs that depend on other inputs too."""
    if not inputs and not outputs:
        return model
    ends = _numbers(model, "--outputs", outputs) if outputs else model.outputs
    starts = _numbers(model, "--inputs", inputs) if inputs else model.inputs
    kept = _needed(model.operators, starts, ends)
    read = {*ends, *(number for operator in kept for number in operator.inputs)}
    if inputs:
        _refuse_others(model, [n for n in model.inputs if n in read and n not in starts])
        _refuse_unread(model, [n for n in starts if n not in read])
    used = tuple(number for number in starts if number in read)
    return replace(model, operators=kept, inputs=used, outputs=tuple(ends))


def _numbers(model: TfliteModel, option: str, names: Sequence[str]) -> tuple[int, ...]:
    """Return the numbers of inputs and results."""
    results = {number for operator in model.operators for number in operator.outputs}
    known = {model.tensors[n].name: n for n in (*model.inputs, *sorted(results))}
    for name in names:
        if name not in known:
            message = f"{option}: the model has no value '{name}'"
            similar = nearest(name, known) if len(known) < MOST_COMPARED else ()
            raise error("E0808", message, helps=similar)
    return tuple(known[name] for name in names)


def _needed(
    operators: Sequence[Operator], starts: Collection[int], ends: Iterable[int]
) -> tuple[Operator, ...]:
    """Return the operators that lie between."""
    wanted, kept = {*ends} - {*starts}, list[Operator]()
    for operator in reversed(operators):
        if wanted & {*operator.outputs}:
            wanted |= {*operator.inputs} - {*starts}
            kept.append(operator)
    return tuple(kept[::-1])


def _refuse_others(model: TfliteModel, others: Sequence[int]) -> None:
    if others:
        name = model.tensors[others[0]].name
        message = f"the outputs depend on the input '{name}' too, which --inputs does not name"
        raise error("E0808", message)


def _refuse_unread(model: TfliteModel, unread: Sequence[int]) -> None:
    if unread:
        name = model.tensors[unread[0]].name
        raise error("E0808", f"--inputs: no output depends on '{name}'")
