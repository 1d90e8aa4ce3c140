"""The light_* models of ONNX's backend tests: whole networks, whose files leave the weights out.

Their large weights are all one number, and so are the outputs that they expect, which checks
nothing. So the weights are drawn from a seed here, and onnxruntime says what is expected.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from math import prod, sqrt
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.backend.test.loader import DATA_DIR

from tests.onnx_backend.cases import input_names

FILES = sorted((Path(DATA_DIR) / "light").glob("*.onnx"))
NAMES = tuple(file.stem.removeprefix("light_") for file in FILES)

EVERYDAY = {"shufflenet", "squeezenet"}
"""Those that everyday runs try."""


@cache
def model_of(name: str) -> ModelProto:
    """A model with drawn weights, as small as its file before."""
    return onnx.load(Path(DATA_DIR) / "light" / f"light_{name}.onnx")


def drawn(name: str) -> ModelProto:
    """A model whose constants of one number are drawn: filters so that signals keep their size,
    vectors around 1."""
    model, rng = ModelProto(), np.random.default_rng(5)
    model.CopyFrom(model_of(name))
    shapes = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    kept = []
    for node in model.graph.node:
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        array = _weights(rng, shapes[node.input[0]].tolist())
        model.graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
    del model.graph.node[:]
    model.graph.node.extend(kept)
    if kept[-1].op_type == "Softmax":  # which hides all but the largest numbers
        logits = helper.make_tensor_value_info(kept[-1].input[0], TensorProto.FLOAT, None)
        model.graph.output.append(logits)
    return model


def _weights(rng: np.random.Generator, shape: list[int]) -> np.ndarray:
    if len(shape) < 2:
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    values = rng.standard_normal(shape, np.float32)
    values *= np.float32(sqrt(2 / prod(shape[1:])))
    return values


def inputs_of(model: ModelProto) -> Mapping[str, np.ndarray]:
    """An image."""
    (name,) = input_names(model)
    (value,) = (value for value in model.graph.input if value.name == name)
    shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    image = np.random.default_rng(6).standard_normal(shape).astype(np.float32)
    return {name: image}
