"""From a file's plain data to the form that all frontends share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import prod

import numpy as np

from mbc.diag import Diagnostic, MbcError, error
from mbc.frontends.lowering.model import Model, Node
from mbc.frontends.lowering.problems import Problem, Unsupported, diagnostics
from mbc.frontends.tflite.arrays import DTYPES, array_of, dequantised
from mbc.frontends.tflite.folding import FOLDS, folded
from mbc.frontends.tflite.model import Operator, Tensor, TfliteModel
from mbc.frontends.tflite.ops import TRANSLATORS
from mbc.frontends.tflite.translation import HINT, Translation

MAX_TOTAL = 2**27
"""Elements of all folded tensors."""

FLOATS = ("FLOAT16", "FLOAT32")
INDICES = ("INT32", "INT64")
OF_INDICES = ("ARG_MAX", "CAST", "EXPAND_DIMS", "RESHAPE", "SQUEEZE", "TRANSPOSE")
"""Types of indices, and the ops that may compute some."""

QUANTISED = ("INT16", "INT4", "INT8", "UINT8")
"""Types of elements that stand for real numbers by a scale."""

UNQUANTISED = (
    "convert the model again without `converter.optimizations`, or with float16 weights "
    "(`converter.target_spec.supported_types = [tf.float16]`)"
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


def prepared(model: TfliteModel) -> Model:
    """Return a model in the common form. Raises E0802 for what is quantised and for other types of
    inputs, E0806 for a malformed graph, E0807 for what is too large."""
    _check_structure(model)
    _refuse(model)
    t = Translation(model)
    for operator in model.operators:
        t.operator = operator
        _learn(t, operator)
        _translate(t, operator)
    return t.finished()


# ---- what is refused as a whole


def _refuse(model: TfliteModel) -> None:
    """Raise E0802 with what concerns the whole model, and the ops that are not known beside it."""
    found = [*_quantised(model), *_inputs(model), *_graphs(model)]
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
        if tensor.element not in FLOATS and not _stands_for_numbers(tensor):
            kind = tensor.element.lower()
            message = f"input '{tensor.name}' is {kind}; mbc takes float32 and float16"
            yield Diagnostic("E0802", message)


def _quantised(model: TfliteModel) -> Iterator[Diagnostic]:
    """Yield what to say of a model that computes with integers."""
    given = {number for number in model.inputs if _stands_for_numbers(model.tensors[number])}
    nodes = [each for each in model.operators if _is_quantised(model, each)]
    if nodes or given:
        first = model.tensors[nodes[0].outputs[0] if nodes else min(given)].name
        kind = _kinds(model, nodes, given)
        message = f"the model is quantised to {kind}; mbc imports float models"
        label = f"{len(nodes)} of {len(model.operators)} operators, the first is '{first}'"
        yield Diagnostic("E0802", message, label=label, helps=(UNQUANTISED,))


def _kinds(model: TfliteModel, nodes: Iterable[Operator], given: Iterable[int]) -> str:
    numbers = [number for node in nodes for number in (*node.inputs, *node.outputs) if number >= 0]
    counted = Counter(model.tensors[number].element for number in (*numbers, *given))
    return max((kind for kind in counted if kind in QUANTISED), key=counted.__getitem__).lower()


def _stands_for_numbers(tensor: Tensor) -> bool:
    """Whether a tensor has integers that stand for real numbers."""
    return tensor.element in QUANTISED and tensor.scales.scale.size > 0


def _is_quantised(model: TfliteModel, operator: Operator) -> bool:
    """Whether an operator computes with integers that stand for real numbers."""
    numbers = [number for number in (*operator.inputs, *operator.outputs) if number >= 0]
    integers = [t for t in (model.tensors[n] for n in numbers) if _stands_for_numbers(t)]
    if operator.kind in ("DENSIFY", "DEQUANTIZE"):
        return operator.kind == "DEQUANTIZE" and any(t.data is None for t in integers)
    return bool(integers)


def _unknown(model: TfliteModel) -> list[Diagnostic]:
    known = {*TRANSLATORS, *FOLDS, *LEARNT, "QUANTIZE"}
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


LEARNT = ("DENSIFY", "DEQUANTIZE", "SHAPE")
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
    arrays = [t.arrays[number] for number in given]
    match operator.kind:
        case "DENSIFY":
            return arrays[:1]
        case "DEQUANTIZE":
            made = dequantised(arrays[0], t.tensor(given[0]).scales)
            return None if made is None else [made]
    return folded(operator, arrays) if operator.kind in FOLDS else None


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
    kinds = (*FLOATS, *INDICES) if operator.kind in OF_INDICES else FLOATS
    for number in operator.outputs:
        if (kind := t.tensor(number).element) not in kinds:
            raise Unsupported(f"its result is {kind.lower()}, computed from inputs of the model")
