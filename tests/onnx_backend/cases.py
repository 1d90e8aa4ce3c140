"""The cases of ONNX's own backend tests, of which all but the activations become constants.

Node tests give every operand as an input: weights, axes, shapes, pads. A network has these as
constants, so they are bound from the data that come with the case.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, numpy_helper
from onnx.backend.test.loader import load_model_tests

FOLDERS = ("pytorch-converted", "pytorch-operator", "simple")
KINDS = ("node", *FOLDERS)

# fmt: off
PARAMETERS: Mapping[str, slice] = {
    **dict.fromkeys((
        "BatchNormalization", "Clip", "Conv", "ConvTranspose", "DeformConv", "Dropout", "GRU",
        "Gemm", "GroupNormalization", "InstanceNormalization", "LSTM", "LayerNormalization",
        "PRelu", "Pad", "Pow", "QuantizeLinear", "RMSNormalization", "RNN", "Resize", "Upsample",
    ), slice(1, None)),
    **dict.fromkeys(("DequantizeLinear", "Range"), slice(None)),
    "Attention": slice(3, 4),
}
# fmt: on
"""The operands of each op that a network has as constants. What is no number of floating point is
constant everywhere."""

EXPANDED = re.compile(r"_expanded(_ver[0-9]+)?$")
"""The end of the names of cases that have a function's body in place of its call."""

Data = Sequence[Any]
"""Tensors as arrays, TensorProtos, or lists of these."""


@dataclass(frozen=True)
class Case:
    """A model, and what it computes."""

    kind: str
    name: str
    model: ModelProto
    sets: Sequence[tuple[Data, Data]]
    """Inputs and outputs, in the order of the model."""
    parameters: frozenset[str]
    """The inputs that are bound."""

    def bound(self, inputs: Data) -> tuple[ModelProto, dict[str, np.ndarray]]:
        """Return the model with parameters as initializers, and the inputs that are left."""
        model, left = ModelProto(), dict[str, np.ndarray]()
        model.CopyFrom(self.model)
        for name, given in zip(input_names(model), inputs, strict=False):
            if name in self.parameters:
                model.graph.initializer.append(_tensor(given, name))
            else:
                left[name] = _array(given)
        return model, left


def input_names(model: ModelProto) -> list[str]:
    """The inputs of a model that are not initialised."""
    initialised = {tensor.name for tensor in model.graph.initializer}
    return [value.name for value in model.graph.input if value.name not in initialised]


def outputs_of(expected: Data) -> list[np.ndarray]:
    """What a case expects, as arrays."""
    return [_array(each) for each in expected]


def _tensor(given: Any, name: str) -> TensorProto:
    made = TensorProto()
    made.CopyFrom(given if isinstance(given, TensorProto) else numpy_helper.from_array(given))
    made.name = name
    return made


def _array(given: Any) -> np.ndarray:
    """A tensor as an array; a sequence, which no network takes, as one of objects."""
    if isinstance(given, TensorProto):
        return numpy_helper.to_array(given)
    return np.asarray(given, object) if isinstance(given, list) else np.asarray(given)


@cache
def cases_of(kind: str) -> Mapping[str, Case]:
    """All cases of a kind, by name."""
    loaded = list(_node_cases() if kind == "node" else _stored_cases(kind))
    models = {name: model for name, model, _ in loaded}
    return {
        name: Case(kind, name, model, sets, _parameters(model, models[EXPANDED.sub("", name)]))
        for name, model, sets in loaded
    }


Loaded = tuple[str, ModelProto, Sequence[tuple[Data, Data]]]


def _node_cases() -> Iterator[Loaded]:
    """Cases that are made in memory."""
    state = np.random.get_state()
    np.random.seed(0)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        made = load_model_tests(kind="node")
    np.random.set_state(state)
    for case in made:
        assert case.model is not None
        assert case.data_sets is not None
        yield case.name.removeprefix("test_"), case.model, case.data_sets


def _stored_cases(kind: str) -> Iterator[Loaded]:
    """Cases that are files of the package onnx."""
    for case in sorted(load_model_tests(kind=kind), key=lambda each: each.name):
        assert case.model_dir is not None
        folder = Path(case.model_dir)
        model = onnx.load(folder / "model.onnx")
        graph = model.graph
        sets = [
            (_tensors(graph.input, data, "input"), _tensors(graph.output, data, "output"))
            for data in sorted(folder.glob("test_data_set_*"))
        ]
        yield case.name.removeprefix("test_"), model, sets


def _tensors(values: Any, folder: Path, side: str) -> list[Any]:
    """The tensors of one side of a data set; a value that is none is an empty list."""
    found = list[Any]()
    for number in range(len([*folder.glob(f"{side}_*.pb")])):
        if not values[number].type.HasField("tensor_type"):
            found.append([])
            continue
        tensor = TensorProto()
        tensor.ParseFromString((folder / f"{side}_{number}.pb").read_bytes())
        found.append(tensor)
    return found


def _parameters(model: ModelProto, base: ModelProto) -> frozenset[str]:
    """The inputs that become constants: those that nodes of `base` read as such, and integers."""
    inputs = {value.name: value.type for value in model.graph.input}
    found = {
        name
        for node in base.graph.node
        for name in node.input[PARAMETERS.get(node.op_type, slice(0))]
    }
    found |= {name for name, type in inputs.items() if _is_whole(type)}
    return frozenset(found & inputs.keys())


def _is_whole(type: Any) -> bool:
    """Whether a type is a tensor of integers or booleans."""
    known = type.HasField("tensor_type") and type.tensor_type.elem_type in _NUMPY
    return known and _NUMPY[type.tensor_type.elem_type].kind in "iub"


_NUMPY = {
    number: onnx.helper.tensor_dtype_to_np_dtype(number)
    for name, number in TensorProto.DataType.items()
    if name not in ("UNDEFINED", "STRING")
}
