"""Parts of a model: from values that become the inputs to values that become the outputs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from mbc.frontends.lowering.ends import refuse_missing, refuse_unknown, refuse_unused
from mbc.frontends.tflite.model import Operator, TfliteModel


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
        others = [n for n in model.inputs if n in read and n not in starts]
        refuse_missing(_names(model, others))
        refuse_unused(_names(model, [n for n in starts if n not in read]))
    used = tuple(number for number in starts if number in read)
    return replace(model, operators=kept, inputs=used, outputs=tuple(ends))


def _numbers(model: TfliteModel, option: str, names: Sequence[str]) -> tuple[int, ...]:
    """Return the numbers of inputs and results."""
    results = {number for operator in model.operators for number in operator.outputs}
    known = {model.tensors[n].name: n for n in (*model.inputs, *sorted(results))}
    ends = (
        f"inputs: {', '.join(_names(model, model.inputs))}",
        f"outputs: {', '.join(_names(model, model.outputs))}",
    )
    refuse_unknown(option, names, known, ends)
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


def _names(model: TfliteModel, numbers: Iterable[int]) -> list[str]:
    return [model.tensors[number].name for number in numbers]
