"""From a file's plain data to the form that all frontends share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from mbc.diag import Diagnostic, MbcError, error
from mbc.frontends.lowering.model import Model, Node
from mbc.frontends.lowering.problems import Problem, Unsupported, diagnostics
from mbc.frontends.tflite.arrays import DTYPES, array_of
from mbc.frontends.tflite.codes import (
    CODES,
    LIMITS,
    check_scales,
    codes_of,
    numbers_of,
    stands_for_numbers,
)
from mbc.frontends.tflite.folding import FOLDS, folded
from mbc.frontends.tflite.model import Operator, TfliteModel
from mbc.frontends.tflite.ops import TRANSLATORS
from mbc.frontends.tflite.ops.quantised import FLOATS, KEEPING, check_elements
from mbc.frontends.tflite.translation import HINT, Translation

MAX_TOTAL = 2**27
"""Elements of all folded tensors."""

INDICES = ("INT32", "INT64")
OF_INDICES = ("ARG_MAX", "CAST", "EXPAND_DIMS", "RESHAPE", "SQUEEZE", "TRANSPOSE")
"""Types of indices, and the ops that may compute some."""

NARROWER = (
    "convert the model again with codes of 8 bits "
    "(`converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]`), or without "
    "`converter.optimizations`"
)

HELPS = {
    "CUSTOM": "only TensorFlow Lite's own ops are read; convert the model without this op",
    "CUSTOM TFLite_Detection_PostProcess": "convert the network without its post-processing",
    "IF": "convert the model without data-dependent control flow",
    "NON_MAX_SUPPRESSION_V4": "convert the network without its post-processing",
    "NON_MAX_SUPPRESSION_V5": "convert the network without its post-processing",
    "WHILE": "convert the model with the loop unrolled",
}
"""What to do about some ops."""


def prepared(model: TfliteModel, note: Callable[[str], None], *, floats: bool = False) -> Model:
    """Return a model in the common form; a quantised one with `floats` without its codes. `note`
    takes what the user should know. Raises E0802 for what is not supported as a whole, E0806 for a
    malformed graph, E0807 for what is too large."""
    _check_structure(model)
    _check_scales(model)
    _refuse(model)
    t = Translation(model)
    for operator in model.operators:
        t.operator = operator
        _learn(t, operator)
        _translate(t, operator)
    made = t.finished()
    for text in t.known.remarks(floats=floats):
        note(text)
    return replace(made, quantised=True, elements={}, weights={}) if floats else made


# ---- what is refused as a whole


def _refuse(model: TfliteModel) -> None:
    """Raise E0802 with what concerns the whole model, and the ops that are not known beside it."""
    found = [*_wide(model), *_inputs(model), *_graphs(model)]
    if found:
        raise MbcError(*found, *_unknown(model))


def _graphs(model: TfliteModel) -> Iterator[Diagnostic]:
    if model.subgraphs > 1:
        helps = ("convert the model with one signature, and without control flow",)
        message = f"the model has {model.subgraphs} graphs; mbc reads one"
        yield Diagnostic("E0802", message, helps=helps)


def _inputs(model: TfliteModel) -> Iterator[Diagnostic]:
    for number in model.inputs:
        tensor = model.tensors[number]
        if tensor.element not in FLOATS and not stands_for_numbers(tensor):
            kind = tensor.element.lower()
            without = " without a scale" if tensor.element in CODES else ""
            message = f"input '{tensor.name}' is {kind}{without}; mbc takes float32 and float16"
            yield Diagnostic("E0802", message)


def _wide(model: TfliteModel) -> Iterator[Diagnostic]:
    """Yield what to say of a model that computes with other integers than those of 8 bits."""
    wide = {
        number
        for number, tensor in enumerate(model.tensors)
        if tensor.data is None and stands_for_numbers(tensor) and tensor.element not in CODES
    }
    nodes = [each for each in model.operators if wide & {*each.inputs, *each.outputs}]
    given = wide & {*model.inputs}
    if nodes or given:
        first = model.tensors[nodes[0].outputs[0] if nodes else min(given)].name
        read = [n for each in nodes for n in (*each.inputs, *each.outputs) if n in wide]
        kind = model.tensors[(read or sorted(given))[0]].element.lower()
        message = f"the model is quantised to {kind}; mbc computes with int8 and uint8"
        label = f"{len(nodes)} of {len(model.operators)} operators, the first is '{first}'"
        yield Diagnostic("E0802", message, label=label, helps=(NARROWER,))


def _check_scales(model: TfliteModel) -> None:
    """Raise E0806 where what integers stand for makes no sense."""
    read = {number for each in model.operators for number in (*each.inputs, *each.outputs)}
    for number in sorted(read | {*model.inputs} - {-1}):
        tensor = model.tensors[number]
        if tensor.element in LIMITS and (tensor.scales.scale.size or tensor.scales.zero.size):
            check_scales(tensor)


def _unknown(model: TfliteModel) -> list[Diagnostic]:
    known = {*TRANSLATORS, *FOLDS, *LEARNT}
    found = [each for each in model.operators if each.kind not in known]
    nodes = [Node(each.kind, model.tensors[each.outputs[0]].name, (), ()) for each in found]
    return diagnostics([Problem(node, "", _help(node.kind)) for node in nodes], HINT)


def _help(kind: str) -> str:
    return HELPS.get(kind) or HELPS.get(kind.partition(" ")[0], HINT)


# ---- the rules of a graph


def _check_structure(model: TfliteModel) -> None:
    """Raise E0806 unless each tensor that is read is given or was computed, once."""
    count = len(model.tensors)
    known = {
        number
        for number, tensor in enumerate(model.tensors)
        if tensor.data is not None or tensor.is_variable
    }
    _check_numbers(model.inputs, count)
    _check_numbers(model.outputs, count)
    if not model.outputs:
        raise _malformed("it has no outputs")
    known |= {*model.inputs}
    for operator in model.operators:
        _check_numbers([number for number in operator.inputs if number != -1], count)
        _check_numbers(operator.outputs, count)
        if not operator.outputs:
            raise _malformed(f"an operator {operator.kind} has no results")
        _check_known(model, [number for number in operator.inputs if number != -1], known)
        for number in operator.outputs:
            if number in known:
                raise _malformed(f"'{model.tensors[number].name}' is defined more than once")
            known.add(number)
    _check_known(model, model.outputs, known)


def _check_numbers(numbers: Iterable[int], count: int) -> None:
    for number in numbers:
        if not 0 <= number < count:
            raise _malformed(f"it reads tensor {number} of {count}")


def _check_known(model: TfliteModel, numbers: Iterable[int], known: set[int]) -> None:
    for number in numbers:
        if number not in known:
            name = model.tensors[number].name
            raise _malformed(f"'{name}' is read, but neither given nor computed before")


def _malformed(reason: str) -> MbcError:
    return error("E0806", f"the graph is malformed: {reason}")


# ---- operator by operator


LEARNT = ("DENSIFY", "SHAPE")
"""Ops whose results are known by other means than computing."""


def _learn(t: Translation, operator: Operator) -> None:
    """Decode the constants that an operator is the first to read."""
    for number in {*operator.inputs} - {-1, *t.model.inputs} - t.arrays.keys():
        array = array_of(t.tensor(number))
        if array is not None:
            t.arrays[number] = array


def _translate(t: Translation, operator: Operator) -> None:
    """Fold an operator, or add its nodes, or one that says why not."""
    try:
        made = _known(t, operator)
        if made is not None:
            _keep(t, operator, made)
        elif operator.kind in TRANSLATORS:
            _check_tensors(t, operator)
            check_elements(t)
            TRANSLATORS[operator.kind](t)
        else:
            t.refuse(help=_help(operator.kind))
    except Unsupported as problem:
        t.refuse(problem.reason, problem.help or _help(operator.kind))


def _known(t: Translation, operator: Operator) -> Sequence[np.ndarray] | None:
    """Return the results of an operator that needs no input of the model; None of another."""
    given = [number for number in operator.inputs if number >= 0]
    if operator.kind == "SHAPE":
        return [np.array(t.tensor(given[0]).shape, np.int64)] if given else None
    if not given or any(number not in t.arrays for number in given):
        return None
    tensors, arrays = [t.tensor(n) for n in given], [t.arrays[n] for n in given]
    match operator.kind:
        case "DENSIFY":
            return arrays[:1]
        case "DEQUANTIZE":
            return [numbers_of(tensors[0], arrays[0])]
        case "QUANTIZE":
            return [codes_of(t.result, numbers_of(tensors[0], arrays[0]))]
    if operator.kind not in FOLDS:
        return None
    if operator.kind in KEEPING or not any(map(stands_for_numbers, tensors)):
        return folded(operator, arrays)
    pairs = zip(tensors, arrays, strict=True)
    numbers = [numbers_of(*each) if stands_for_numbers(each[0]) else each[1] for each in pairs]
    results = zip(operator.outputs, folded(operator, numbers), strict=True)
    return [codes_of(t.tensor(number), each) for number, each in results]


def _keep(t: Translation, operator: Operator, arrays: Sequence[np.ndarray]) -> None:
    """Store results that are constants, with the element types that the file says."""
    if len(arrays) != len(operator.outputs):
        raise Unsupported("it has another number of results")
    t.folded += sum(array.size for array in arrays)
    if t.folded > MAX_TOTAL:
        raise error("E0807", f"folded constants have more than {MAX_TOTAL:,} elements")
    for number, array in zip(operator.outputs, arrays, strict=True):
        tensor = t.tensor(number)
        if array.shape != tensor.shape and prod(tensor.shape) != array.size:
            found, own = [*array.shape], [*tensor.shape]
            raise error("E0806", f"'{tensor.name}' has the shape {own}, its op gives {found}")
        kind = DTYPES.get(tensor.element, array.dtype.str)
        with np.errstate(all="ignore"):
            t.arrays[number] = array.astype(kind, copy=False).reshape(tensor.shape)


def _check_tensors(t: Translation, operator: Operator) -> None:
    """Raise Unsupported where an operator reads or computes nothing, or its result is no float."""
    given = {*operator.inputs} & {*t.model.inputs}
    for number in (*operator.outputs, *given):
        if 0 in t.tensor(number).shape:
            raise Unsupported(f"'{t.tensor(number).name}' has no elements")
    kinds = (*FLOATS, *CODES, *(INDICES if operator.kind in OF_INDICES else ()))
    for number in operator.outputs:
        if (kind := t.tensor(number).element) not in kinds:
            raise Unsupported(f"its result is {kind.lower()}, computed from inputs of the model")
